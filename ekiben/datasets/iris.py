"""Iris: 150 flowers, which scikit-learn carries; no download is needed."""

from typing import TYPE_CHECKING, get_args

from ekiben.datasets.dataset import Dataset
from ekiben.schemas.iris import Species

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

SPECIES = get_args(Species)
MEASURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def sample() -> "pd.DataFrame":
    """Return the 150 flowers of scikit-learn's copy."""
    import pandas as pd
    from sklearn.datasets import load_iris  # a second to import, needed here only

    iris = load_iris()
    frame = pd.DataFrame(iris.data, columns=list(MEASURES))
    return frame.assign(species=[str(iris.target_names[code]) for code in iris.target])


def table() -> "pa.DataFrameSchema":
    """Return what the table has to look like."""
    import pandera.pandas as pa

    from ekiben.datasets import columns

    return pa.DataFrameSchema(
        {name: columns.positive(30.0) for name in MEASURES}
        | {"species": columns.choice(SPECIES)},
        strict=True,
    )


IRIS = Dataset(
    name="iris",
    target="species",
    labels=SPECIES,
    table=table,
    sample=sample,
    sample_kind="real",
    sample_source="scikit-learn",
)
