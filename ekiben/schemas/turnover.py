"""Turnover: an employee, and whether they leave."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from ekiben.schemas.base import BinaryPrediction, Probability, Row

Department = Literal[
    "IT",
    "RandD",
    "accounting",
    "hr",
    "management",
    "marketing",
    "product_mng",
    "sales",
    "support",
    "technical",
]
Salary = Literal["low", "medium", "high"]


class Employee(Row):
    """One employee as the personnel office knows them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "satisfaction_level": 0.38,
                    "last_evaluation": 0.53,
                    "number_project": 2,
                    "average_monthly_hours": 157,
                    "time_spend_company": 3,
                    "work_accident": False,
                    "promotion_last_5years": False,
                    "department": "sales",
                    "salary": "low",
                },
                {
                    "satisfaction_level": 0.82,
                    "last_evaluation": 0.74,
                    "number_project": 4,
                    "average_monthly_hours": 201,
                    "time_spend_company": 3,
                    "work_accident": False,
                    "promotion_last_5years": False,
                    "department": "technical",
                    "salary": "medium",
                },
            ]
        }
    )

    satisfaction_level: Probability
    last_evaluation: Probability
    number_project: Annotated[int, Field(ge=1, le=20)]
    average_monthly_hours: Annotated[float, Field(ge=1, le=744)]
    time_spend_company: Annotated[int, Field(ge=0, le=60, description="Whole years.")]
    work_accident: bool
    promotion_last_5years: bool
    department: Department
    salary: Salary


class TurnoverPrediction(BinaryPrediction):
    """Whether one employee leaves."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prediction_id": "019aa41e-6f0b-7c52-9d43-0f2b8c61e702",
                    "model": "turnover:m7t2wzbx6c4nyaav",
                    "probability": 0.83,
                    "threshold": 0.41,
                    "leaves": True,
                }
            ]
        }
    )

    leaves: bool
