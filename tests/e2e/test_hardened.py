"""C-85: what a confined container cannot do, and that it could without the confinement."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from ekiben.packaging.containers import Confinement, Container, Engine
from tests.criteria_plugin import Figure
from tests.e2e.boxes import Box, hardened
from tests.e2e.probe import MANY
from tests.timing import at_most, measures_time

PROBE = Path(__file__).with_name("probe.py").read_text()
GREEDY = "x = bytearray(700 * 2**20); print(len(x))"
UNCONFINED = None


def outcome(
    engine: Engine, image: str, confinement: Confinement | None, source: str
) -> tuple[Container, str]:
    """Run *source* by the image's Python to its end; return how it ended, and its output."""
    name = f"ekiben-probe-{os.getpid()}"
    network = ["--network=none"] if confinement else []
    command = ["python", "-c", source]
    engine.run(image, name, confinement=confinement, options=network, command=command)
    try:
        for _ in range(600):
            found = engine.container(name)
            assert found is not None
            if not found.running:
                return found, engine.logs(name)
            time.sleep(0.1)
        raise AssertionError("it did not end")
    finally:
        engine.remove(name)


def probed(engine: Engine, image: str, confinement: Confinement | None) -> Any:
    ended, printed = outcome(engine, image, confinement, PROBE)
    assert ended.exit_code == 0, printed
    return json.loads(printed.strip().splitlines()[-1])


def test_c85_a_confined_container_can_write_start_and_reach_next_to_nothing(
    engine: Engine, image: str
) -> None:
    could = probed(engine, image, Confinement())

    # podman adds two directories of its own, both in memory; so is /dev/shm.
    mounted = {"/tmp", "/var/ekiben", "/var/tmp", "/run"}
    assert set(could["writable"]) <= mounted
    assert {"/tmp", "/var/ekiben"} <= set(could["writable"])
    assert int(could["capabilities"], 16) == 0
    assert could["no_new_privileges"] == "1"
    assert could["processes"] < 256
    assert could["network"] is False
    assert could["user"] != 0


def test_c85_teeth_without_the_confinement_the_same_probe_gets_through(
    engine: Engine, image: str
) -> None:
    could = probed(engine, image, UNCONFINED)

    assert int(could["capabilities"], 16) != 0
    assert could["no_new_privileges"] == "0"
    assert could["processes"] == MANY
    # Even then code and models belong to root, and nobody may write there.
    assert not [one for one in could["writable"] if one.startswith(("/app", "/home"))]
    assert could["user"] != 0


@pytest.mark.parametrize(
    ("confinement", "ended"),
    [
        pytest.param(Confinement(), 137, id="confined-it-is-killed"),
        pytest.param(UNCONFINED, 0, id="unconfined-it-gets-its-memory"),
    ],
)
def test_c85_memory_beyond_the_limit_kills_who_takes_it(
    engine: Engine, image: str, confinement: Confinement | None, ended: int
) -> None:
    found, _ = outcome(engine, image, confinement, GREEDY)

    assert found.exit_code == ended


def test_c85_one_use_case_needs_less_than_the_limit(
    engine: Engine, image: str, tmp_path: Path, figure: Figure
) -> None:
    with hardened(
        engine, image, tmp_path, extra={"EKIBEN_MODELS": "turnover"}
    ) as running:
        peak = running.memory_peak()

    if peak is not None:
        figure("most memory of one use case, MB", round(peak / 2**20))
        assert peak < 500 * 2**20


def test_c84_the_health_check_says_what_the_server_says(box: Box) -> None:
    health = "/home/bentoml/bento/src/ekiben/packaging/image/health.py"
    told = box.engine.execute(
        box.name,
        [
            "sh",
            "-c",
            f"python -IS {health}; echo $?; BENTOML_PORT=3001 python -IS {health}; echo $?",
        ],
    )

    assert told.split() == ["0", "1"]


@measures_time
def test_c85_a_stopped_container_ends_in_time_and_with_0(
    engine: Engine, image: str, tmp_path: Path, figure: Figure
) -> None:
    with hardened(engine, image, tmp_path) as running:
        began = time.monotonic()
        engine.stop(running.name, 30)
        seconds = time.monotonic() - began
        found = running.container

    figure("stop, s", round(seconds, 1))
    assert found.exit_code == 0
    at_most(25, seconds)
