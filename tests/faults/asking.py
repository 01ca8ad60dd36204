"""How tests of bad input ask, and what every refusal has to look like."""

import json
from typing import Any

import httpx
import pytest

from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import UseCase

each_use_case = pytest.mark.parametrize("use_case", USE_CASES, ids=lambda u: u.name)


def post(client: httpx.Client, use_case: UseCase, body: bytes) -> httpx.Response:
    return client.post(
        f"/v1/{use_case.name}/predict",
        content=body,
        headers={"Content-Type": "application/json"},
    )


def rows_body(*rows: Any) -> bytes:
    return json.dumps({"rows": rows}).encode()


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the body of RFC 9457 and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= problem.keys()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["request_id"] == response.headers["x-request-id"]
    for secret in ("Traceback", "site-packages", "pydantic", "bentoml", "/usr", ".py"):
        assert secret not in response.text
    return problem


def model_calls(client: httpx.Client, use_case: UseCase) -> float:
    """Return how often the model was called, by the server's own count."""
    name, label = "ekiben_batch_rows_count{", f'use_case="{use_case.name}"'
    lines = client.get("/metrics").text.splitlines()
    ours = [one for one in lines if one.startswith(name) and label in one]
    return sum(float(one.split()[-1]) for one in ours)
