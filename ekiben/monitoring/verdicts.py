"""When a difference is called drift: sure by its p-value, and large enough by its PSI."""

from collections.abc import Iterable, Sequence

from ekiben.monitoring.shift import holm
from ekiben.schemas.drift import PartDrift, PartVerdict, SignalDrift

CHANCE = 0.001
"""How often all tests of a use case together may see a difference where there is none:
in one look of a thousand."""
DRIFTED = 0.1
"""The PSI from which a sure difference is drift: where custom begins to speak of a
moderate shift, and what normal numbers show that moved by a third of their standard
deviation."""
WATCH = 0.05
"""The PSI from which a sure difference is worth a look."""
WORST: tuple[PartVerdict, ...] = ("drifted", "watch", "none", "not computed")


def judged(parts: Sequence[PartDrift]) -> list[PartDrift]:
    """Correct the p-values of all *parts* together, and give each its verdict."""
    chances = [one.p for part in parts for one in part.signals if one.p is not None]
    corrected = iter(holm(chances))
    judged = []
    for part in parts:
        signals = [
            one if one.p is None else _verdict_on(one, next(corrected))
            for one in part.signals
        ]
        sizes = [one.psi for one in signals if one.psi is not None]
        facts = {
            "signals": tuple(signals),
            "verdict": worst(signals),
            "psi": max(sizes, default=None),
        }
        judged.append(part.model_copy(update=facts))
    return judged


def _verdict_on(signal: SignalDrift, corrected: float) -> SignalDrift:
    psi = signal.psi or 0.0
    verdict: PartVerdict = "none"
    if corrected < CHANCE and psi >= WATCH:
        verdict = "drifted" if psi >= DRIFTED else "watch"
    return signal.model_copy(update={"corrected_p": corrected, "verdict": verdict})


def worst(judged: Iterable[SignalDrift | PartDrift]) -> PartVerdict:
    """Return the worst of some verdicts."""
    found = {one.verdict for one in judged}
    return next((one for one in WORST if one in found), "not computed")


def named(fields: Sequence[PartDrift], verdict: PartVerdict) -> tuple[str, ...]:
    """Return the fields with that *verdict*, the largest shift first."""
    found = [one for one in fields if one.verdict == verdict]
    return tuple(one.name for one in sorted(found, key=lambda one: -(one.psi or 0)))
