"""Rows, or a table, to what an estimator takes: an array of numbers, or a list of texts."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ekiben.schemas.base import Row
from ekiben.use_cases.columns import Columns
from ekiben.use_cases.use_case import Floats

if TYPE_CHECKING:
    import pandas as pd

FLOAT32_MAX = float(np.finfo(np.float32).max)
FIELDS = attrgetter("__dict__")
"""The fields of a row: to ask a dictionary for thirty takes half the time of asking a row."""


@dataclass(frozen=True)
class NumericColumns:
    """Fields to a float64 array of shape (rows, fields), in the order of `fields`.

    A category becomes its place in its declared order, a boolean 0 or 1. With
    `within_float32`, numbers beyond that range become its ends: what computes in
    single precision then sees no infinity. No pandas is touched on the way of a row.
    """

    fields: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    within_float32: bool = False

    @classmethod
    def of(
        cls,
        row: type[Row],
        *,
        categories: Mapping[str, tuple[str, ...]] | None = None,
        within_float32: bool = False,
    ) -> "NumericColumns":
        """Take all fields of *row* in their order."""
        return cls(tuple(row.model_fields), categories or {}, within_float32)

    def __post_init__(self) -> None:
        numeric = [name for name in self.fields if name not in self.categories]
        order = [*numeric, *self.categories]
        if order != list(self.fields):
            raise ValueError(f"categories come last, in this order: {order}")
        if len(self.fields) < 2:
            raise ValueError("two fields at least")
        codes = tuple(
            {category: float(code) for code, category in enumerate(known)}
            for known in self.categories.values()
        )
        object.__setattr__(self, "_get", itemgetter(*self.fields))
        object.__setattr__(self, "_pack", struct.Struct(f"{len(self.fields)}d").pack)
        object.__setattr__(self, "_codes", codes)

    @property
    def category_columns(self) -> list[int]:
        """The places of the categories among the columns."""
        return [self.fields.index(name) for name in self.categories]

    def from_rows(self, rows: Sequence[Any]) -> Floats:
        """Encode rows that the edge has checked: one entry a row, in order."""
        if isinstance(rows, Columns):
            return self._from_columns(rows)
        tuples: Iterable[tuple[Any, ...]] = map(self._get, map(FIELDS, rows))  # type: ignore[attr-defined]
        codes: tuple[dict[str, float], ...] = self._codes  # type: ignore[attr-defined]
        if len(codes) == 2:
            first, second = codes
            tuples = [(*t[:-2], first[t[-2]], second[t[-1]]) for t in tuples]
        elif codes:
            numeric = len(self.fields) - len(codes)
            tuples = [
                (
                    *t[:numeric],
                    *(c[v] for c, v in zip(codes, t[numeric:], strict=True)),
                )
                for t in tuples
            ]
        # numpy takes twice as long to make an array of tuples. In a bytearray it is writable.
        packed = bytearray().join(starmap(self._pack, tuples))  # type: ignore[attr-defined]
        array = np.frombuffer(packed, dtype=np.float64)
        return self._bounded(array.reshape(-1, len(self.fields)))

    def from_table(self, table: "pd.DataFrame") -> Floats:
        """Encode a checked table the same way."""
        array = np.empty((len(table), len(self.fields)), dtype=np.float64)
        codes = dict(zip(self.categories, self._codes, strict=True))  # type: ignore[attr-defined]
        for column, name in enumerate(self.fields):
            values = table[name]
            if name in codes:
                array[:, column] = [codes[name][value] for value in values]
            else:
                array[:, column] = values.to_numpy(dtype=np.float64)
        return self._bounded(array)

    def _from_columns(self, rows: Columns) -> Floats:
        array = np.empty((len(rows), len(self.fields)), dtype=np.float64)
        codes = dict(zip(self.categories, self._codes, strict=True))  # type: ignore[attr-defined]
        for column, name in enumerate(self.fields):
            values = rows.values[name]
            if name in codes:
                values = list(map(codes[name].__getitem__, values))
            array[:, column] = values
        return self._bounded(array)

    def rows_of(self, table: "pd.DataFrame") -> list[dict[str, Any]]:
        """Return the table's rows as a client would send them."""
        return _rows_of(table, self.fields)

    def _bounded(self, array: Floats) -> Floats:
        if self.within_float32:
            array.clip(-FLOAT32_MAX, FLOAT32_MAX, out=array)
        return array


@dataclass(frozen=True)
class TextColumn:
    """One text field to a list of strings."""

    name: str = "text"

    def from_rows(self, rows: Sequence[Any]) -> list[str]:
        """Encode rows that the edge has checked: one entry a row, in order."""
        if isinstance(rows, Columns):
            return list(rows.values[self.name])
        return list(map(attrgetter(self.name), rows))

    def from_table(self, table: "pd.DataFrame") -> list[str]:
        """Encode a checked table the same way."""
        texts: list[str] = table[self.name].tolist()
        return texts

    def rows_of(self, table: "pd.DataFrame") -> list[dict[str, Any]]:
        """Return the table's rows as a client would send them."""
        return _rows_of(table, (self.name,))


def _rows_of(table: "pd.DataFrame", fields: tuple[str, ...]) -> list[dict[str, Any]]:
    columns = [table[name].tolist() for name in fields]
    return [dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)]
