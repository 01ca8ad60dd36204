"""Turnover: 14,999 simulated employees, 3,008 of them exact duplicates; 16.6 % of the others leave."""

from typing import TYPE_CHECKING, get_args

from ekiben.datasets.dataset import Dataset, PublicFile
from ekiben.datasets.reading import reader
from ekiben.datasets.samples import turnover as samples
from ekiben.schemas.turnover import Department, Salary

if TYPE_CHECKING:
    import pandera.pandas as pa

PUBLIC_NAMES = {
    "average_montly_hours": "average_monthly_hours",
    "Work_accident": "work_accident",
    "left": "leaves",
    "sales": "department",
}


def table() -> "pa.DataFrameSchema":
    """Return what the table has to look like."""
    import pandera.pandas as pa

    from ekiben.datasets import columns

    return pa.DataFrameSchema(
        {
            "satisfaction_level": columns.number(0, 1),
            "last_evaluation": columns.number(0, 1),
            "number_project": columns.whole(1, 20),
            "average_monthly_hours": columns.number(1, 744),
            "time_spend_company": columns.whole(0, 60),
            "work_accident": columns.flag(),
            "promotion_last_5years": columns.flag(),
            "department": columns.choice(get_args(Department)),
            "salary": columns.choice(get_args(Salary)),
            "leaves": columns.flag(),
        },
        strict=True,
    )


TURNOVER = Dataset(
    name="turnover",
    target="leaves",
    labels=(False, True),
    table=table,
    read=reader(PUBLIC_NAMES),
    public=PublicFile(
        name="hr_turnover.csv",
        url="https://raw.githubusercontent.com/MaartenGr/ML-API/"
        "be5a54958d55141cf0fa74ac6ba442b87c937ba7/notebooks/data.csv",
        sha256="107fa61085542fe3ca9b16cba3a64ea095d89a958b6c606e55ce93b72af26d12",
        bytes=551_779,
    ),
    sample=samples.make,
    sample_kind="sample",
    sample_source="generator ekiben.datasets.samples.turnover",
    note="The public table is a simulation, not a company's records.",
)
