"""C-16 and C-17: our own failures tell nothing, and addresses in values are only text."""

import json
import time
from pathlib import Path

import httpx
import psutil
import pytest

from ekiben.use_cases.catalog import USE_CASES
from tests.faults.asking import assert_problem
from tests.faults.failures import FAILURES
from tests.servers import PATIENCE, Server

pytestmark = pytest.mark.server

SECRET = "s3cret-of-the-model"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def ask_for_failure(server: Server, number: int, name: str = "") -> httpx.Response:
    row = USE_CASES[0].examples[0] | {"sepal_length": 20.0 + number}
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    if name:
        headers["X-Request-ID"] = name
    with server.client() as client:
        return client.post("/v1/iris/predict", json={"rows": [row]}, headers=headers)


@pytest.mark.parametrize("number", range(len(FAILURES)))
def test_c16_whatever_the_model_raises_is_500_and_the_trace_is_in_the_log_only(
    raising: Server, number: int
) -> None:
    response = ask_for_failure(raising, number, f"failure-{number}")

    assert_problem(response, 500, "internal")
    assert SECRET not in response.text
    assert "sepal" not in response.text
    failed = wait_for_record(raising, f"failure-{number}")
    assert failed["level"] == "ERROR"
    assert failed["trace_id"] == TRACE
    assert "Traceback" in failed["exc_info"]


def test_c16_neighbours_of_a_failure_are_answered(raising: Server) -> None:
    with raising.client() as client:
        for _ in range(3):
            assert ask_for_failure(raising, 0).status_code == 500
            good = client.post("/v1/iris/predict", json={"rows": USE_CASES[0].examples})
            assert good.status_code == 200


def test_c16_bentoml_alone_blames_the_client_for_it(bare: Server) -> None:
    response = ask_for_failure(bare, 0)

    assert response.status_code == 400
    assert response.headers["content-type"] != "application/problem+json"


def wait_for_record(server: Server, request_id: str) -> dict[str, str]:
    """Return the log record of the failure of the request *request_id*."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        # The last line may not be written to its end.
        for line in server.output.read_text().split("\n")[:-1]:
            if request_id in line and "request failed" in line:
                found: dict[str, str] = json.loads(line)
                return found
        time.sleep(0.1)
    raise AssertionError("nothing was logged")


ADDRESSES = [
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "\\\\host\\share",
    "ftp://127.0.0.1:1/x",
    "//127.0.0.1:1/x",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_c17_an_address_is_text_and_nobody_goes_there(
    server: Server, address: str
) -> None:
    (worker,) = server.workers()
    process = psutil.Process(worker)
    before = outgoing(process)
    with server.client() as client:
        for use_case in USE_CASES:
            for field, good in use_case.examples[0].items():
                row = use_case.examples[0] | {field: address}
                path = f"/v1/{use_case.name}/predict"
                status = client.post(path, json={"rows": [row]}).status_code
                free = isinstance(good, str) and field == "text"
                assert status == (200 if free else 422)
        assert client.post("/v1/iris/predict", json=address).status_code == 422

    assert outgoing(process) <= before


def outgoing(process: psutil.Process) -> set[int]:
    """Return the remote ports of connections that the process itself opened."""
    own = {
        one.laddr.port
        for one in process.net_connections("inet")
        if one.status == psutil.CONN_LISTEN
    }
    return {
        one.raddr.port
        for one in process.net_connections("inet")
        if one.raddr and one.laddr.port not in own
    }


def test_c17_no_operation_takes_a_file(server: Server) -> None:
    with server.client() as client:
        document = client.get("/openapi.json").text

    assert '"format":"binary"' not in document
    assert '"format":"uri"' not in document
    assert "multipart" not in document


def test_c16_nothing_in_the_product_knows_of_faults() -> None:
    sources = Path(__file__).parents[2].joinpath("ekiben").rglob("*.py")

    assert not [one for one in sources if '"FAULT"' in one.read_text()]
