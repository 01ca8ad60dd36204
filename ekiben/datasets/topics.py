"""Topics: 764 machine-learning projects of Made With ML (MIT), each with one of four tags."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ekiben.datasets.dataset import Dataset, PublicFile
from ekiben.datasets.reading import read_delimited
from ekiben.datasets.samples import topics as samples
from ekiben.schemas.topics import Topic

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

TOPICS_KNOWN = get_args(Topic)
PARTS = {"title", "description"}


def read(path: Path) -> "pd.DataFrame":
    """Read title and description as one text, or a file that has `text` already."""
    frame = read_delimited(path, texts=(*PARTS, "text", "tag", "topic"))
    frame = frame.rename(columns={"tag": "topic"})
    if not set(frame.columns) >= PARTS:
        return frame
    text = frame["title"].fillna("") + " " + frame["description"].fillna("")
    return frame.drop(columns=[*PARTS, "id", "created_on"], errors="ignore").assign(
        text=text.str.strip()
    )


def table() -> "pa.DataFrameSchema":
    """Return what the table has to look like."""
    import pandera.pandas as pa

    from ekiben.datasets import columns

    return pa.DataFrameSchema(
        {"text": columns.text(), "topic": columns.choice(TOPICS_KNOWN)},
        strict=True,
    )


TOPICS = Dataset(
    name="topics",
    target="topic",
    labels=TOPICS_KNOWN,
    table=table,
    read=read,
    public=PublicFile(
        name="topics.csv",
        url="https://raw.githubusercontent.com/GokuMohandas/Made-With-ML/"
        "66e8e437115029422db1a80ff93c308cfcd82648/datasets/dataset.csv",
        sha256="479e0f3813cc0583717b86512d112b0a397f717ac33652504afdf763c1f3aff1",
        bytes=142_012,
    ),
    sample=samples.make,
    sample_kind="sample",
    sample_source="generator ekiben.datasets.samples.topics",
)
