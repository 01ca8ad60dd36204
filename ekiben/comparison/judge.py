"""Asks the gates in their order: what needs no unpickling first."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ekiben import gates
from ekiben.comparison.contender import Contender
from ekiben.comparison.measuring import (
    Clock,
    Paired,
    Trial,
    calibration_of,
    histogram_of,
    latencies,
    pair,
    values_of,
)
from ekiben.errors import ArtefactRefused, EkibenError
from ekiben.holdout import Holdout, NoEvidence, read_holdout, unseen
from ekiben.predictor import GOLDEN_TOLERANCE
from ekiben.registry.libraries import running_libraries
from ekiben.registry.store import Store
from ekiben.schemas.gates import Comparison, HoldoutFacts, Report, Side, Verdict
from ekiben.use_cases.use_case import UseCase

SEED = 0
FEWEST_ROWS = 20
"""With fewer rows that the incumbent has not seen, all rows are compared: an incumbent
that has seen some looks better than it is, so no gate gets easier."""


TryApart = Callable[[str], str | None]
"""Loads the version of a tag in another process; returns why it cannot be, or None."""


class NotComparable(EkibenError):
    """Two versions cannot answer the same rows."""


def check(
    candidate: str,
    incumbent: str | None,
    *,
    store: Store,
    use_case: UseCase,
    try_apart: TryApart | None = None,
    clock: Clock = time.perf_counter,
    seed: int = SEED,
) -> Report:
    """Ask the gates about the version tagged *candidate*; tags are exact.

    Without an *incumbent* only the absolute gates are asked. A gate that cannot be
    asked, since an earlier one refused, is left out. The candidate is unpickled in
    this process, once its digests and libraries are right and *try_apart*, which
    loads it elsewhere, gave no reason against.

    Raises:
        UnknownModel: no version has exactly that tag.
        StoreUnavailable: the store cannot be read.
    """
    judge = _Judge(store, use_case, clock, seed, try_apart)
    judge.ask(candidate, incumbent)
    return judge.report(candidate, incumbent)


def compare(
    candidate: str,
    incumbent: str,
    *,
    store: Store,
    use_case: UseCase,
    clock: Clock = time.perf_counter,
    seed: int = SEED,
) -> Comparison:
    """Compare two versions on the rows that *candidate* was tested on.

    Raises:
        NotComparable: one of them cannot be loaded, or cannot answer these rows.
        UnknownModel: no version has exactly that tag.
        StoreUnavailable: the store cannot be read.
    """
    judge = _Judge(store, use_case, clock, seed)
    judge.ask(candidate, incumbent)
    report = judge.report(candidate, incumbent)
    if judge.paired is None:
        refused = [
            f"{one.gate}: {one.words}" for one in report.verdicts if not one.passed
        ]
        raise NotComparable(f"{candidate}, {incumbent}: {'; '.join(refused)}")
    new, old = judge.sides
    return Comparison(
        report=report,
        candidate=new,
        incumbent=old,
        disagreement=judge.paired.disagreement,
        metrics=judge.paired.metrics | {"log_loss": judge.paired.log_loss},
        slices=judge.paired.slices,
    )


@dataclass
class _Judge:
    """One run of the gates, and what was measured for it."""

    store: Store
    use_case: UseCase
    clock: Clock
    seed: int
    try_apart: TryApart | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    facts: HoldoutFacts | None = None
    paired: Paired | None = None
    sides: list[Side] = field(default_factory=list)

    def report(self, candidate: str, incumbent: str | None) -> Report:
        return Report(
            use_case=self.use_case.name,
            candidate=candidate,
            incumbent=incumbent,
            holdout=self.facts,
            verdicts=tuple(self.verdicts),
        )

    def ask(self, candidate: str, incumbent: str | None) -> None:
        """Ask all gates that can be asked."""
        new = self._read(candidate)
        old = self._incumbent(incumbent) if incumbent and new else None
        if new is None or not self._ask_papers(new, old):
            return
        trial = self._candidate(new)
        if trial is None:
            return
        rival = self._rival(old, trial[1]) if old else None
        self._ask_numbers(*trial, rival, self._rows(trial[1], old))

    def _add(self, verdict: Verdict) -> bool:
        self.verdicts.append(verdict)
        return verdict.passed

    def _read(self, tag: str) -> Contender | None:
        try:
            new = Contender.read(self.store, self.use_case, tag)
        except ArtefactRefused as refusal:
            self._add(gates.integrity(refusal.reason, 0))
            return None
        self._add(gates.integrity(None, len(new.files)))
        return new

    def _incumbent(self, tag: str) -> Contender | None:
        try:
            return Contender.read(self.store, self.use_case, tag)
        except ArtefactRefused as refusal:
            self._add(gates.not_measured("regression", str(refusal)))
            return None

    def _ask_papers(self, new: Contender, old: Contender | None) -> bool:
        """Ask what needs no unpickling; return whether the candidate may be unpickled."""
        card, before = new.manifest.card, old.manifest.card if old else None
        may_load = self._add(gates.libraries(card.libraries, running_libraries()))
        self._add(gates.provenance(card.data, before.data if before else None))
        self._add(
            gates.schema(new.changes_from_code(), new.changes_from(old) if old else [])
        )
        return may_load

    def _candidate(self, new: Contender) -> tuple[Trial, Holdout] | None:
        """Load the candidate and let it answer its test rows."""
        if self.try_apart:
            reason = self.try_apart(new.tag)
            if not self._add(gates.loading(reason)):
                return None
        predictor, refusal = new.load(self.store)
        rows = len(new.manifest.golden)
        self._add(gates.golden(refusal, rows, GOLDEN_TOLERANCE))
        if predictor is None:
            return None
        try:
            holdout = read_holdout(self.use_case, new.files)
            return Trial.of(predictor, holdout), holdout
        except NoEvidence as reason:
            self._add(gates.not_measured("floors", str(reason)))
        except (
            Exception
        ) as error:  # whatever an artefact does when asked, is its verdict
            self._add(gates.not_measured("floors", f"it raised {error!r}"))
        return None

    def _rival(self, old: Contender, holdout: Holdout) -> Trial | None:
        predictor, reason = old.load(self.store)
        try:
            if predictor:
                return Trial.of(predictor, holdout)
        except Exception as error:
            reason = f"it raised {error!r}"
        self._add(gates.not_measured("regression", f"{old.tag}: {reason}"))
        return None

    def _rows(self, holdout: Holdout, old: Contender | None) -> NDArray[np.bool_]:
        """Return the rows to compare on, and keep the facts about them."""
        everything = np.ones(len(holdout.labels), dtype=bool)
        fresh = unseen(self.use_case, holdout.frame, old.files) if old else everything
        seen = None if fresh is None else int((~fresh).sum())
        rows = everything if fresh is None or fresh.sum() < FEWEST_ROWS else fresh
        self.facts = HoldoutFacts(
            rows=len(rows),
            seen_by_incumbent=seen if old else None,
            compared=int(rows.sum()),
        )
        return rows

    def _ask_numbers(
        self,
        new: Trial,
        holdout: Holdout,
        old: Trial | None,
        rows: NDArray[np.bool_],
    ) -> None:
        rng, trials = np.random.default_rng(self.seed), [new, old] if old else [new]
        measured = [calibration_of(one, holdout, rng) for one in trials]
        times = latencies(trials, holdout, self.clock)
        self.paired = pair(new, old, holdout, rows, rng) if old else None
        self.sides = [
            Side(
                tag=one.predictor.tag,
                calibration=error,
                scores=histogram_of(one),
                latency_ms={str(count): ms for count, ms in taken.items()},
            )
            for one, error, taken in zip(trials, measured, times, strict=True)
        ]
        least = self.use_case.floors
        self._add(gates.floors(values_of(new, holdout.weights), least))
        paired = self.paired
        rival = measured[1] if old else None
        score = paired.log_loss if paired else None
        limit = self.use_case.calibration_error
        self._add(gates.calibration(measured[0], rival, score, limit))
        if paired:
            self._add(gates.regression(paired.metrics, self.use_case.metrics[0]))
            self._add(gates.slices(paired.slices))
        self._add(gates.latency(times[0], times[1] if old else None))
