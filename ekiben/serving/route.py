"""A predict route, as `service.py` declares it."""

from dataclasses import dataclass

from ekiben.use_cases.use_case import UseCase


@dataclass(frozen=True)
class Route:
    """A predict route: its path and its use case."""

    path: str
    use_case: UseCase
