"""What a use case is: one value that says all that differs between one model and the next."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from ekiben.compiled.artefact import Artefact, Floats, Scorer, in_order
from ekiben.datasets import Dataset
from ekiben.schemas.base import Prediction, Row
from ekiben.use_cases.answers import AnswerColumns, Fields

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Decision",
    "Encoding",
    "Estimator",
    "Fields",
    "Floats",
    "Scorer",
    "UseCase",
]

Decision = dict[str, float]


class Estimator(Protocol):
    """What scikit-learn calls a classifier."""

    classes_: NDArray[Any]

    def fit(self, features: Any, labels: Any) -> Any:
        """Learn from *features*, a row each, and their *labels*."""

    def predict_proba(self, features: Any) -> Floats:
        """Return the probabilities of each row's classes."""

    def get_params(self) -> dict[str, Any]:
        """Return the parameters it was built with."""


class Encoding(Protocol):
    """Rows, or a table, to the one array or list that the estimator takes."""

    def from_rows(self, rows: Sequence[Any]) -> Any:
        """Encode rows that the edge has checked: one entry a row, in order."""

    def from_table(self, table: "pd.DataFrame") -> Any:
        """Encode a checked table the same way."""

    def rows_of(self, table: "pd.DataFrame") -> list[dict[str, Any]]:
        """Return the table's rows as a client would send them."""


@dataclass(frozen=True, kw_only=True)
class UseCase:
    """One model: its rows, data, pipeline, slices and what its numbers mean.

    `classes` are the labels in the order of the probability columns; in a binary
    use case the second is the positive one. All callables are pure.
    """

    name: str
    summary: str
    row: type[Row]
    prediction: type[Prediction]
    dataset: Dataset
    encoding: Encoding
    classes: tuple[Any, ...]
    build: Callable[[int], Estimator]
    """Seed to an unfitted estimator, preprocessing inside."""
    scorer: Callable[[Any], Scorer]
    """A fitted estimator to its fastest exact scoring function, one thread."""
    decide: Callable[[NDArray[Any], Floats, NDArray[Any]], Decision]
    """(validation labels, validation probabilities, training labels) to the decision."""
    answer: Callable[[Floats, Decision], list[Fields]]
    """Probabilities and decision to the fields of each prediction, without id and model."""
    label_of: Callable[[Fields], Any]
    """The label that an answer names, one of `classes`."""
    probabilities_of: Callable[[Floats, Decision], Floats]
    """The probabilities that the answer states, after any correction; (rows, classes)."""
    metrics: tuple[str, ...]
    """Names of the metrics that are measured, the main one first."""
    slices: "Mapping[str, Callable[[pd.DataFrame], pd.Series[Any]]]" = field(
        default_factory=dict
    )
    """Name of a slice to the function that names each row's group."""
    floors: Mapping[str, float] = field(default_factory=dict)
    """Name of a metric to what a version needs at least to become production."""
    calibration_error: float = 0.10
    """A version whose calibration error is surely larger does not become production."""
    answer_columns: Callable[[Floats, Decision], AnswerColumns] | None = None
    """What `answer` says of many rows, as columns; None: they are made a row at a time."""
    compile: Callable[[Any], Artefact] | None = None
    """A fitted estimator to plain files that score as it does, or NotCompilable; None:
    versions are served by `scorer`. Where they turn out to differ, `own_scorer` serves."""
    prior: float | None = None
    """The share of positives that stated probabilities are meant for, where it is not
    that of the table; binary only."""

    def own_scorer(self, estimator: Any) -> Scorer:
        """Return a fitted *estimator*'s `predict_proba`, columns in the order of `classes`.

        It is what a compiled form is held against, and shares no code with one.

        Raises:
            ValueError: the estimator learned other classes than the use case has.
        """
        learned = list(estimator.classes_)
        return in_order(estimator.predict_proba, learned, self.classes)

    @property
    def examples(self) -> list[dict[str, Any]]:
        """Rows as a client would send them, from the row's schema."""
        found: list[dict[str, Any]] = self.row.model_json_schema()["examples"]
        return found

    @property
    def schema_sha256(self) -> str:
        """Digest of what a client must know: the JSON schemas of row and prediction."""
        schemas = [self.row.model_json_schema(), self.prediction.model_json_schema()]
        canonical = json.dumps(schemas, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()
