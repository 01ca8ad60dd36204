"""Text files to tables whose index is the line of each row, so that a refusal can name it."""

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Quoting = Literal[0, 3]
"""The csv module's QUOTE_MINIMAL and QUOTE_NONE."""

LINE = "line"
"""The name of an index that holds each row's first line in its file, from 1."""


def read_delimited(
    path: Path,
    *,
    separator: str = ",",
    quoted: bool = True,
    names: Sequence[str] | None = None,
    texts: Collection[str] = (),
) -> "pd.DataFrame":
    """Read a UTF-8 file whose first line names the columns, unless *names* does.

    Only an empty field is a missing value. The columns in *texts* stay text even
    where all of their values look like numbers.

    Raises:
        ValueError: it is empty, not text, not UTF-8, or a row has too many or too
            few fields; the text names the row.
    """
    import pandas as pd

    quoting: Quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    lines = _row_lines(path, separator, quoting, names)
    kinds: dict[Any, type[str]] = dict.fromkeys(texts, str)
    frame = pd.read_csv(
        path,
        sep=separator,
        quoting=quoting,
        header=0 if names is None else None,
        names=None if names is None else list(names),
        dtype=kinds,
        index_col=False,
        keep_default_na=False,
        na_values=[""],
        low_memory=False,
        encoding="utf-8-sig",
    )
    if len(frame) != len(lines):
        raise ValueError("its quotes or line ends do not match")
    return frame.set_axis(pd.Index(lines, name=LINE))


def reader(
    renamed: Mapping[str, str] | None = None, *, texts: Collection[str] = ()
) -> "partial[pd.DataFrame]":
    """Return a function that reads a CSV file and renames columns that it finds."""
    return partial(_read_renamed, renamed=renamed or {}, texts=texts)


def _read_renamed(
    path: Path, *, renamed: Mapping[str, str], texts: Collection[str]
) -> "pd.DataFrame":
    return read_delimited(path, texts=texts).rename(columns=dict(renamed))


def first_fields(path: Path, separator: str = ",") -> list[str]:
    """Return the fields of the first record; none where the file is empty."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return next(csv.reader(_text_lines(file), delimiter=separator), [])


def _row_lines(
    path: Path, separator: str, quoting: Quoting, names: Sequence[str] | None
) -> list[int]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            records = _records(file, separator, quoting)
            width = len(names) if names is not None else _header_width(records)
            return [_checked(line, fields, width) for line, fields in records]
        except UnicodeDecodeError:
            raise ValueError(_where_not_utf8(path)) from None


def _records(
    file: Iterator[str], separator: str, quoting: Quoting
) -> Iterator[tuple[int, list[str]]]:
    records = csv.reader(_text_lines(file), delimiter=separator, quoting=quoting)
    line = 1
    for fields in records:
        if fields:  # a blank line is no record, as in pandas
            yield line, fields
        line = records.line_num + 1


def _text_lines(file: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        if "\0" in line:
            raise ValueError(f"row {number} is binary, not text")
        yield line


def _header_width(records: Iterator[tuple[int, list[str]]]) -> int:
    for _, fields in records:
        return len(fields)
    raise ValueError("is empty")


def _checked(line: int, fields: Sequence[str], width: int) -> int:
    if len(fields) != width:
        raise ValueError(f"row {line} has {len(fields)} field(s), not {width}")
    return line


def _where_not_utf8(path: Path) -> str:
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            return f"row {number} is not UTF-8 text (byte {error.start + 1})"
    return "it is not UTF-8 text"
