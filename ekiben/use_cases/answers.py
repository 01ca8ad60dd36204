"""Predictions as columns: many of them reach JSON or a table without an object each."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, overload

import numpy as np

from ekiben.use_cases.columns import Column
from ekiben.use_cases.json_text import written

Fields = dict[str, Any]
"""The fields of one prediction."""
AnswerColumns = Mapping[str, Any]
"""The fields of many: an array or a list each, one value a row; a mapping of such columns,
for a field that is an object; or the one number or text that all of them share."""


class Answers(Sequence[Fields]):
    """So many *rows* of predictions; one is made when somebody asks for it."""

    def __init__(self, columns: AnswerColumns, rows: int) -> None:
        self.columns = columns
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    @overload
    def __getitem__(self, place: int) -> Fields: ...

    @overload
    def __getitem__(self, place: slice) -> "Answers": ...

    def __getitem__(self, place: int | slice) -> "Fields | Answers":
        if isinstance(place, slice):
            return Answers(_part(self.columns, place), len(range(self._rows)[place]))
        # Refuses a place that is none, as a list does.
        start = range(self._rows)[place]
        return next(iter(self[start : start + 1]))

    def __iter__(self) -> Iterator[Fields]:
        return iter(_objects(self.columns, self._rows))

    @property
    def whole(self) -> bool:
        """Whether every column has a value for each row."""
        return _have(self.columns, self._rows)

    def column(self, *path: str) -> Column:
        """Return the values at *path*, the names of fields from the outermost on."""
        found: Any = self.columns
        for name in path:
            found = found[name]
        if isinstance(found, Mapping):
            return _objects(found, self._rows)
        if isinstance(found, np.ndarray | list):
            return found
        return [found] * self._rows

    def and_then(self, others: "Answers") -> "Answers":
        """Return these and, after them, *others* with the same columns."""
        rows = self._rows, others._rows
        return Answers(_joined(self.columns, others.columns, rows), sum(rows))

    def stamped(self, **columns: Any) -> "Answers":
        """Return them with more *columns*."""
        return Answers({**self.columns, **columns}, self._rows)

    def written(self) -> bytes:
        """Return all of them in JSON."""
        return written(self.columns, self._rows)


def joined(first: Sequence[Fields] | None, then: Sequence[Fields]) -> Sequence[Fields]:
    """Return the predictions *first* and *then* those: as columns where all of them are."""
    if first is None:
        return then
    if isinstance(first, Answers) and isinstance(then, Answers):
        return first.and_then(then)
    return [*first, *then]


def _joined(
    first: AnswerColumns, then: AnswerColumns, rows: tuple[int, int]
) -> AnswerColumns:
    return {name: _after(first[name], then[name], rows) for name in first}


def _after(first: Any, then: Any, rows: tuple[int, int]) -> Any:
    if isinstance(first, Mapping):
        return _joined(first, then, rows)
    if isinstance(first, np.ndarray):
        return np.concatenate((first, then))
    if isinstance(first, list):
        return first + then
    return first if first == then else [first] * rows[0] + [then] * rows[1]


def _have(columns: AnswerColumns, rows: int) -> bool:
    return all(
        _have(one, rows)
        if isinstance(one, Mapping)
        else not isinstance(one, np.ndarray | list) or len(one) == rows
        for one in columns.values()
    )


def _objects(columns: AnswerColumns, rows: int) -> list[Fields]:
    values = (_listed(one, rows) for one in columns.values())
    names = tuple(columns)
    return [dict(zip(names, one, strict=True)) for one in zip(*values, strict=False)]


def _listed(values: Any, rows: int) -> Any:
    if isinstance(values, np.ndarray):
        return values.tolist()
    if isinstance(values, Mapping):
        return _objects(values, rows)
    return values if isinstance(values, list) else repeat(values, rows)


def _part(columns: AnswerColumns, place: slice) -> AnswerColumns:
    return {name: _cut(values, place) for name, values in columns.items()}


def _cut(values: Any, place: slice) -> Any:
    if isinstance(values, Mapping):
        return _part(values, place)
    return values[place] if isinstance(values, np.ndarray | list) else values
