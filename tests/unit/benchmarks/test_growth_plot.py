"""The picture of growth has a panel a use case and kind, and a line for each server in it."""

from collections.abc import Iterator
from xml.etree import ElementTree

from benchmarks.growth_plot import svg
from benchmarks.results import Case, Measurement, Results
from tests.unit.benchmarks.measured import measured

SPACE = "{http://www.w3.org/2000/svg}"


def loads(server: str, *steps: tuple[int, int, float]) -> Iterator[Measurement]:
    for rows, connections, answered in steps:
        case = Case("iris", rows, connections)
        yield from measured(server, [answered], case=case)


def lines(results: Results) -> dict[str, list[list[float]]]:
    """Return the heights of each server's lines, without those of the legend."""
    found: dict[str, list[list[float]]] = {}
    for one in ElementTree.fromstring(svg(results)).iter(f"{SPACE}polyline"):
        points = [point.split(",") for point in one.get("points", "").split()]
        if float(points[0][0]) > 0:
            heights = [float(y) for _, y in points]
            found.setdefault(one.get("class", ""), []).append(heights)
    return found


def test_rows_count_for_what_they_are() -> None:
    same = loads("ekiben", (10, 4, 1000), (100, 4, 100), (1000, 4, 10))

    ((first, second, third),) = lines(Results(tuple(same)))["ekiben"]

    assert first == second == third


def test_more_requests_stand_higher() -> None:
    results = Results(
        (
            *loads("ekiben", (1, 1, 1000), (1, 32, 9000)),
            *loads("tuned", (1, 1, 500), (1, 32, 900)),
        )
    )

    found = lines(results)

    ((low, high),), ((lower, below),) = found["ekiben"], found["tuned"]
    assert high < low < below < lower, "y counts downwards"


def test_each_kind_of_load_has_its_line() -> None:
    both = loads("ekiben", (1, 1, 10), (1, 8, 60), (10, 4, 9), (100, 4, 5))

    assert [len(one) for one in lines(Results(tuple(both)))["ekiben"]] == [2, 2]


def test_open_loops_and_single_points_are_no_line() -> None:
    results = Results(
        (
            *loads("ekiben", (1, 32, 10)),
            *measured("ekiben", [9], case=Case("iris", 1, 128, 50)),
        )
    )

    assert lines(results) == {}
    assert lines(Results(())) == {}
