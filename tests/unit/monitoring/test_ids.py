"""Ids of predictions: one key a request, one number a row, and back again."""

from uuid import UUID

import pytest

from ekiben.monitoring.ids import NUMBERS, fresh, joined, split
from ekiben.schemas.base import MAX_ROWS


def test_ids_are_uuids_of_version_7_and_tell_their_request_and_row() -> None:
    begin = fresh()
    ids = [begin + NUMBERS[number] for number in (0, 15, MAX_ROWS - 1)]

    assert {UUID(one).version for one in ids} == {7}
    key, _ = split(ids[0])
    assert [split(one) for one in ids] == [(key, 0), (key, 15), (key, MAX_ROWS - 1)]
    assert [joined(*split(one)) for one in ids] == ids
    assert split(ids[1].upper()) == (key, 15)


def test_requests_of_one_moment_have_keys_of_their_own() -> None:
    assert len({fresh() for _ in range(10_000)}) == 10_000


def test_a_request_has_fewer_rows_than_there_are_numbers() -> None:
    assert len(NUMBERS) > MAX_ROWS


@pytest.mark.parametrize("text", ["no id", "", "019aa41e6f0b7c529d430f2b8c61exyz"])
def test_what_has_not_the_digits_of_a_uuid_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"digits|literal"):
        split(text)
