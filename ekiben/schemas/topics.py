"""Topics: the description of a project, and its topic."""

from typing import Annotated, Literal

from pydantic import ConfigDict

from ekiben.schemas.base import Personal, Prediction, Probability, Row, Text

Topic = Literal["natural-language-processing", "computer-vision", "mlops", "other"]


class Project(Row):
    """The title and description of one machine-learning project, as one text."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "Transfer learning with transformers for text classification"},
                {"text": "Real-time object detection on video with a small network"},
            ]
        }
    )

    text: Annotated[Text, Personal()]


class TopicPrediction(Prediction):
    """The topic of one project; *other* also where no topic is probable enough."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prediction_id": "019aa41e-6f0b-7c52-9d43-0f2b8c61e705",
                    "model": "topics:t2h5vkjx6c4nyaav",
                    "topic": "natural-language-processing",
                    "probabilities": {
                        "natural-language-processing": 0.91,
                        "computer-vision": 0.04,
                        "mlops": 0.02,
                        "other": 0.03,
                    },
                }
            ]
        }
    )

    topic: Topic
    probabilities: dict[Topic, Probability]
