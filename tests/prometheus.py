"""A Prometheus for tests, and promtool: Debian's programs, one scrape a second."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.servers import PROJECT, free_port

DEPLOY = PROJECT / "deploy" / "prometheus"


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus, asked as of *moment*, or as of now."""

    url: str
    moment: float | None = None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query."""
        asked = {"query": expression} | (
            {"time": str(self.moment)} if self.moment else {}
        )
        answer = httpx.get(f"{self.url}/api/v1/query", params=asked, timeout=30).json()
        assert answer["status"] == "success", (expression, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


def program(name: str) -> str:
    """Return where the program is; without it a test skips, but never in CI."""
    found = shutil.which(name)
    if found:
        return found
    reason = f"{name} is not installed (Debian: apt-get install prometheus)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def configuration(targets: Sequence[str]) -> str:
    """Return our own configuration with other targets, scraped once a second."""
    made = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    made["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    made["rule_files"] = [str(DEPLOY / name) for name in made["rule_files"]]
    ours = next(one for one in made["scrape_configs"] if one["job_name"] == "ekiben")
    ours["static_configs"] = [{"targets": list(targets)}]
    made["scrape_configs"] = [ours]
    return yaml.safe_dump(made)


@contextlib.contextmanager
def scrape(targets: Sequence[str], directory: Path) -> Iterator[Prometheus]:
    """Scrape *targets* with our rules until the block ends."""
    executable = program("prometheus")
    path = directory / "prometheus.yml"
    path.write_text(configuration(targets))
    address = f"127.0.0.1:{free_port()}"
    with (directory / "prometheus.log").open("wb") as sink:
        process = subprocess.Popen(
            [
                executable,
                f"--config.file={path}",
                f"--storage.tsdb.path={directory / 'tsdb'}",
                f"--web.listen-address={address}",
                "--storage.tsdb.retention.time=1h",
            ],
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(f"http://{address}/-/ready", process, directory / "prometheus.log")
        yield Prometheus(f"http://{address}")
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]", output: Path) -> None:
    for _ in range(300):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=2).status_code == 200:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(output.read_text()[-4000:])
