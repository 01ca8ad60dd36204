"""Fraud: card transactions as principal components; the public file is a sample rich in fraud."""

from pathlib import Path
from typing import TYPE_CHECKING

from ekiben.datasets.dataset import Dataset, PublicFile
from ekiben.datasets.reading import read_delimited
from ekiben.datasets.samples import fraud as samples

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

COMPONENTS = tuple(f"v{number}" for number in range(1, 29))
PUBLIC_NAMES = {
    "Time": "time",
    "Amount": "amount",
    "Class": "is_fraud",
    **{name.upper(): name for name in COMPONENTS},
}
NAMELESS = "Unnamed: 0"
"""What pandas calls a first column without a name: the row numbers of another table."""


def read(path: Path) -> "pd.DataFrame":
    """Read the public sample, the whole table of 284,807 rows, or canonical names."""
    frame = read_delimited(path)
    kept = frame.drop(columns=NAMELESS) if frame.columns[0] == NAMELESS else frame
    return kept.rename(columns=PUBLIC_NAMES)


def table() -> "pa.DataFrameSchema":
    """Return what the table has to look like."""
    import pandera.pandas as pa

    from ekiben.datasets import columns

    return pa.DataFrameSchema(
        {"time": columns.number(low=0)}
        | {name: columns.number() for name in COMPONENTS}
        | {"amount": columns.number(low=0), "is_fraud": columns.choice((0, 1))},
        strict=True,
    )


FRAUD = Dataset(
    name="fraud",
    target="is_fraud",
    labels=(0, 1),
    table=table,
    read=read,
    public=PublicFile(
        name="creditcard_sample.csv",
        url="https://raw.githubusercontent.com/jaehyeongAN/Credit-Card-Fraud-Detection/"
        "173b540b35933abfa2982b433d35370d8d62f6bc/data/creditcard_sample.csv",
        sha256="2942d1f71d326ef41f8092c4affdb9a8aee8982599d5345df3ecaea29c4ef377",
        bytes=944_181,
    ),
    sample=samples.make,
    sample_kind="sample",
    sample_source="generator ekiben.datasets.samples.fraud",
    note="The sample's class prior is not the real one (0.173 % fraud); "
    "probabilities are corrected.",
)
