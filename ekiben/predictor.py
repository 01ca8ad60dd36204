"""Rows to answers by one version: the same steps in training, serving and every check."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ekiben.compiled.artefact import Malformed, in_order, read_artefact
from ekiben.compiled.forms import load_scorer
from ekiben.errors import ArtefactRefused, BatchShapeMismatch
from ekiben.registry.store import Store, Version
from ekiben.schemas.base import Row
from ekiben.schemas.model_card import Golden
from ekiben.use_cases.answers import Answers
from ekiben.use_cases.columns import Columns
from ekiben.use_cases.use_case import Decision, Fields, Floats, Scorer, UseCase

GOLDEN_TOLERANCE = 1e-9
"""How far a number of a golden prediction may be off: the same machine code gives the
same bits, another build of the numeric libraries differs in the last ones."""


@dataclass(frozen=True)
class Predictor:
    """One use case, answered by one estimator with one decision."""

    use_case: UseCase
    score: Scorer
    decision: Decision
    tag: str

    @classmethod
    def of(
        cls, use_case: UseCase, estimator: Any, decision: Decision, tag: str = ""
    ) -> "Predictor":
        """Make the predictor of a fitted *estimator*."""
        return cls(use_case, scorer_of(use_case, estimator), decision, tag)

    def probabilities(self, encoded: Any, rows: int) -> Floats:
        """Return the model's probabilities, (rows, classes), before any correction.

        Raises:
            BatchShapeMismatch: the model gave another shape, or a number that is none.
        """
        scored = self.score(encoded)
        if scored.shape != (rows, len(self.use_case.classes)):
            raise BatchShapeMismatch(
                f"asked {rows} rows, the model answered {scored.shape}"
            )
        if scored.dtype.kind != "f":
            raise BatchShapeMismatch(f"the model answered with {scored.dtype}")
        if not np.isfinite(scored).all():
            raise BatchShapeMismatch("the model answered with NaN or infinity")
        return scored

    def predict(self, rows: Sequence[Row]) -> list[Fields]:
        """Answer *rows* in order: the fields of each prediction but its id and model."""
        encoded = self.use_case.encoding.from_rows(rows)
        scored = self.probabilities(encoded, len(rows))
        return self.use_case.answer(scored, self.decision)

    def answers(self, rows: Sequence[Row]) -> Sequence[Fields]:
        """Do the same, with columns for columns where the use case can.

        Raises:
            BatchShapeMismatch: a column has another number of values.
        """
        columns = self.use_case.answer_columns
        if columns is None or not isinstance(rows, Columns):
            return self.predict(rows)
        encoded = self.use_case.encoding.from_rows(rows)
        scored = self.probabilities(encoded, len(rows))
        found = Answers(columns(scored, self.decision), len(rows))
        if not found.whole:
            raise BatchShapeMismatch(f"asked {len(rows)} rows, a column has others")
        return found

    def predict_raw(self, rows: Sequence[dict[str, Any]]) -> list[Fields]:
        """Answer rows as a client would send them; for golden rows and tests."""
        return self.predict([self.use_case.row.model_validate(row) for row in rows])


def scorer_of(use_case: UseCase, estimator: Any) -> Scorer:
    """Return the scorer of a fitted *estimator*, its columns in the order of `classes`.

    Raises:
        ValueError: the estimator learned other classes than the use case has.
    """
    score = use_case.scorer(estimator)
    return in_order(score, list(estimator.classes_), use_case.classes)


def _serving_scorer(use_case: UseCase, version: Version) -> Scorer:
    """Return what answers: the compiled files where they passed, else the estimator.

    A version that is compiled is never unpickled.

    Raises:
        ArtefactRefused: what is to answer cannot be loaded.
    """
    compiled = version.manifest.card.compiled
    if compiled is None:
        return scorer_of(use_case, version.estimator)
    if compiled.serves == "native":
        return use_case.own_scorer(version.estimator)
    try:
        return load_scorer(read_artefact(version.files), use_case.classes)
    except Malformed as error:
        raise ArtefactRefused(version.tag, str(error)) from None


def load_predictor(
    store: Store, use_case: UseCase, tag: str, digest: str | None = None
) -> Predictor:
    """Load the version *tag* through the one door: exact tag, digests, golden predictions.

    *digest* is what the release recorded of the artefact, where there is a release.

    Raises:
        UnknownModel: no version has exactly that tag.
        ArtefactRefused: a file is not what was registered, or an answer differs.
    """
    version: Version = store.open(tag)
    if digest is not None and version.manifest.digest != digest:
        raise ArtefactRefused(tag, "it is not the artefact that was promoted")
    score = _serving_scorer(use_case, version)
    predictor = Predictor(use_case, score, version.manifest.card.decision, tag)
    fault = golden_fault(predictor, version.manifest.golden)
    if fault is not None:
        raise ArtefactRefused(tag, fault)
    return predictor


def golden_fault(predictor: Predictor, golden: Sequence[Golden]) -> str | None:
    """Return which of the *golden* rows is answered differently now, None: none is."""
    answers = predictor.predict_raw([one.row for one in golden])
    for number, (one, answer) in enumerate(zip(golden, answers, strict=True)):
        if not same(one.prediction, answer):
            return f"golden row {number} is answered differently"
    return None


def same(expected: Any, actual: Any) -> bool:
    """Whether two answers agree: numbers within GOLDEN_TOLERANCE, all else exactly."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(
            same(expected[key], actual[key]) for key in expected
        )
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, float) and isinstance(actual, (int, float)):
        return bool(abs(expected - actual) <= GOLDEN_TOLERANCE)
    return bool(expected == actual)
