"""What the tests of deployments share: a home with Bentos that differ, and the commands."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ekiben.packaging.deployments import Place
from ekiben.packaging.keeper import kin
from ekiben.packaging.kept import Kept
from ekiben.predictor import same
from tests.faults.traffic import Traffic
from tests.servers import PROJECT, environment, free_port

SETTINGS = {"EKIBEN_DRAIN_SECONDS": "1", "EKIBEN_OFFLINE": "true"}
NAME = "ekiben-server"


@dataclass(frozen=True)
class Release:
    """A Bento, the version that answers, and what it answers to one flower."""

    bento: str
    tag: str
    answer: dict[str, Any]


@dataclass(frozen=True)
class Host:
    """One home, and the port where its deployment answers."""

    home: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def place(self) -> Place:
        return Place(self.home, "ekiben")

    def command(self, *given: str) -> list[str]:
        return [sys.executable, "-m", "ekiben", *given]

    def run(
        self, *given: str, extra: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of ekiben to its end."""
        return subprocess.run(
            self.command(*given),
            cwd=PROJECT,
            env=environment(self.home, {**SETTINGS, **(extra or {})}),
            capture_output=True,
            text=True,
            check=False,
        )

    @contextlib.contextmanager
    def started(self, *given: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command of ekiben beside the block; it is killed at its end, if not before."""
        with subprocess.Popen(
            self.command(*given),
            cwd=PROJECT,
            env=environment(self.home, SETTINGS),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as running:
            try:
                yield running
            finally:
                running.kill()

    def deploy(self, bento: str, *given: str) -> None:
        """Deploy, successfully."""
        done = self.run("deploy", bento, "--port", str(self.port), *given)
        assert done.returncode == 0, done.stderr

    def deployed(self) -> dict[str, Any]:
        """Return what `ekiben deployments` says of the only one."""
        done = self.run("deployments", "--json")
        (found,) = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    def replica(self, number: int) -> Kept:
        return Kept(self.place.replica(number))

    def numbers(self) -> list[int]:
        """Return the numbers of the replicas that get requests."""
        state = self.place.read()
        assert state
        return sorted(one.number for one in state.replicas if one.state == "live")


@contextlib.contextmanager
def host(home: Path) -> Iterator[Host]:
    """A host that is left as it was found."""
    made = Host(home, free_port())
    try:
        yield made
        made.run("undeploy")
        assert made.place.read() is None
    finally:
        for directory in made.place.path.glob("**/program.json"):
            kept = Kept(directory.parent)
            kept.ask_to_end()
            kept.wait_for_end()
        shutil.rmtree(home / "ekiben" / "deployments", ignore_errors=True)


def derive(home: Path, source: str, version: str, tag: str | None = None) -> Path:
    """Make a Bento like *source*, that holds the version *tag* of the flowers instead."""
    folder = home / "bentos" / NAME
    shutil.copytree(folder / source.partition(":")[2], folder / version)
    file = folder / version / "bento.yaml"
    described = yaml.safe_load(file.read_text())
    described["version"] = version
    if tag is not None:
        (service,) = described["services"]
        service["models"] = [{**service["models"][0], "tag": tag}]
        described["labels"]["ekiben.production.iris"] = tag.partition(":")[2]
    file.write_text(yaml.safe_dump(described))
    return folder / version


WRONG = """
_right = Loaded.predict
Loaded.predict = lambda self, rows: [
    one | {"species": "setosa"} for one in _right(self, rows)
]
"""


def make_wrong(bento: Path) -> None:
    """Let the Bento's code answer wrongly, after it has passed all checks of its own."""
    file = bento / "src" / "ekiben" / "serving" / "roster.py"
    code = file.read_text()
    assert "\nclass Loaded:\n" in code
    assert "\n    def predict(self, " in code
    file.write_text(code + WRONG)


def damage(home: Path, tag: str) -> None:
    """Change one bit of a registered version."""
    path = home / "models" / tag.replace(":", "/") / "saved_model.pkl"
    content = bytearray(path.read_bytes())
    content[100] ^= 0x10
    path.write_bytes(content)


def check(traffic: Traffic, *releases: Release) -> set[str]:
    """Assert that every answer came, and is right for the version that it names; return those."""
    statuses = {one.status for one in traffic.outcomes}
    assert statuses == {200}, [one for one in traffic.outcomes if one.status != 200][:5]
    assert wrong_answers(traffic, *releases) == []
    return {one.body[0]["model"] for one in traffic.outcomes}


def wrong_answers(traffic: Traffic, *releases: Release) -> list[Any]:
    """Return the answers that the version they name would not give."""
    expected = {release.tag: release.answer for release in releases}
    answered = [one.body[0] for one in traffic.outcomes if one.status == 200]
    return [one for one in answered if not _right(expected[one["model"]], one)]


def _right(expected: dict[str, Any], answer: dict[str, Any]) -> bool:
    return all(same(value, answer[key]) for key, value in expected.items())


def kill_all(kept: Kept) -> None:
    """Kill a replica and all that it started; its keeper lives."""
    for process in kin(kept.directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, 9)
