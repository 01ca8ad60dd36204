"""C-14: Schemathesis asks everything that the OpenAPI document allows, and what it does not."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ekiben.serving.openapi import openapi_document
from ekiben.use_cases.catalog import USE_CASES
from tests.servers import PROJECT, Server

pytestmark = pytest.mark.server

SEED = 20260301
FEW = 10
"""Cases per operation in the default tier, beside the examples and the boundary cases of
every keyword: what fits into its minute."""
CONFIG = """
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "504"]
"""
"""504 has a check of its own in fuzz_hooks."""
SCHEMATHESIS = (sys.executable, "-m", "schemathesis.cli", "run")
OPERATIONS = sorted(
    operation["operationId"]
    for item in openapi_document(USE_CASES, "any")["paths"].values()
    for operation in item.values()
)
Figure = Callable[[str, object], None]


@pytest.fixture
def api_key() -> str | None:
    """The key to send where the server asks for one."""
    return os.environ.get("FUZZ_API_KEY")


def fuzz(
    url: str,
    directory: Path,
    *,
    cases: int,
    seed: int,
    key: str | None,
    document: Path | None = None,
    only: str | None = None,
) -> dict[str, Any]:
    """Run all checks and all phases against *url*; return the report, or fail with it.

    *document* takes the place of the server's own; *only* is the one operation to ask.
    """
    (directory / "schemathesis.toml").write_text(CONFIG)
    if document is None:
        # From its address, Schemathesis would not ask that address itself.
        document = directory / "openapi.json"
        document.write_text(httpx.get(f"{url}/openapi.json").text)
    report = directory / "report.json"
    options = ["--url", url, "--checks", "all", "--max-examples", str(cases)]
    # Without a database Hypothesis spends no cases on shrinking those that pass.
    options += ["--seed", str(seed), "--generation-database", "none"]
    options += ["--include-operation-id", only] if only else []
    options += ["--header", f"Authorization:Bearer {key}"] if key else []
    output = ["--no-color", "--warnings", "off", "--report-json-path", str(report)]
    done = subprocess.run(
        [*SCHEMATHESIS, str(document), *options, *output],
        cwd=directory,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.faults.fuzz_hooks",
            "PYTHONPATH": str(PROJECT),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"seed {seed}\n{done.stdout[-20_000:]}\n{done.stderr}"
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def check(
    server: Server,
    directory: Path,
    figure: Figure,
    seed: int,
    cases: int,
    *,
    key: str | None,
    only: str | None = None,
) -> None:
    workers = server.workers()

    report = fuzz(server.url, directory, cases=cases, seed=seed, key=key, only=only)

    assert report["operations"]["tested"] == (1 if only else len(OPERATIONS))
    assert not report["errors"]
    assert server.workers() == workers
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    figure("operations", report["operations"]["tested"])
    figure("cases", report["test_cases"]["generated"])
    figure("failures", report["test_cases"]["unique_failures"])
    figure("seed", seed)


@pytest.mark.timeout(600)
def test_c14_server_and_document_agree_on_whatever_is_asked(
    server: Server, tmp_path: Path, api_key: str | None, figure: Figure
) -> None:
    check(server, tmp_path, figure, SEED, FEW, key=api_key)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_c14_at_length(
    server: Server,
    tmp_path: Path,
    api_key: str | None,
    figure: Figure,
    operation: str,
) -> None:
    cases = int(os.environ.get("FUZZ_CASES", "2000"))
    seed = int(os.environ.get("FUZZ_SEED", SEED))

    check(server, tmp_path, figure, seed, cases, only=operation, key=api_key)


def test_c14_the_fuzz_finds_a_document_that_promises_too_much(
    server: Server, tmp_path: Path, api_key: str | None
) -> None:
    document = httpx.get(f"{server.url}/openapi.json").json()
    flower = document["components"]["schemas"]["IrisFlower"]["properties"]
    flower["sepal_length"]["maximum"] = 300
    document["paths"] = {
        path: one for path, one in document["paths"].items() if "iris" in path
    }
    document["servers"] = [{"url": server.url}]
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(document))

    with pytest.raises(AssertionError, match="Schema-valid request rejected"):
        fuzz(server.url, tmp_path, cases=FEW, seed=SEED, key=api_key, document=changed)
