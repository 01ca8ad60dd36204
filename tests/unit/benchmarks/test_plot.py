"""The picture has a bar a server and use case, as long as its figure's logarithm."""

from xml.etree import ElementTree

from benchmarks.plot import LEFT, OURS, svg
from benchmarks.results import Case, Results
from tests.unit.benchmarks.measured import measured

SPACE = "{http://www.w3.org/2000/svg}"


def bars(results: Results) -> list[tuple[str | None, float]]:
    found = ElementTree.fromstring(svg(results)).iter(f"{SPACE}rect")
    return [
        (one.get("fill"), float(one.get("width", 0)))
        for one in found
        if one.get("x") == str(LEFT)
    ]


def test_ten_times_the_requests_are_a_step_longer() -> None:
    results = Results(
        (*measured("ekiben", [1000]), *measured("tuned", [100]), *measured("ray", [10]))
    )

    (ours, long), (other, middle), (_, short) = bars(results)

    assert ours == OURS != other
    assert abs((long - middle) - (middle - short)) < 0.2
    assert long - middle > 100


def test_other_loads_are_not_drawn() -> None:
    one, many = Case("iris", 1, 1), Case("iris", 100, 4)
    loads = [*measured("ekiben", [9], case=one), *measured("ekiben", [9], case=many)]

    assert bars(Results(tuple(loads))) == []


def test_a_server_that_answered_nothing_has_no_bar_to_speak_of() -> None:
    results = Results((*measured("ekiben", [100]), *measured("tuned", [0])))

    assert [round(width) > 0 for _, width in bars(results)] == [True, False]
