"""Every field of a row, and the prediction, compared with what a version keeps of them."""

from collections.abc import Mapping, Sequence

from ekiben.monitoring.comparing import FEWEST_CURRENT, compare, count_names
from ekiben.monitoring.fields import GIVEN, MISSING, PREDICTION, VALUE, Sample
from ekiben.monitoring.reference import Counts, Signal, Signals, Watched
from ekiben.schemas.drift import PartDrift, SignalDrift


def field_drift(watched: Watched, known: Mapping[str, Signals]) -> PartDrift:
    """Compare one field with what is known of it."""
    field, column = watched.field, watched.column
    before = known.get(field.name, {})
    found = compared(before, watched.signals)
    if column.withheld and len(column.given) < FEWEST_CURRENT:
        reason = f"the log keeps it of {len(column.given):,} rows only: it is personal"
        found = [_not_computed(one, reason) for one in before if one != MISSING]
    elif not before:
        found = [_not_computed(VALUE, "the version was made without it")]
    elif field.kind == "other":
        found = [_not_computed(VALUE, "its type has no comparison"), *found]
    return part_drift(field.name, found, kind=field.kind, withheld=column.withheld)


def _not_computed(signal: str, reason: str) -> SignalDrift:
    return SignalDrift(
        signal=signal,
        verdict="not computed",
        reason=reason,
        reference_rows=0,
        current_rows=0,
    )


def compared(
    before: Mapping[str, Signal], now: Mapping[str, Sample]
) -> list[SignalDrift]:
    """Compare all signals that were kept; what was always given is not worth a test."""
    pairs = [(name, one, now.get(name, [])) for name, one in before.items()]
    return [
        compare(name, reference, current)
        for name, reference, current in pairs
        if name != MISSING or not _always_given(reference, current)
    ]


def _always_given(reference: Signal, current: Sample) -> bool:
    known = reference.counts if isinstance(reference, Counts) else {}
    return {*known, *count_names(current)} <= {GIVEN}


def part_drift(
    name: str,
    signals: Sequence[SignalDrift],
    *,
    kind: str = PREDICTION,
    withheld: int = 0,
) -> PartDrift:
    """Return a part whose verdict is still to be given."""
    return PartDrift(
        name=name,
        kind=kind,
        verdict="none",
        withheld=withheld,
        signals=tuple(signals),
    )
