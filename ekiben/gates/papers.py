"""The gates that need no answer of the candidate: files, libraries, data, schemas, golden rows."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from ekiben.schemas.gates import Verdict
from ekiben.schemas.model_card import DataCard


def integrity(refusal: str | None, files: int) -> Verdict:
    """Pass when every file is what was registered."""
    words = refusal or f"all {files} files are what was registered"
    return Verdict(
        gate="integrity",
        passed=refusal is None,
        words=words,
        numbers={"files": files},
    )


def libraries(recorded: Mapping[str, str], running: Mapping[str, str]) -> Verdict:
    """Pass when major and minor versions are those that the candidate was made with."""
    wrong = {
        name: recorded.get(name, "not recorded")
        for name, here in running.items()
        if _minor(recorded.get(name, "")) != _minor(here)
    }
    told = [f"{name} {then}, here {running[name]}" for name, then in wrong.items()]
    return Verdict(
        gate="libraries",
        passed=not wrong,
        words="; ".join(told) or "made with the libraries that run here",
        numbers={"recorded": dict(recorded), "running": dict(running)},
    )


def provenance(candidate: DataCard, incumbent: DataCard | None) -> Verdict:
    """Refuse a sample-trained candidate in the place of one trained on real data."""
    before = incumbent.kind if incumbent else None
    passed = not (candidate.kind == "sample" and before == "real")
    words = f"trained on {candidate.kind} data, {candidate.rows} rows"
    if before:
        words += f"; the incumbent on {before} data"
    return Verdict(
        gate="provenance",
        passed=passed,
        words=words,
        numbers={"candidate": candidate.kind, "incumbent": before},
    )


def schema(running: Sequence[str] | None, incumbent: Sequence[str] | None) -> Verdict:
    """Pass when nothing differs from the *running* code's schemas and the *incumbent*'s.

    None: the version does not say for which schemas it was made.
    """
    named = {"the running code": running, "the incumbent": incumbent}
    told = [
        f"against {whom}: {'not known' if found is None else '; '.join(found)}"
        for whom, found in named.items()
        if found is None or found
    ]
    numbers: dict[str, JsonValue] = {
        "running": None if running is None else list(running),
        "incumbent": None if incumbent is None else list(incumbent),
    }
    return Verdict(
        gate="schema",
        passed=not told,
        words="; ".join(told) or "rows and predictions are compatible",
        numbers=numbers,
    )


def loading(reason: str | None) -> Verdict:
    """Pass when the candidate was loaded in a process of its own, within its limits."""
    return Verdict(
        gate="loading",
        passed=reason is None,
        words=reason or "it loads within its limits of time and memory",
    )


def golden(refusal: str | None, rows: int, tolerance: float) -> Verdict:
    """Pass when the candidate loads and answers its golden rows as it did."""
    return Verdict(
        gate="golden",
        passed=refusal is None,
        words=refusal or f"{rows} golden rows are answered as when it was registered",
        numbers={"rows": rows, "tolerance": tolerance},
    )


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
