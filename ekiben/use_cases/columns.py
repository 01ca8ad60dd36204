"""Checked rows as columns: a table from a client reaches the model without an object a row."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ekiben.schemas.base import Row

Column = NDArray[Any] | list[Any]
"""One value a row: an array of numbers or truth values, or a list of anything else."""


class Columns(Sequence[Row]):
    """The rows of one request, all checked: a column for every field of *row*, in its order.

    A row is made when somebody asks for it.
    """

    def __init__(self, row: type[Row], values: Mapping[str, Column]) -> None:
        self._row = row
        self.values = values
        self._count = len(next(iter(values.values())))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> "Columns": ...

    def __getitem__(self, place: int | slice) -> "Row | Columns":
        if isinstance(place, slice):
            return self._part(place)
        # Refuses a place that is none, as a list does.
        start = range(self._count)[place]
        return next(iter(self._part(slice(start, start + 1))))

    def fields(self) -> list[dict[str, Any]]:
        """Return the fields of each row."""
        names = tuple(self.values)
        return [dict(zip(names, row, strict=True)) for row in self._listed()]

    def _listed(self) -> Iterator[tuple[Any, ...]]:
        columns = (
            one.tolist() if isinstance(one, np.ndarray) else one
            for one in self.values.values()
        )
        return zip(*columns, strict=True)

    def __iter__(self) -> Iterator[Row]:
        kind = self._row
        # As a pickle of a row is read: what is checked need not be checked again, and
        # model_construct takes several times as long. Rows are frozen, so that all of
        # them may have one set of the fields that were given.
        state: dict[str, Any] = {
            "__pydantic_fields_set__": set(self.values),
            "__pydantic_extra__": None,
            "__pydantic_private__": None,
        }
        for fields in self.fields():
            row = kind.__new__(kind)
            state["__dict__"] = fields
            row.__setstate__(state)
            yield row

    def _part(self, place: slice) -> "Columns":
        return Columns(
            self._row, {name: one[place] for name, one in self.values.items()}
        )

    def joined(self, others: Sequence["Columns"]) -> "Columns":
        """Return these rows and those of *others*, of the same kind, after them."""
        parts = (self, *others)
        return Columns(
            self._row,
            {
                name: _joined([part.values[name] for part in parts])
                for name in self.values
            },
        )


def _joined(columns: Sequence[Column]) -> Column:
    if isinstance(columns[0], np.ndarray):
        return np.concatenate(columns)
    return [value for column in columns for value in column]


def together(parts: Sequence[Sequence[Row]]) -> Sequence[Row]:
    """Return the rows of all *parts* in order: as columns where all of them are."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, Columns):
        others = [one for one in parts[1:] if isinstance(one, Columns)]
        if len(others) == len(parts) - 1:
            return first.joined(others)
    return [row for part in parts for row in part]
