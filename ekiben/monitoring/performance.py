"""How right versions were, by the labels that came back for what they answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ekiben.evaluation import METRICS, Outcome, evaluate
from ekiben.evaluation.intervals import numbers
from ekiben.monitoring.feedback_store import (
    Counted,
    FeedbackStore,
    Labelled,
    Window,
)
from ekiben.monitoring.records import is_hash
from ekiben.schemas.live import Cohort, LabelDelay, LiveQuality, LiveVersion
from ekiben.schemas.model_card import Evaluation
from ekiben.use_cases.use_case import Fields, Floats, UseCase

if TYPE_CHECKING:
    import pandas as pd

SEED = 0
MOST_DELAYS = 10_000
"""Labels by which the delay is measured."""
NEEDS_PROBABILITIES = frozenset({"roc_auc", "average_precision", "log_loss", "brier"})


@dataclass(frozen=True)
class Bounds:
    """How much is read: the newest predictions, and of these the newest with feedback."""

    predictions: int = 100_000
    labelled: int = 5_000


@dataclass(frozen=True)
class Answered:
    """One version's counts, and its predictions whose labels are known."""

    counted: Counted
    labelled: Sequence[Labelled]


@dataclass(frozen=True)
class Matured:
    """The predictions that count, by version."""

    cohort: Cohort
    versions: Sequence[Answered]


def read_matured(
    store: FeedbackStore,
    use_case: str,
    *,
    since: datetime,
    now: datetime,
    maturity: timedelta | None = None,
    bounds: Bounds = Bounds(),
    rows: bool = True,
) -> Matured:
    """Read the predictions since then whose labels have had the time to come.

    Only such are fair: of younger ones the fast labels are there, and these may be the
    easy or the bad ones. *maturity* is how old a prediction has to be; None: the 90th
    percentile of the delay that labels had which came since then, or younger where every
    prediction up to then has its label, so that none was chosen by being fast. Without
    *rows* only answers and labels are read, which is enough for `figures_of`.

    Raises:
        LogUnavailable: it cannot be read.
    """
    delay = delay_of(store.delays(use_case, since, now, MOST_DELAYS))
    seconds = maturity.total_seconds() if maturity is not None else None
    if seconds is None and delay is not None:
        seconds = delay.p90_seconds
    until = since if seconds is None else max(since, now - timedelta(seconds=seconds))
    if maturity is None and seconds is not None:
        until = store.first_unlabelled(use_case, until) or now
    window = Window(use_case, since, until, bounds.predictions)
    counts = store.count_by_version(window)
    complete = sum(one.predictions for one in counts) < bounds.predictions
    cohort = Cohort(
        since=since if complete else min(one.since for one in counts),
        until=until,
        maturity="measured" if maturity is None else "set",
        maturity_seconds=seconds,
        complete=complete,
        label_delay=delay,
    )
    known = store.labelled(window, bounds.labelled, rows=rows)
    return Matured(
        cohort,
        [Answered(one, [o for o in known if o.tag == one.tag]) for one in counts],
    )


def delay_of(seconds: Sequence[float]) -> LabelDelay | None:
    """Describe the delays, None: there are none."""
    if not seconds:
        return None
    median, p90 = np.percentile(seconds, (50, 90)).tolist()
    return LabelDelay(labels=len(seconds), median_seconds=median, p90_seconds=p90)


def measure(use_case: UseCase, matured: Matured, now: datetime) -> LiveQuality:
    """Measure every version, as of *now*, as training measures on its test rows."""
    return LiveQuality(
        use_case=use_case.name,
        computed_at=now,
        cohort=matured.cohort,
        versions=[
            LiveVersion(
                model=one.counted.tag,
                predictions=one.counted.predictions,
                with_feedback=one.counted.with_feedback,
                coverage=one.counted.with_feedback / one.counted.predictions,
                evaluation=evaluation_of(use_case, one.labelled),
            )
            for one in matured.versions
        ],
    )


def evaluation_of(use_case: UseCase, labelled: Sequence[Labelled]) -> Evaluation | None:
    """Measure what is *labelled*, with intervals; None: nothing of it fits the use case."""
    found = _judged(use_case, labelled)
    if found is None:
        return None
    rows, labels, answers, stated = found
    return evaluate(
        labels,
        answers,
        _or_nothing(stated, use_case, len(labels)),
        classes=use_case.classes,
        metrics=_measurable(use_case, stated),
        slices=_slices(use_case, rows),
        rng=np.random.default_rng(SEED),
    )


def figures_of(use_case: UseCase, labelled: Sequence[Labelled]) -> dict[str, float]:
    """Measure what is *labelled* without intervals: cheap enough for every minute."""
    found = _judged(use_case, labelled)
    if found is None:
        return {}
    _, labels, answers, stated = found
    outcome = Outcome(
        numbers(labels, use_case.classes),
        numbers(answers, use_case.classes),
        _or_nothing(stated, use_case, len(labels)),
    )
    once = np.ones((1, len(labels)))
    names = _measurable(use_case, stated)
    return {name: float(METRICS[name](outcome, once)[0]) for name in names}


def stated_by(answer: Fields, classes: Sequence[Any]) -> list[float] | None:
    """Return the probability of each class that an *answer* states, None: it states none."""
    if "probabilities" in answer:
        return [float(answer["probabilities"][str(name)]) for name in classes]
    if "probability" in answer and len(classes) == 2:
        positive = float(answer["probability"])
        return [1.0 - positive, positive]
    return None


Judged = tuple[list[Fields], list[Any], list[Any], Floats | None]


def _judged(use_case: UseCase, labelled: Sequence[Labelled]) -> Judged | None:
    """Return rows, labels, answers and probabilities of what fits the use case as it is."""
    places = set(use_case.classes)
    rows, labels, answers, stated = [], [], [], []
    for one in labelled:
        try:
            answer = use_case.label_of(one.answer)
            shares = stated_by(one.answer, use_case.classes)
        except (KeyError, TypeError, ValueError):  # of a version with other answers
            continue
        if answer in places and one.label in places:
            rows.append(one.row)
            labels.append(one.label)
            answers.append(answer)
            stated.append(shares)
    if not rows:
        return None
    known = [one for one in stated if one is not None]
    whole = np.array(known) if len(known) == len(rows) else None
    return rows, labels, answers, whole


def _measurable(use_case: UseCase, stated: Floats | None) -> list[str]:
    return [
        name
        for name in use_case.metrics
        if stated is not None or name not in NEEDS_PROBABILITIES
    ]


def _or_nothing(stated: Floats | None, use_case: UseCase, rows: int) -> Floats:
    # Labels alone are measured, too: the columns say how many classes there are.
    return np.zeros((rows, len(use_case.classes))) if stated is None else stated


def _slices(
    use_case: UseCase, rows: Sequence[Fields]
) -> Mapping[str, "pd.Series[Any]"]:
    """Name each row's groups; a slice by a field that the log does not keep is left out."""
    if not use_case.slices:
        return {}
    import pandas as pd  # 27 MB, which a server does not have yet

    frame = pd.DataFrame.from_records(list(rows))
    hashed = [name for name in frame if is_hash(frame[name].iloc[0])]
    frame = frame.drop(columns=hashed)
    found = {}
    for name, of in use_case.slices.items():
        try:
            found[name] = of(frame)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return found
