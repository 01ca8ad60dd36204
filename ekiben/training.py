"""From a table to a registered version: split, fit, decide, evaluate, keep golden rows."""

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from ekiben.compiling import Compilation, compile_estimator
from ekiben.datasets import Table
from ekiben.errors import InvalidTable
from ekiben.evaluation import evaluate
from ekiben.holdout import evidence
from ekiben.monitoring.reference import REFERENCE, make_reference, render_reference
from ekiben.predictor import Predictor, scorer_of
from ekiben.registry.libraries import PLATFORM, running_platform
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from ekiben.schemas.model_card import Evaluation, Golden, ModelCard
from ekiben.use_cases.use_case import Estimator, Fields, Floats, Scorer, UseCase

SEED = 0
VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2
FEWEST_OF_CLASS = 5
"""Rows that each class needs, so that every part of a split gets at least one."""
GOLDEN_ROWS = 20
"""About how many test rows become golden, beside the schema's examples."""
LIBRARIES = ("bentoml", "lightgbm", "numpy", "pandas", "scikit-learn", "scipy")

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    """The places of a table's rows in three parts, the classes alike in each."""

    train: Rows
    validation: Rows
    test: Rows


@dataclass(frozen=True)
class Trained:
    """A fitted use case that nobody has stored yet."""

    predictor: Predictor
    estimator: Estimator
    evaluation: Evaluation
    golden: Sequence[Golden]
    seconds: float
    evidence: Mapping[str, bytes]
    """Files that the version will be judged by."""
    compilation: Compilation = field(default_factory=Compilation)
    """What the version is served by."""


def train(
    use_case: UseCase,
    table: Table,
    store: Store,
    *,
    now: Callable[[], datetime],
    clock: Callable[[], float],
    seed: int = SEED,
    parts: Split | None = None,
) -> Manifest:
    """Fit *use_case* on *table* and register the version; *parts* as `fit` takes them.

    Raises:
        InvalidTable: the table has too few rows of a class; nothing is registered.
    """
    trained = fit(use_case, table, clock=clock, seed=seed, parts=parts)

    def make_card(tag: str) -> ModelCard:
        return ModelCard(
            tag=tag,
            use_case=use_case.name,
            trained_at=now(),
            training_seconds=trained.seconds,
            data=table.card,
            libraries=libraries(),
            parameters=parameters_of(trained.estimator),
            decision=trained.predictor.decision,
            evaluation=trained.evaluation,
            schema_sha256=use_case.schema_sha256,
            compiled=trained.compilation.verdict,
        )

    return store.register(
        use_case.name,
        trained.estimator,
        make_card=make_card,
        golden=trained.golden,
        extras={**trained.evidence, **trained.compilation.files},
    )


def fit(
    use_case: UseCase,
    table: Table,
    *,
    clock: Callable[[], float],
    seed: int = SEED,
    parts: Split | None = None,
) -> Trained:
    """Fit on training rows, decide on validation rows, evaluate on test rows.

    *parts* says which rows are which; None: they are drawn by *seed*.
    """
    labels = _labels(use_case, table)
    parts = parts or split(labels, np.random.default_rng(seed))
    encode = use_case.encoding.from_table
    started = clock()
    estimator = use_case.build(seed)
    estimator.fit(encode(table.frame.iloc[parts.train]), labels[parts.train])
    seconds = clock() - started
    score = _uncompiled(use_case, estimator)
    validation = encode(table.frame.iloc[parts.validation])
    decision = use_case.decide(
        labels[parts.validation], score(validation), labels[parts.train]
    )
    compilation = compile_estimator(use_case, estimator, validation, decision)
    predictor = Predictor(use_case, compilation.score or score, decision, tag="")
    test = Table(table.frame.iloc[parts.test], table.card)
    evaluation, answers, stated = _evaluate(predictor, test, labels[parts.test], seed)
    golden_places = pick_golden(labels[parts.test], answers, stated, use_case.classes)
    rows = use_case.encoding.rows_of(test.frame.iloc[golden_places])
    golden = make_golden(predictor, [*use_case.examples, *rows])
    kept = evidence(use_case, table.frame, parts.test, np.random.default_rng(seed))
    usual = make_reference(
        use_case, table.frame, parts.test, predictor, np.random.default_rng(seed)
    )
    kept[REFERENCE] = render_reference(usual)
    return Trained(predictor, estimator, evaluation, golden, seconds, kept, compilation)


def _uncompiled(use_case: UseCase, estimator: Estimator) -> Scorer:
    """Return what answers where plain files do not.

    A use case that compiles may make its scorer of the same files: where these are in
    doubt, the estimator speaks for itself.
    """
    if use_case.compile is None:
        return scorer_of(use_case, estimator)
    return use_case.own_scorer(estimator)


def split(labels: NDArray[Any], rng: np.random.Generator) -> Split:
    """Split rows by their *labels*; each class is in each part, if it has rows enough."""
    parts: tuple[list[Rows], ...] = ([], [], [])
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        tested = max(1, round(len(rows) * TEST_SHARE))
        validated = max(1, round(len(rows) * VALIDATION_SHARE))
        cuts = (tested, tested + validated)
        for part, piece in zip(parts, np.split(rows, cuts), strict=True):
            part.append(piece)
    test, validation, training = (np.sort(np.concatenate(part)) for part in parts)
    return Split(training, validation, test)


def _labels(use_case: UseCase, table: Table) -> NDArray[Any]:
    target = use_case.dataset.target
    labels = np.array(table.frame[target].tolist())
    counts = {name: int((labels == name).sum()) for name in use_case.classes}
    few = [
        f"{target}: {name!r} has {count} rows, {FEWEST_OF_CLASS} are needed"
        for name, count in counts.items()
        if count < FEWEST_OF_CLASS
    ]
    if few:
        raise InvalidTable(table.card.source, few)
    return labels


def _evaluate(
    predictor: Predictor, test: Table, labels: NDArray[Any], seed: int
) -> tuple[Evaluation, NDArray[Any], Floats]:
    """Return the evaluation, and the answered labels and stated probabilities it rests on."""
    use_case, decision = predictor.use_case, predictor.decision
    encoded = use_case.encoding.from_table(test.frame)
    scored = predictor.probabilities(encoded, len(labels))
    answers = use_case.answer(scored, decision)
    answered = np.array([use_case.label_of(one) for one in answers])
    stated = use_case.probabilities_of(scored, decision)
    evaluation = evaluate(
        labels,
        answered,
        stated,
        classes=use_case.classes,
        metrics=use_case.metrics,
        slices={name: of(test.frame) for name, of in use_case.slices.items()},
        rng=np.random.default_rng(seed),
    )
    return evaluation, answered, stated


def pick_golden(
    labels: NDArray[Any],
    answers: NDArray[Any],
    stated: Floats,
    classes: Sequence[Any],
) -> list[int]:
    """Pick about GOLDEN_ROWS places: each class from its least to its most probable
    row, and the rows closest to where its answer changes, on both sides."""
    spread = max(2, GOLDEN_ROWS // len(classes) - 2)
    picked: dict[int, None] = {}
    for number, name in enumerate(classes):
        order = np.argsort(stated[:, number], kind="stable")
        of_class = order[labels[order] == name]
        said, unsaid = order[answers[order] == name], order[answers[order] != name]
        even = np.linspace(0, len(of_class) - 1, spread).round().astype(int)
        for place in (*of_class[even], *said[:1], *unsaid[-1:]):
            picked.setdefault(int(place))
    return list(picked)


def make_golden(predictor: Predictor, rows: Sequence[Fields]) -> list[Golden]:
    """Answer *rows* with *predictor* and keep both."""
    answers = predictor.predict_raw(rows)
    return [
        Golden(row=row, prediction=answer)
        for row, answer in zip(rows, answers, strict=True)
    ]


def parameters_of(estimator: Estimator) -> dict[str, JsonValue]:
    """Return the estimator's parameters that JSON can say; nested estimators are none."""
    parameters = estimator.get_params()
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in sorted(parameters.items())
        if _is_json(value)
    }


def _is_json(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_json(one) for one in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (bool, int, str))


def libraries() -> dict[str, str]:
    """Return the versions that a model's numbers depend on, and the platform."""
    found = {name: version(name) for name in LIBRARIES}
    here = {"python": platform.python_version(), PLATFORM: running_platform()}
    return {**here, **found}
