"""In what two answers differ, field by field, and in what two installations do."""

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ekiben.predictor import same
from ekiben.registry.libraries import PLATFORM, running_platform

ABSENT = "absent"
"""Stands for a field that one of two answers does not have, and for a library that is
not installed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One value of an answer that is not what it was; `field` as in `probabilities.ham`."""

    field: str
    logged: Any
    replayed: Any

    def __str__(self) -> str:
        """Return one clause."""
        return f"{self.field} was {self.logged!r}, is {self.replayed!r}"


@dataclass(frozen=True, slots=True)
class Change:
    """A library or the platform, as recorded in a manifest and as it is here."""

    name: str
    then: str
    here: str

    def __str__(self) -> str:
        """Return one clause."""
        return f"{self.name} {self.then} then, {self.here} here"


def differences(logged: Any, replayed: Any, field: str = "") -> Iterator[Difference]:
    """Yield the values that differ: numbers by more than GOLDEN_TOLERANCE, all else at all."""
    if isinstance(logged, dict) and isinstance(replayed, dict):
        for name in {**logged, **replayed}:
            below = f"{field}.{name}" if field else str(name)
            pair = logged.get(name, ABSENT), replayed.get(name, ABSENT)
            yield from differences(*pair, below)
    elif _alike(logged, replayed):
        for place, pair in enumerate(zip(logged, replayed, strict=True)):
            yield from differences(*pair, f"{field}[{place}]")
    elif not same(logged, replayed):
        yield Difference(field, logged, replayed)


def changes(recorded: Mapping[str, str]) -> tuple[Change, ...]:
    """Return which of the *recorded* libraries, Python and platform are others here."""
    found = ((name, then, _here(name)) for name, then in recorded.items())
    return tuple(Change(name, then, here) for name, then, here in found if then != here)


def _alike(logged: Any, replayed: Any) -> bool:
    lists = isinstance(logged, list) and isinstance(replayed, list)
    return lists and len(logged) == len(replayed)


def _here(name: str) -> str:
    if name == PLATFORM:
        return running_platform()
    if name == "python":
        return platform.python_version()
    try:
        return version(name)
    except PackageNotFoundError:
        return ABSENT
