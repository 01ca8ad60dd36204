"""Spam: the SMS Spam Collection v.1 of Almeida, Gomez Hidalgo and Yamakami (DocEng'11)."""

from pathlib import Path
from typing import TYPE_CHECKING

from ekiben.datasets.dataset import Dataset, PublicFile
from ekiben.datasets.reading import first_fields, read_delimited
from ekiben.datasets.samples import spam as samples

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

COLUMNS = ("label", "text")


def read(path: Path) -> "pd.DataFrame":
    """Read label TAB text without header or quotes, or a CSV file that names both."""
    if set(COLUMNS) & set(first_fields(path)):
        return read_delimited(path, texts=COLUMNS)
    return read_delimited(
        path, separator="\t", quoted=False, names=COLUMNS, texts=COLUMNS
    )


def table() -> "pa.DataFrameSchema":
    """Return what the table has to look like."""
    import pandera.pandas as pa

    from ekiben.datasets import columns

    return pa.DataFrameSchema(
        {"label": columns.choice(("ham", "spam")), "text": columns.text()},
        strict=True,
    )


SPAM = Dataset(
    name="spam",
    target="label",
    labels=("ham", "spam"),
    table=table,
    read=read,
    public=PublicFile(
        name="sms.tsv",
        url="https://raw.githubusercontent.com/justmarkham/pycon-2016-tutorial/"
        "5339710562cc46c4a32a369d63f1e8751a18a54e/data/sms.tsv",
        sha256="7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d",
        bytes=477_907,
    ),
    sample=samples.make,
    sample_kind="sample",
    sample_source="generator ekiben.datasets.samples.spam",
)
