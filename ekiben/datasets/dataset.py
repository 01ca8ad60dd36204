"""A data set: its public file, its columns, its offline sample, and the order in which they are tried."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import pandera.pandas as pa

from ekiben.schemas.model_card import DataCard


@dataclass(frozen=True)
class PublicFile:
    """A file at a pinned public address."""

    name: str
    url: str
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The training data of one use case.

    `read` turns a file into a table with the columns of `table`, renamed and typed;
    it may raise ValueError or pandas' parser errors on a file that it cannot read.
    `sample` makes the offline table, the same on every call.
    """

    name: str
    target: str
    table: pa.DataFrameSchema
    sample: Callable[[], pd.DataFrame]
    sample_kind: Literal["real", "sample"]
    sample_source: str
    read: Callable[[Path], pd.DataFrame] = pd.read_csv
    public: PublicFile | None = None
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A checked table without duplicates, and its card."""

    frame: pd.DataFrame
    card: DataCard


def load(
    dataset: Dataset,
    *,
    path: Path | None = None,
    data_dir: Path | None = None,
    cache: Path,
    offline: bool = False,
) -> Table:
    """Load from *path*, else *data_dir*, else the cached download, else the sample.

    Raises:
        InvalidTable: the table breaks its schema; file, row and column are named.
    """
