"""Iris: 150 flowers, which scikit-learn carries; no download is needed."""

from typing import get_args

import pandas as pd
import pandera.pandas as pa

from ekiben.datasets import columns
from ekiben.datasets.dataset import Dataset
from ekiben.schemas.iris import Species

SPECIES = get_args(Species)
MEASURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def sample() -> pd.DataFrame:
    """Return the 150 flowers of scikit-learn's copy."""
    from sklearn.datasets import load_iris  # a second to import, needed here only

    iris = load_iris()
    frame = pd.DataFrame(iris.data, columns=list(MEASURES))
    return frame.assign(species=[str(iris.target_names[code]) for code in iris.target])


IRIS = Dataset(
    name="iris",
    target="species",
    labels=SPECIES,
    table=pa.DataFrameSchema(
        {name: columns.positive(30.0) for name in MEASURES}
        | {"species": columns.choice(SPECIES)},
        strict=True,
    ),
    sample=sample,
    sample_kind="real",
    sample_source="scikit-learn",
)
