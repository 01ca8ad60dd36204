"""The table of criteria is complete and not stale; how it is made."""

import pytest

from tests.criteria import (
    PAGE,
    Row,
    all_tests,
    figures,
    ids_in,
    line,
    proves,
    rows,
    unmeasured,
    verdict,
    written,
)
from tests.criteria_list import CRITERIA, NOT_YET, Criterion

every_row = pytest.mark.parametrize("row", rows(), ids=lambda row: row.criterion.id)


def case(outcome: str, **measured: object) -> dict[str, object]:
    return {"outcome": outcome, "figures": measured, "slow": False}


@every_row
def test_every_criterion_has_a_test_or_says_why_not(row: Row) -> None:
    assert row.tests or row.criterion.reason or row.criterion.number in NOT_YET


@every_row
def test_every_star_shows_its_teeth_or_says_why_not(row: Row) -> None:
    shown = row.teeth or row.criterion.reason_no_teeth or not row.tests
    pending = row.criterion.number in NOT_YET

    assert shown or pending or not row.criterion.teeth


def test_no_criterion_stands_there_twice() -> None:
    numbers = [one.number for one in CRITERIA]

    assert numbers == sorted(set(numbers))


def test_every_test_named_after_a_criterion_is_in_the_list() -> None:
    known = {one.number for one in CRITERIA}

    for test in all_tests():
        assert ids_in(test.partition("::")[2]) <= known, test


def test_every_test_that_the_list_names_is_there() -> None:
    functions = set(all_tests())
    files = {test.partition("::")[0] for test in functions}

    for one in CRITERIA:
        for named in one.also:
            there = named.endswith("::*") and named[:-3] in files
            assert there or named in functions, named


def test_the_page_names_the_tests_that_there_are() -> None:
    page = PAGE.read_text()

    assert unmeasured(page) == unmeasured(written(page, {})), "run `make criteria`"


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("test_c35_all_refusals_are_one_401", {35}),
        ("test_c65_c75_a_killed_worker_is_replaced", {65, 75}),
        ("test_c350_is_none_of_ours", set()),
        ("test_abc35_neither", set()),
    ],
)
def test_a_name_carries_its_ids(name: str, ids: set[int]) -> None:
    assert ids_in(name) == ids


def test_a_whole_file_may_prove_a_criterion() -> None:
    one = Criterion(46, "exact", also=("tests/a.py::*",))

    assert proves("tests/a.py::test_x", one)
    assert not proves("tests/b.py::test_x", one)


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ([], "not run"),
        ([case("passed")], "pass (1)"),
        ([case("passed"), case("failed")], "**fail** (1 of 2)"),
        ([case("passed"), case("skipped")], "pass (1, 1 skipped)"),
        ([case("skipped")], "skipped"),
    ],
)
def test_one_that_failed_decides(cases: list[dict[str, object]], said: str) -> None:
    assert verdict(cases) == said


def test_figures_of_several_tests_stand_side_by_side() -> None:
    cases = [case("passed", cases=200), case("passed", cases=2000, p99=1.23456)]

    assert figures(cases) == "cases 200, 2000; p99 1.235"


def test_a_line_holds_id_marks_tests_and_result() -> None:
    row = Row(
        Criterion(65, "it comes back", teeth=True),
        ("tests/faults/test_a.py::test_c65_x", "tests/faults/test_a.py::test_c65_without_y"),
    )  # fmt: skip
    results = {row.tests[0]: {"": case("passed", seconds=3)}}

    assert line(row, results) == (
        "| C-65 | ★ | it comes back | `faults/test_a.py` (2); teeth: "
        "`test_c65_without_y` | pass (1) | seconds 3 |"
    )


def test_the_rest_of_the_page_stays_as_it_is() -> None:
    page = PAGE.read_text()

    before, after = page.partition("<!-- criteria")[0], page.rpartition("-->")[2]
    assert written(page, {}).startswith(before)
    assert written(page, {}).endswith(after)
