"""Spam: what the model must make of messages that a person finds easy."""

import pytest

from ekiben.predictor import Predictor
from tests.models import Trainings, probabilities

pytestmark = pytest.mark.models

HAM = [
    "Are we still meeting at the station at six?",
    "ok see you later, love you",
    "Sorry I'll call you back in a minute, in a meeting",
    "I am at home, what are you doing tonight?",
]
SPAM = [
    "WINNER!! Claim your free prize now, call 09061701461",
    "URGENT! You have won a £2000 cash prize. Call 09058094455 now to claim",
    "FREE entry in our weekly competition! Text WIN to 80086 to claim your prize",
]


@pytest.fixture
def predictor(trainings: Trainings) -> Predictor:
    return trainings.predictor("spam")


def labels(predictor: Predictor, texts: list[str]) -> list[str]:
    return [one["label"] for one in predictor.predict_raw([{"text": t} for t in texts])]


def test_plain_cases_are_right(predictor: Predictor) -> None:
    assert labels(predictor, HAM) == ["ham"] * len(HAM)
    assert labels(predictor, SPAM) == ["spam"] * len(SPAM)


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.lower,
        str.title,
        lambda text: f"  {text}\n",
        lambda text: text + ".",
    ],
    ids=["upper", "lower", "title", "white-space", "full-stop"],
)
def test_case_and_white_space_change_no_label(
    predictor: Predictor, change: type[str]
) -> None:
    assert labels(predictor, [change(one) for one in HAM]) == ["ham"] * len(HAM)
    assert labels(predictor, [change(one) for one in SPAM]) == ["spam"] * len(SPAM)


def test_names_change_no_label(predictor: Predictor) -> None:
    for name in ("Anna", "Ravi", "Mohammed", "John", "Xiu"):
        assert labels(
            predictor, [f"Hi {name}, are you home? Dinner at 7, love mum"]
        ) == ["ham"]
        assert labels(predictor, [f"{name}, {SPAM[1]}"]) == ["spam"]


def test_a_prize_makes_any_message_more_like_spam(
    predictor: Predictor, trainings: Trainings
) -> None:
    texts = [row["text"] for row in trainings.test_rows("spam", most=200)]

    before = probabilities(predictor.predict_raw([{"text": one} for one in texts]))
    after = probabilities(
        predictor.predict_raw(
            [{"text": f"{one[:4900]} WINNER call now to claim prize"} for one in texts]
        )
    )

    raised = [b >= a or b > 0.98 for a, b in zip(before, after, strict=True)]
    assert sum(raised) >= 0.95 * len(raised)
    assert sum(after) > sum(before)


def test_texts_without_a_known_term_are_all_answered_alike(
    predictor: Predictor,
) -> None:
    answers = predictor.predict_raw([{"text": "字"}, {"text": "字" * 5000}])

    assert answers[0] == answers[1]
    assert answers[0]["label"] == "ham"
