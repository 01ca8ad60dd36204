"""Clients print their figures as one line of JSON; anything else is a failed load."""

import pytest

from benchmarks.client import Tally, http_requests, percentile
from benchmarks.load import Figures, LoadFailed, parse

LINE = (
    '{"requests": 90, "seconds": 2.0, "p50_ms": 1.5, "p99_ms": 9.0, '
    '"non_2xx": 10, "broken": 0}'
)


def test_the_figures_are_found_among_what_wrk_prints() -> None:
    figures = parse(["Running 2s test", "  90 requests in 2.00s", LINE])

    assert figures == Figures(90, 2.0, 1.5, 9.0, 10, 0)
    assert figures.answered == 40.0


def test_a_client_without_figures_has_failed() -> None:
    with pytest.raises(LoadFailed, match="unable to connect"):
        parse(["unable to connect to 127.0.0.1:9"])


def test_a_tally_reports_what_the_lua_script_reports() -> None:
    tally = Tally([0.003, 0.001, 0.002], non_2xx=1)

    assert Figures(**tally.report(2.0)) == Figures(  # type: ignore[arg-type]
        3, 2.0, 2.0, 3.0, 1, 0
    )


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        pytest.param(50, 51.0, id="median"),
        pytest.param(99, 100.0, id="p99"),
        pytest.param(100, 100.0, id="greatest"),
    ],
)
def test_percentiles_are_values_that_occurred(percent: int, expected: float) -> None:
    assert percentile([float(n) for n in range(1, 101)], percent) == expected


def test_requests_state_host_and_length() -> None:
    (request,) = http_requests(
        "http://127.0.0.1:3000/v1/iris/predict", [b"{}"], "application/json"
    )

    assert request == (
        b"POST /v1/iris/predict HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
