"""docs/releases.md, command by command: each prints what the page shows."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ekiben.registry.store import Store
from tests.servers import PROJECT, environment

pytestmark = pytest.mark.models

PAGE = (PROJECT / "docs" / "releases.md").read_text()
STEPS = re.findall(
    r"^\$ (.*)\n((?:(?!\$ |```).*\n)*)",
    "".join(re.findall(r"```console\n(.*?)```", PAGE, re.S)),
    re.M,
)
WIDTH = "96"
VARYING = (
    (re.compile(r"\biris:[a-z0-9]{16}\b"), "TAG"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "HASH"),
    (re.compile(r"(20\d\d-(?!11-01)\d\d-\d\d )?\b\d\d:\d\d(:\d\d)? "), "TIME "),
    (re.compile(r"\d\.\d{4}"), "N"),
    (re.compile(r"\d+\.\d kB"), "SIZE"),
)


def settled(text: str) -> str:
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def surroundings(home: Path) -> dict[str, str]:
    folder = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"EKIBEN_OFFLINE": "1", "EKIBEN_ACTOR": "ada"}
    return {**environment(home, settings), "PATH": folder, "COLUMNS": WIDTH}


@pytest.fixture(scope="module")
def trained_twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("trained-twice")
    for options in (["--promote"], []):
        subprocess.run(
            [sys.executable, "train.py", "iris", *options],
            cwd=PROJECT,
            env=surroundings(home),
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return home


@pytest.fixture
def place(trained_twice: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a reader who has trained twice, as the page says."""
    shutil.copytree(trained_twice, tmp_path, dirs_exist_ok=True)
    return surroundings(tmp_path)


def run(command: str, place: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command.replace("ekiben", f"{sys.executable} -m ekiben", 1)],
        cwd=PROJECT,
        env=place,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout or done.stderr


def test_every_command_prints_what_the_page_shows(
    place: dict[str, str], tmp_path: Path
) -> None:
    candidate = Store.at(tmp_path).tags("iris")[1]
    model = Store.at(tmp_path).models / candidate.replace(":", "/") / "saved_model.pkl"
    sound = model.read_bytes()
    checks = 0
    for command, shown in STEPS:
        if command == "ekiben verify":
            checks += 1
            model.write_bytes(b"x" + sound[1:] if checks == 2 else sound)
            if checks == 3:
                with sqlite3.connect(tmp_path / "ekiben" / "ledger.db") as past:
                    past.execute("DROP TRIGGER ledger_event_changed")
                    past.execute(
                        "UPDATE ledger_event SET actor = 'eve' WHERE sequence = 2"
                    )
        asked = command.replace("lblqc", candidate[:-2])

        assert settled(run(asked, place)) == settled(shown), command
    assert checks == 3


def test_the_program_rolls_back(place: dict[str, str], tmp_path: Path) -> None:
    first, second = Store.at(tmp_path).tags("iris")
    run(f"ekiben promote iris {second}", place)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env={**place, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == first
