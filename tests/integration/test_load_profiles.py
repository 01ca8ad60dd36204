"""The load profiles pass against a live server, and fail where there is none."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import PROJECT, Server, free_port

pytestmark = pytest.mark.server


def locust(host: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            *(sys.executable, "-m", "locust", "--headless", "--host", host),
            *("--users", "10", "--spawn-rate", "10", "--run-time", "4s"),
            *arguments,
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_profile_passes_and_leaves_a_report(
    server: Server, tmp_path: Path
) -> None:
    page = tmp_path / "load.html"

    run = locust(server.url, "--html", str(page))

    assert run.returncode == 0, run.stdout + run.stderr
    assert page.stat().st_size > 0
    for use_case in ("iris", "turnover", "fraud", "spam", "topics"):
        assert f"{use_case}, rows: 1" in run.stdout + run.stderr


def test_a_run_without_a_server_fails() -> None:
    run = locust(f"http://127.0.0.1:{free_port()}", "IrisUser")

    assert run.returncode == 1
