"""Iris: the measures of a flower, and its species."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from ekiben.schemas.base import Prediction, Probability, Row

Species = Literal["setosa", "versicolor", "virginica"]
Centimetres = Annotated[float, Field(gt=0.0, le=30.0)]


class IrisFlower(Row):
    """The four measures of one iris flower, in centimetres."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sepal_length": 5.1,
                    "sepal_width": 3.5,
                    "petal_length": 1.4,
                    "petal_width": 0.2,
                },
                {
                    "sepal_length": 6.7,
                    "sepal_width": 3.0,
                    "petal_length": 5.2,
                    "petal_width": 2.3,
                },
            ]
        }
    )

    sepal_length: Centimetres
    sepal_width: Centimetres
    petal_length: Centimetres
    petal_width: Centimetres


class IrisPrediction(Prediction):
    """The most probable species of one flower."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prediction_id": "019aa41e-6f0b-7c52-9d43-0f2b8c61e701",
                    "model": "iris:k3v5q2rx6c4nyaav",
                    "species": "setosa",
                    "probabilities": {
                        "setosa": 0.975,
                        "versicolor": 0.0246,
                        "virginica": 0.0004,
                    },
                    "log_probabilities": {
                        "setosa": -0.025318,
                        "versicolor": -3.705009,
                        "virginica": -7.824046,
                    },
                }
            ]
        }
    )

    species: Species
    probabilities: dict[Species, Probability]
    log_probabilities: dict[Species, float] = Field(
        description="Natural logarithms; a probability of 0 counts as 1e-15."
    )
