"""A data set: its public file, its columns, its offline sample, and the order in which they are tried."""

import csv
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ekiben.datasets.downloads import (
    PublicFile,
    PublicFileUnavailable,
    fetch,
    find_cached,
    sha256_of,
)
from ekiben.datasets.reading import read_delimited
from ekiben.errors import InvalidTable
from ekiben.schemas.model_card import DataCard

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

__all__ = ["Dataset", "Origin", "PublicFile", "Source", "Table", "choose", "load"]

log = logging.getLogger(__name__)

Origin = Literal["given file", "data folder", "cache", "download", "sample"]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The training data of one use case.

    `table` makes the schema of the table; a function, because pandera takes a second to
    import and a server needs none of it. `read` turns a file into a table with its
    columns, renamed; types are made by the check. Its index is named `line` and holds the line of each row, or
    is that of pandas, and then rows are counted below one line of column names.
    It may raise ValueError or pandas' parser errors on a file that it cannot read.
    `sample` makes the offline table, the same on every call.
    `labels` are the values of the target that a table must hold; none: any two.
    """

    name: str
    target: str
    table: "Callable[[], pa.DataFrameSchema]"
    sample: "Callable[[], pd.DataFrame]"
    sample_kind: Literal["real", "sample"]
    sample_source: str
    read: "Callable[[Path], pd.DataFrame]" = read_delimited
    public: PublicFile | None = None
    labels: tuple[Any, ...] = ()
    note: str = ""

    @cached_property
    def schema(self) -> "pa.DataFrameSchema":
        """What `table` makes, once."""
        return self.table()


@dataclass(frozen=True)
class Table:
    """A checked table without duplicates, and its card."""

    frame: "pd.DataFrame"
    card: DataCard


@dataclass(frozen=True)
class Source:
    """Where a data set would be taken from now; `path` where it is a file already."""

    origin: Origin
    path: Path | None = None


def load(
    dataset: Dataset,
    *,
    path: Path | None = None,
    data_dir: Path | None = None,
    cache: Path,
    offline: bool = False,
) -> Table:
    """Load from *path*, else *data_dir*, else the cached download, else the sample.

    A file in *data_dir* must be the public one; *path* may be any of its format.
    Where the download cannot be had, a warning says so and the sample is used.

    Raises:
        InvalidTable: the table breaks its schema; file, row and column are named.
        DownloadFailed: the download has the wrong checksum or cannot be kept.
    """
    source = choose(dataset, path=path, data_dir=data_dir, cache=cache, offline=offline)
    if source.origin == "download" and dataset.public:
        try:
            source = Source("download", fetch(dataset.public, cache))
        except PublicFileUnavailable as error:
            return _from_sample(dataset, str(error))
    if source.path:
        return _from_file(dataset, source.path, source.origin)
    return _from_sample(dataset, "offline" if dataset.public else "no public file")


def choose(
    dataset: Dataset,
    *,
    path: Path | None = None,
    data_dir: Path | None = None,
    cache: Path,
    offline: bool = False,
) -> Source:
    """Return the first source there is, in the order of `load`; nothing is downloaded."""
    if path:
        return Source("given file", path)
    if not dataset.public:
        return Source("sample")
    if data_dir and (data_dir / dataset.public.name).exists():
        return Source("data folder", data_dir / dataset.public.name)
    if cached := find_cached(dataset.public, cache):
        return Source("cache", cached)
    return Source("sample" if offline else "download")


def _from_file(dataset: Dataset, path: Path, origin: Origin) -> Table:
    try:
        digest = sha256_of(path)
        if origin == "data folder":
            _refuse_other_than(dataset.public, digest)
        frame = dataset.read(path)
    except UnicodeDecodeError:
        raise InvalidTable(path.name, ["is not UTF-8 text"]) from None
    except OSError as error:
        raise InvalidTable(path.name, [str(error.strerror).lower()]) from None
    except (ValueError, csv.Error) as error:  # pandas' own are ValueErrors
        raise InvalidTable(path.name, [" ".join(str(error).split())]) from None
    fetched = origin in ("cache", "download")
    source = dataset.public.url if dataset.public and fetched else path.name
    card = DataCard(
        source=source,
        kind="real",
        sha256=digest,
        rows=len(frame),
        duplicates_dropped=0,
        note=dataset.note,
    )
    return _checked(dataset, Table(frame, card), path.name)


def _refuse_other_than(public: PublicFile | None, digest: str) -> None:
    if public and digest != public.sha256:
        raise ValueError(
            f"is not the public file: expected sha256 {public.sha256}, "
            f"found {digest}; name a table of your own with --data"
        )


def _from_sample(dataset: Dataset, reason: str) -> Table:
    """Make the offline sample; *reason* says why no file is used."""
    if dataset.sample_kind == "sample":
        log.warning("%s: using the offline sample: %s", dataset.name, reason)
    frame = dataset.sample()
    text = frame.to_csv(index=False, lineterminator="\n")
    card = DataCard(
        source=dataset.sample_source,
        kind=dataset.sample_kind,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        rows=len(frame),
        duplicates_dropped=0,
        note=dataset.note,
    )
    return _checked(dataset, Table(frame, card), dataset.sample_source)


def _checked(dataset: Dataset, raw: Table, name: str) -> Table:
    """Return the table checked and without duplicates; *name* is told in refusals."""
    from ekiben.datasets.checks import check, check_labels

    frame = check(raw.frame, dataset.schema, name)
    unique = frame.drop_duplicates(ignore_index=True)
    check_labels(unique[dataset.target], dataset.labels, name)
    counts = {"rows": len(unique), "duplicates_dropped": len(frame) - len(unique)}
    return Table(unique, raw.card.model_copy(update=counts))
