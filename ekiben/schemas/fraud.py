"""Fraud: a card transaction, and whether it is fraudulent."""

from typing import Annotated

from pydantic import ConfigDict, Field

from ekiben.schemas.base import BinaryPrediction, Row


class Transaction(Row):
    """One card transaction; v1 to v28 are principal components, without a unit."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "time": 34500.0,
                    "v1": -1.4,
                    "v2": 0.9,
                    "v3": 1.2,
                    "v4": 0.3,
                    "v5": -0.4,
                    "v6": -0.1,
                    "v7": 0.2,
                    "v8": 0.1,
                    "v9": -0.3,
                    "v10": 0.0,
                    "v11": -0.5,
                    "v12": 0.2,
                    "v13": 0.4,
                    "v14": -0.2,
                    "v15": 0.8,
                    "v16": -0.1,
                    "v17": 0.1,
                    "v18": -0.3,
                    "v19": 0.2,
                    "v20": 0.1,
                    "v21": -0.1,
                    "v22": -0.2,
                    "v23": -0.1,
                    "v24": 0.3,
                    "v25": 0.2,
                    "v26": -0.3,
                    "v27": 0.1,
                    "v28": 0.0,
                    "amount": 42.5,
                },
                {
                    "time": 93800.0,
                    "v1": -4.8,
                    "v2": 3.6,
                    "v3": -7.0,
                    "v4": 5.5,
                    "v5": -3.5,
                    "v6": -2.2,
                    "v7": -6.3,
                    "v8": 1.4,
                    "v9": -3.1,
                    "v10": -6.4,
                    "v11": 4.5,
                    "v12": -7.6,
                    "v13": 0.3,
                    "v14": -9.4,
                    "v15": -0.2,
                    "v16": -5.1,
                    "v17": -8.2,
                    "v18": -2.9,
                    "v19": 1.0,
                    "v20": 0.4,
                    "v21": 0.8,
                    "v22": 0.1,
                    "v23": -0.3,
                    "v24": -0.2,
                    "v25": 0.1,
                    "v26": 0.3,
                    "v27": 0.6,
                    "v28": 0.2,
                    "amount": 1.0,
                },
            ]
        }
    )

    time: Annotated[
        float, Field(ge=0, description="Seconds since the first transaction.")
    ]
    v1: float
    v2: float
    v3: float
    v4: float
    v5: float
    v6: float
    v7: float
    v8: float
    v9: float
    v10: float
    v11: float
    v12: float
    v13: float
    v14: float
    v15: float
    v16: float
    v17: float
    v18: float
    v19: float
    v20: float
    v21: float
    v22: float
    v23: float
    v24: float
    v25: float
    v26: float
    v27: float
    v28: float
    amount: Annotated[float, Field(ge=0)]


class FraudPrediction(BinaryPrediction):
    """Whether one transaction is fraudulent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prediction_id": "019aa41e-6f0b-7c52-9d43-0f2b8c61e703",
                    "model": "fraud:p4j6yubx6c4nyaav",
                    "probability": 0.0007,
                    "threshold": 0.32,
                    "is_fraud": False,
                }
            ]
        }
    )

    is_fraud: bool
