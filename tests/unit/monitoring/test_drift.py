"""The verdict on logged rows: what is named, and what is said of what cannot be told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import Field
from uuid_utils import uuid7

from ekiben.monitoring.drift import FEWEST_ROWS, Question, judge
from ekiben.monitoring.records import Logged
from ekiben.monitoring.reference import Counts, Numbers, Reference
from ekiben.schemas.base import Row
from ekiben.schemas.drift import Drift, PartDrift
from ekiben.use_cases.iris import IRIS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class House(Row):
    """A row with every kind of field."""

    price: float
    rooms: Annotated[int, Field(ge=1)]
    side: Literal["north", "south", "west"]
    garden: float | None = None
    photos: tuple[str, ...] = ()


HOUSES = replace(IRIS, name="houses", row=House)


def houses(count: int, seed: int = 1) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "price": price,
            "rooms": rooms,
            "side": side,
            "garden": price if rooms % 5 else None,
            "photos": (),
        }
        for price, rooms, side in zip(
            rng.normal(500, 100, count).tolist(),
            rng.integers(1, 7, count).tolist(),
            rng.choice(["north", "south"], count).tolist(),
            strict=True,
        )
    ]


def reference() -> Reference:
    rows = houses(5000, seed=0)
    gardens = [one["garden"] for one in rows if one["garden"] is not None]
    return Reference(
        rows=5000,
        unseen_rows=1000,
        fields={
            "price": {"value": numbers([one["price"] for one in rows])},
            "rooms": {"value": counts([one["rooms"] for one in rows])},
            "side": {"value": counts([one["side"] for one in rows])},
            "garden": {
                "missing": Counts(
                    counts={"given": len(gardens), "missing": 5000 - len(gardens)}
                ),
                "value": numbers(gardens),
            },
            "photos": {},
        },
        prediction={
            "label": Counts(counts={"setosa": 500, "virginica": 500}),
            "probability": numbers(np.linspace(0.5, 1, 1000).tolist()),
        },
        vocabulary={},
    )


def numbers(values: list[float]) -> Numbers:
    return Numbers(rows=len(values), sample=tuple(sorted(values)))


def counts(values: list[Any]) -> Counts:
    return Counts(counts={str(one): values.count(one) for one in sorted(set(values))})


def told(rows: list[dict[str, Any]], share: float = 0.5, **kept: Any) -> Drift:
    """Judge *rows*; *share* of them are answered with setosa."""
    rng = np.random.default_rng(7)
    answers = [
        {
            "species": "setosa" if rng.random() < share else "virginica",
            "probabilities": {"setosa": p, "virginica": 1 - p},
        }
        for p in rng.uniform(0.5, 1, len(rows)).tolist()
    ]
    records = [
        Logged(str(uuid7()), "houses", "houses:a", NOON, row, answer, 1, 0.1, "r", "")
        for row, answer in zip(rows, answers, strict=True)
    ]
    question = Question(HOUSES, "houses:a", NOON, NOON + timedelta(days=7))
    found = reference().model_copy(update=kept)
    return judge(question, found, records, len(records))


def part(found: Drift, name: str) -> PartDrift:
    return next(one for one in found.fields if one.name == name)


def test_rows_as_they_were_are_no_drift_and_what_has_no_comparison_is_named() -> None:
    found = told(houses(2000))

    assert found.verdict == "none"
    assert found.not_computed == ("photos, value: the version was made without it",)
    assert "not everything could be computed" in found.words


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"price": 900.0}, "price", id="a-number"),
        pytest.param({"rooms": 6}, "rooms", id="a-whole-number"),
        pytest.param({"side": "south"}, "side", id="a-category"),
        pytest.param({"garden": None}, "garden", id="what-is-not-given-any-more"),
    ],
)
def test_a_field_that_moved_in_some_rows_is_named_alone(
    change: dict[str, Any], named: str
) -> None:
    rows = houses(2000)
    found = told(
        [row | change if place % 2 == 0 else row for place, row in enumerate(rows)]
    )

    assert found.verdict == "drifted"
    assert found.explained_by == (named,)
    assert found.words.startswith(f"drifted: {named} (")


def test_a_category_that_training_has_not_seen_is_counted() -> None:
    rows = houses(2000)
    found = told(
        [
            row | {"side": "west"} if place < 300 else row
            for place, row in enumerate(rows)
        ]
    )

    (value,) = part(found, "side").signals
    assert found.explained_by == ("side",)
    assert value.never_seen == {"west": 300}


def test_the_largest_shift_is_named_first() -> None:
    rows = [row | {"price": row["price"] + 60, "rooms": 6} for row in houses(2000)]

    assert told(rows).explained_by == ("rooms", "price")


def test_a_small_but_sure_shift_is_to_be_watched() -> None:
    found = told([row | {"price": row["price"] + 27} for row in houses(4000)])

    assert found.verdict == "watch"
    assert (found.explained_by, found.watched) == ((), ("price",))
    assert "a little: price" in found.words


def test_a_tiny_shift_of_very_many_rows_is_sure_and_does_not_matter() -> None:
    found = told([row | {"price": row["price"] + 12} for row in houses(20_000)])

    (value,) = part(found, "price").signals
    assert value.corrected_p is not None
    assert value.corrected_p < 1e-6
    assert found.verdict == "none"


def test_predictions_that_move_alone_are_told_as_such() -> None:
    found = told(houses(2000), share=0.9)

    assert found.verdict == "drifted"
    assert found.explained_by == ()
    assert "moved, though no field did by itself" in found.words


@pytest.mark.parametrize("withheld", ["hmac-sha256:" + "0a" * 32, None])
def test_a_field_that_the_log_does_not_keep_is_not_computed(
    withheld: str | None,
) -> None:
    rows = [{**row, "side": withheld} for row in houses(2000)]
    if withheld is None:
        for row in rows:
            del row["side"]

    found = told(rows)

    assert found.verdict == "none"
    assert part(found, "side").verdict == "not computed"
    assert part(found, "side").withheld == 2000
    assert any(
        one.startswith("side, value: the log keeps it of 0 rows")
        for one in found.not_computed
    )


def test_a_field_with_too_few_values_is_not_computed() -> None:
    rows = [row | {"garden": None} for row in houses(FEWEST_ROWS)]
    rows[0]["garden"] = 1.0

    garden = part(told(rows), "garden")

    by_signal = {one.signal: one for one in garden.signals}
    assert by_signal["missing"].verdict == "drifted"
    assert by_signal["value"].verdict == "not computed"
    assert by_signal["value"].reason == "1 rows, 100 are needed"


def test_too_few_rows_say_nothing() -> None:
    found = told(houses(FEWEST_ROWS - 1))

    assert found.verdict == "not enough rows"
    assert found.words == "99 rows in the log, 100 are needed"
    assert found.fields == ()


def test_a_reference_of_too_few_rows_says_nothing_of_what_it_describes() -> None:
    few = {"label": Counts(counts={"setosa": 6}), "probability": numbers([0.5] * 6)}
    found = told(houses(2000), prediction=few)

    assert found.verdict == "none"
    assert found.prediction
    assert found.prediction.verdict == "not computed"
    assert "prediction, label: 6 rows at training, 20 are needed" in found.not_computed


def test_where_nothing_can_be_computed_there_are_not_enough_rows() -> None:
    assert told(houses(2000), fields={}, prediction={}).verdict == "not enough rows"


def test_what_is_told_can_be_read_back() -> None:
    found = told(houses(2000), share=0.9)

    assert Drift.model_validate_json(found.model_dump_json()) == found
