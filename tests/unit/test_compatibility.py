"""Which change of a schema breaks whom, and that the change is named."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from ekiben.compatibility import prediction_differences, row_differences
from ekiben.schemas.base import Prediction, Row
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import UseCase

Small = Annotated[int, Field(ge=0, le=10)]


def row(**fields: Any) -> dict[str, Any]:
    return schema_of("Thing", Row, fields)


def prediction(**fields: Any) -> dict[str, Any]:
    return schema_of("Answer", Prediction, fields)


def schema_of(
    name: str, base: type[BaseModel], fields: dict[str, Any]
) -> dict[str, Any]:
    given: dict[str, Any] = {
        name: one if isinstance(one, tuple) else (one, ...)
        for name, one in fields.items()
    }
    return create_model(name, __base__=base, **given).model_json_schema()


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda one: one.name)
def test_a_schema_is_compatible_with_itself(use_case: UseCase) -> None:
    row_schema = use_case.row.model_json_schema()
    answer = use_case.prediction.model_json_schema()

    assert row_differences(row_schema, row_schema) == []
    assert prediction_differences(answer, answer) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(Small, Annotated[int, Field(ge=-1, le=11)], id="wider-bounds"),
        pytest.param(Small, int, id="no-bounds"),
        pytest.param(int, float, id="whole-to-any-number"),
        pytest.param(Literal["a"], Literal["a", "b"], id="a-new-choice"),
        pytest.param(Literal["a", "b"], str, id="choices-to-any-text"),
        pytest.param(str, str | None, id="may-be-null"),
        pytest.param(
            Annotated[float, Field(gt=0)],
            Annotated[float, Field(ge=0)],
            id="bound-included",
        ),
    ],
)
def test_a_row_field_may_take_more_but_not_less(old: Any, new: Any) -> None:
    assert row_differences(row(x=old), row(x=new)) == []
    told = row_differences(row(x=new), row(x=old))
    assert told
    assert all(one.startswith("row.x: ") for one in told)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        pytest.param({"x": int, "y": int}, {"x": int}, "row.y", id="a-field-is-gone"),
        pytest.param({"x": int}, {"x": int, "y": int}, "row.y", id="new-and-required"),
        pytest.param({"x": (int, 0)}, {"x": int}, "row.x", id="became-required"),
        pytest.param({"x": str}, {"x": int}, "row.x: type", id="another-type"),
        pytest.param(
            {"x": str},
            {"x": Annotated[str, Field(pattern="^a")]},
            "row.x: pattern",
            id="a-pattern",
        ),
        pytest.param(
            {"x": list[int]}, {"x": list[Small]}, "row.x.*: minimum", id="items"
        ),
    ],
)
def test_a_row_that_was_taken_must_still_be_taken(
    old: dict[str, Any], new: dict[str, Any], told: str
) -> None:
    found = row_differences(row(**old), row(**new))

    assert found
    assert found[0].startswith(told)


def test_a_row_may_get_a_field_that_need_not_be_given() -> None:
    assert row_differences(row(x=int), row(x=int, y=(int, 0))) == []


def test_a_nested_schema_is_followed() -> None:
    def nested(kind: Any) -> dict[str, Any]:
        return row(inner=create_model("Inner", __base__=Row, x=(kind, ...)))

    assert row_differences(nested(int), nested(float)) == []
    [told] = row_differences(nested(float), nested(int))
    assert told.startswith("row.inner.x: type")


def test_a_prediction_may_get_a_field() -> None:
    assert prediction_differences(prediction(x=int), prediction(x=int, y=int)) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        pytest.param(
            {"x": int, "y": int}, {"x": int}, "prediction.y: is gone", id="gone"
        ),
        pytest.param({"x": int}, {"x": float}, "prediction.x: type", id="another-type"),
        pytest.param(
            {"x": Literal["a", "b"]},
            {"x": Literal["a", "c"]},
            "prediction.x: 'c'",
            id="an-answer-that-no-client-knows",
        ),
        pytest.param(
            {"x": dict[Literal["a"], float]},
            {"x": dict[Literal["a", "b"], float]},
            "prediction.x.*",
            id="a-key-that-no-client-knows",
        ),
    ],
)
def test_a_prediction_must_keep_its_fields_and_their_types(
    old: dict[str, Any], new: dict[str, Any], told: str
) -> None:
    [found] = prediction_differences(prediction(**old), prediction(**new))

    assert found.startswith(told)
