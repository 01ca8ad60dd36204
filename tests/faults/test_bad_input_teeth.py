"""C-01 to C-08 without their defences: the bad input then gets in, or gets another answer."""

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ConfigDict, create_model

from ekiben.schemas.base import Row
from ekiben.serving import predict_route
from ekiben.serving.edge import InvalidRequest, Refused
from ekiben.serving.predict_route import PredictRoute
from ekiben.serving.problems import validation_problem
from ekiben.settings import Settings


class Strict(Row):
    size: float


class Lax(Row):
    """A row with pydantic's own defaults."""

    model_config = ConfigDict(strict=False, extra="ignore", allow_inf_nan=True)

    size: float


def route(row: type[Row]) -> PredictRoute:
    async def nobody(*_: object) -> None:
        raise AssertionError

    use_case: Any = SimpleNamespace(name="iris", row=row)
    worker: Any = SimpleNamespace(
        settings=Settings(arrow=False), dispatchers={"iris": None}, finish=nobody
    )

    return PredictRoute(use_case, worker, nobody)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_c01_a_parser_that_guesses_the_encoding_is_noticed(encoding: str) -> None:
    body = json.dumps({"rows": [{"size": 1.0}]}).encode(encoding)
    guessing: Any = route(Strict)
    typed = create_model("Typed", rows=(list[Strict], ...))
    guessing._validate = lambda raw: typed.model_validate(json.loads(raw))

    with pytest.raises(InvalidRequest) as refused:
        route(Strict).parse(body)

    assert validation_problem(refused.value.reason)[0] == "invalid_json"
    assert guessing.parse(body)


def test_c02_without_the_count_of_levels_nesting_is_another_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = b'{"rows":' + b"[" * 40 + b"]" * 40 + b"}"

    with pytest.raises(Refused) as refused:
        route(Strict).parse(body)
    monkeypatch.setattr(predict_route, "is_too_deep", lambda _: False)
    with pytest.raises(InvalidRequest) as other:
        route(Strict).parse(body)

    assert refused.value.code == "invalid_json"
    assert validation_problem(other.value.reason)[0] == "validation_failed"


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999"])
def test_c03_without_the_rule_numbers_need_not_be_finite(number: bytes) -> None:
    body = b'{"rows": [{"size": ' + number + b"}]}"

    with pytest.raises(InvalidRequest):
        route(Strict).parse(body)
    (row,) = route(Lax).parse(body)

    assert not math.isfinite(row.model_dump()["size"])


def test_c04_without_the_rule_unknown_fields_and_coerced_texts_get_in() -> None:
    body = b'{"rows": [{"size": "1.5", "surprise": 1}]}'

    with pytest.raises(InvalidRequest) as refused:
        route(Strict).parse(body)
    (row,) = route(Lax).parse(body)

    assert refused.value.reason.error_count() == 2
    assert row.model_dump() == {"size": 1.5}


def test_c04_without_the_look_at_objects_the_last_of_two_values_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = b'{"rows": [{"size": 1.0, "size": 2.0}]}'

    with pytest.raises(Refused):
        route(Strict).parse(body)
    monkeypatch.setattr(PredictRoute, "_check_objects", lambda *_: None)
    (row,) = route(Strict).parse(body)

    assert row.model_dump() == {"size": 2.0}


@pytest.mark.parametrize("count", [0, 1001])
def test_c08_without_the_bounds_any_number_of_rows_gets_in(count: int) -> None:
    body = json.dumps({"rows": [{"size": 1.0}] * count}).encode()
    unbounded: Any = route(Strict)
    typed = create_model("Typed", rows=(list[Strict], ...))
    unbounded._validate = typed.model_validate_json

    with pytest.raises(InvalidRequest):
        route(Strict).parse(body)

    assert len(unbounded.parse(body)) == count
