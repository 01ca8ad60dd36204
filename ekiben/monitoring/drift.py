"""Whether the rows that a version answers are still like those it was made from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ekiben.monitoring.fields import PREDICTION, prediction_signals
from ekiben.monitoring.parts import compared, field_drift, part_drift
from ekiben.monitoring.records import Logged
from ekiben.monitoring.reference import (
    NoReference,
    Reference,
    read_reference,
    watch,
)
from ekiben.monitoring.store import PredictionStore
from ekiben.monitoring.verdicts import judged, named, worst
from ekiben.registry.store import Store
from ekiben.schemas.drift import Drift, PartDrift, Verdict
from ekiben.use_cases.use_case import UseCase

USUAL = timedelta(days=7)
"""How far back is looked: a week has every day of the week once."""
MOST_ROWS = 20_000
"""More logged rows than these are thinned out at random."""
FEWEST_ROWS = 100
"""With fewer logged rows nothing is said."""


@dataclass(frozen=True)
class Question:
    """Which version's rows are compared, and from when on and before when."""

    use_case: UseCase
    tag: str
    since: datetime
    until: datetime


def measure(question: Question, *, store: Store, log: PredictionStore) -> Drift:
    """Compare what a version was asked with what it was made from.

    Nothing of the version is unpickled.

    Raises:
        UnknownModel, ArtefactRefused, StoreUnavailable: the version cannot be read.
        LogUnavailable: the log cannot.
    """
    answered, rows = log.sample(
        question.use_case.name,
        tag=question.tag,
        since=question.since,
        until=question.until,
        most=MOST_ROWS,
    )
    try:
        reference = read_reference(store.read(question.tag)[1])
    except NoReference as reason:
        return _unknown(question, "no reference", f"{question.tag}: {reason}", answered)
    return judge(question, reference, rows, answered)


def judge(
    question: Question, reference: Reference, rows: Sequence[Logged], answered: int
) -> Drift:
    """Compare *rows*, drawn from all that were *answered*, with the *reference*."""
    if len(rows) < FEWEST_ROWS:
        words = f"{len(rows):,} rows in the log, {FEWEST_ROWS} are needed"
        return _unknown(question, "not enough rows", words, answered)
    use_case = question.use_case
    watched = watch(use_case, [one.row for one in rows], reference.known)
    said = prediction_signals([one.answer for one in rows], use_case.label_of)
    parts = [field_drift(one, reference.fields) for one in watched.values()]
    parts.append(part_drift(PREDICTION, compared(reference.prediction, said)))
    *fields, prediction = judged(parts)
    drifted, slight = (named(fields, verdict) for verdict in ("drifted", "watch"))
    return Drift(
        use_case=use_case.name,
        tag=question.tag,
        since=question.since,
        until=question.until,
        verdict=_overall((*fields, prediction)),
        words=_words(drifted, slight, (*fields, prediction)),
        explained_by=drifted,
        watched=slight,
        not_computed=tuple(_gaps((*fields, prediction))),
        rows_answered=answered,
        rows_compared=len(rows),
        reference_rows=reference.rows,
        fields=tuple(fields),
        prediction=prediction,
    )


def _unknown(question: Question, verdict: Verdict, words: str, answered: int) -> Drift:
    return Drift(
        use_case=question.use_case.name,
        tag=question.tag,
        since=question.since,
        until=question.until,
        verdict=verdict,
        words=words,
        explained_by=(),
        watched=(),
        not_computed=("everything",),
        rows_answered=answered,
        rows_compared=0,
        reference_rows=0,
        fields=(),
        prediction=None,
    )


def _overall(parts: Sequence[PartDrift]) -> Verdict:
    found = worst(parts)
    return "not enough rows" if found == "not computed" else found


def _words(
    drifted: Sequence[str], slight: Sequence[str], parts: Sequence[PartDrift]
) -> str:
    """Say in one line what is not as it was; the prediction is the last of *parts*."""
    told = {one.name: f"{one.name} ({_strongest(one)})" for one in parts}
    said = []
    if drifted:
        said.append("drifted: " + ", ".join(told[one] for one in drifted))
    if slight:
        said.append("a little: " + ", ".join(told[one] for one in slight))
    if parts[-1].verdict in ("drifted", "watch"):
        alone = "" if drifted or slight else ", though no field did by itself"
        said.append(f"the {told[PREDICTION]} moved{alone}")
    if any(one.verdict == "not computed" for one in parts):
        said.append("not everything could be computed")
    return "; ".join(said) or "the rows are like those at training"


def _strongest(part: PartDrift) -> str:
    """Say what of a part changed most, of what earned it its verdict."""
    sizes = {
        place: (one.verdict == part.verdict, one.psi)
        for place, one in enumerate(part.signals)
        if one.psi is not None
    }
    if not sizes:
        return "not computed"
    one = part.signals[max(sizes, key=lambda place: sizes[place])]
    return f"{one.signal}: {one.words}, PSI {one.psi:.2f}"


def _gaps(parts: Sequence[PartDrift]) -> Iterator[str]:
    """Name what was not computed, and why."""
    for part in parts:
        for one in part.signals:
            if one.verdict == "not computed":
                yield f"{part.name}, {one.signal}: {one.reason}"
