"""Spam: a short message, and whether it is spam."""

from typing import Annotated, Literal

from pydantic import ConfigDict

from ekiben.schemas.base import BinaryPrediction, Personal, Row, Text


class Message(Row):
    """One short message."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "Are we still meeting at the station at six?"},
                {"text": "WINNER!! Claim your free prize now, call 09061701461"},
            ]
        }
    )

    text: Annotated[Text, Personal()]


class SpamPrediction(BinaryPrediction):
    """Whether one message is spam; `probability` is that of spam."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prediction_id": "019aa41e-6f0b-7c52-9d43-0f2b8c61e704",
                    "model": "spam:r5n3c7rx6c4nyaav",
                    "probability": 0.012,
                    "threshold": 0.5,
                    "label": "ham",
                }
            ]
        }
    )

    label: Literal["spam", "ham"]
