"""The parity gate: what is told of two forms that differ, and that hard rows find what usual rows hide."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ekiben.compiled.artefact import Floats
from ekiben.compiled.parity import CLOSE, WORST, agreement, compare, hard_rows

ROWS = np.random.default_rng(0).uniform(0, 5, size=(2000, 3))
ROWS[:, 2] = np.arange(2000) % 4
TEXTS = ["plain words", "more of them", "and the last"]


def shares(positive: Any) -> Floats:
    second = np.asarray(positive, dtype=float)
    return np.column_stack((1 - second, second))


def labels_of(probabilities: Floats) -> Sequence[Any]:
    return list(probabilities[:, 1] >= 0.5)


def native(rows: Floats) -> Floats:
    return shares(1 / (1 + np.exp(np.clip(rows[:, 0] - 2.5, -30, 30))))


def of_texts(texts: list[str]) -> Floats:
    return shares([min(len(text), 100) / 200 for text in texts])


def test_the_same_answers_agree() -> None:
    found = compare(native, native, ROWS, labels_of)

    assert (found.fault, found.largest, found.mismatches) == ("", 0.0, 0)
    assert found.rows == 2000
    assert found.hard_rows > 600


def test_another_label_on_one_row_of_thousands_is_a_fault() -> None:
    expected = shares(np.full(5000, 0.4999))
    found = expected.copy()
    found[17] = 0.4995, 0.5005

    verdict = agreement(expected, found, labels_of)

    assert verdict.mismatches == 1
    assert verdict.fault == "1 rows are labelled differently"


@pytest.mark.parametrize(
    ("rows_over", "fault"),
    [(1, ""), (2, "0.2% of the rows differ by more than 1e-05")],
)
def test_a_rare_row_may_differ_and_no_more(rows_over: int, fault: str) -> None:
    expected = shares(np.full(1000, 0.1))
    found = expected.copy()
    found[:rows_over] += 2 * CLOSE

    assert agreement(expected, found, labels_of).fault == fault


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_what_is_no_number_differs_as_much_as_can_be(spoilt: float) -> None:
    expected = shares(np.full(10, 0.1))
    found = expected.copy()
    found[3, 0] = spoilt

    verdict = agreement(expected, found, labels_of)

    assert verdict.largest == WORST
    assert verdict.fault


def test_another_number_of_rows_or_classes_is_a_fault() -> None:
    expected = shares(np.full(10, 0.1))

    assert agreement(expected, expected[1:], labels_of).fault
    assert agreement(expected, expected[:, :1], labels_of).fault


def wrong_on_unseen_categories(rows: Floats) -> Floats:
    return np.where(rows[:, 2:] > 3, 1 - native(rows), native(rows))


def wrong_on_giants(rows: Floats) -> Floats:
    return np.where(np.abs(rows[:, 1:2]) > 100, 0.5, native(rows))


def wrong_a_last_bit_off(rows: Floats) -> Floats:
    """Rounds the rows to what was seen, as single precision does at a threshold."""
    seen = np.isin(rows[:, :1], ROWS[:, 0])
    return np.where(seen, native(rows), 1 - native(rows))


@pytest.mark.parametrize(
    "wrong", [wrong_on_unseen_categories, wrong_on_giants, wrong_a_last_bit_off]
)
def test_hard_rows_find_what_the_usual_rows_hide(wrong: Any) -> None:
    assert np.array_equal(wrong(ROWS), native(ROWS))

    assert compare(native, wrong, ROWS, labels_of).fault


@pytest.mark.parametrize(
    "wrong_on",
    [
        pytest.param(lambda text: not text.isascii(), id="other-scripts"),
        pytest.param(lambda text: not text, id="empty"),
        pytest.param(lambda text: text != text.strip(), id="blanks"),
        pytest.param(lambda text: len(text) > 4000, id="long"),
    ],
)
def test_hard_texts_find_what_plain_words_hide(wrong_on: Any) -> None:
    def wrong(texts: list[str]) -> Floats:
        off = np.array([0.3 if wrong_on(text) else 0.0 for text in texts])
        return shares(of_texts(texts)[:, 1] + off)

    assert np.array_equal(wrong(TEXTS), of_texts(TEXTS))

    assert compare(of_texts, wrong, TEXTS, labels_of).fault


def test_hard_rows_that_the_estimator_refuses_are_left_out() -> None:
    def strict(rows: Floats) -> Floats:
        if np.abs(rows).max() > 1e20:
            raise ValueError("too large")
        return native(rows)

    all_of_them = compare(native, native, ROWS, labels_of).hard_rows
    found = compare(strict, native, ROWS, labels_of)

    assert not found.fault
    assert 0 < found.hard_rows < all_of_them


def test_rows_of_another_kind_have_no_hard_ones() -> None:
    assert hard_rows(np.array([["a"]], dtype=object)) == []
    assert hard_rows([{"a": 1}]) == []
