"""Topics: plain descriptions, and when the answer is *other*."""

import pytest

from ekiben.predictor import Predictor
from tests.models import Trainings

pytestmark = pytest.mark.models

PLAIN = {
    "Transfer learning with transformers for text classification": "natural-language-processing",
    "Question answering with BERT language models on text": "natural-language-processing",
    "Real-time object detection on images and video": "computer-vision",
    "Image segmentation with convolutional networks": "computer-vision",
    "Deploy and monitor machine learning models in production": "mlops",
}


@pytest.fixture
def predictor(trainings: Trainings) -> Predictor:
    return trainings.predictor("topics")


@pytest.mark.parametrize(("text", "topic"), PLAIN.items())
@pytest.mark.parametrize("change", [str, str.upper, lambda text: text + "!"])
def test_plain_descriptions_are_named_in_any_case(
    predictor: Predictor, text: str, topic: str, change: type[str]
) -> None:
    [answer] = predictor.predict_raw([{"text": change(text)}])

    assert answer["topic"] == topic


def test_probabilities_add_up_to_one(
    predictor: Predictor, trainings: Trainings
) -> None:
    for answer in predictor.predict_raw(trainings.test_rows("topics")):
        assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_the_topic_is_the_most_probable_one_or_other(
    predictor: Predictor, trainings: Trainings
) -> None:
    for answer in predictor.predict_raw(trainings.test_rows("topics")):
        stated = answer["probabilities"]
        best = max(stated, key=stated.__getitem__)
        abstained = stated[best] < predictor.decision["threshold"]
        assert answer["topic"] == ("other" if abstained else best)


def test_saying_more_of_images_makes_a_project_more_like_computer_vision(
    predictor: Predictor, trainings: Trainings
) -> None:
    rows = trainings.test_rows("topics")
    more = [{"text": row["text"][:4900] + " image object detection"} for row in rows]

    before, after = (
        [one["probabilities"]["computer-vision"] for one in predictor.predict_raw(part)]
        for part in (rows, more)
    )

    assert sum(after) > sum(before)
    assert sum(b >= a for a, b in zip(before, after, strict=True)) >= 0.95 * len(rows)
