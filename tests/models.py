"""Use cases trained for a test session, and how tests ask them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ekiben.datasets import Table
from ekiben.predictor import Predictor
from ekiben.training import SEED, Trained, split
from ekiben.use_cases.use_case import Fields


@dataclass(frozen=True)
class Trainings:
    """The tables and the trained use cases of a session, by name."""

    table: Callable[[str], Table]
    trained: Callable[[str], Trained]

    def predictor(self, name: str) -> Predictor:
        return self.trained(name).predictor

    def test_part(self, name: str) -> pd.DataFrame:
        """Return the rows that the trained use case has not seen."""
        use_case, frame = self.predictor(name).use_case, self.table(name).frame
        labels = np.array(frame[use_case.dataset.target].tolist())
        return frame.iloc[split(labels, np.random.default_rng(SEED)).test]

    def test_rows(self, name: str, most: int = 300) -> list[dict[str, Any]]:
        """Return unseen rows from all over the table, as a client would send them."""
        encoding, part = self.predictor(name).use_case.encoding, self.test_part(name)
        return encoding.rows_of(part.iloc[:: -(-len(part) // most)])


def probabilities(answers: list[Fields]) -> list[float]:
    return [answer["probability"] for answer in answers]
