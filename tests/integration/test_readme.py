"""The README's commands give the README's output, but for ids, tags, times and figures."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import PROJECT, Server, environment

pytestmark = pytest.mark.server

README = (PROJECT / "README.md").read_text()
CONSOLES = re.findall(r"```console\n\$ (.*?)\n(.*?)```", README, re.S)
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.S)
VARYING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\b([a-z-]+):[a-z0-9]{16}\b"), r"\1:VERSION"),
    (re.compile(r"real data|sample data"), "DATA"),
    (re.compile(r"-?\b\d+(\.\d+)?\b(?=[,}\] ]|\n|$)"), "N"),
    # A sample may lack a band of lengths that the real table has.
    (re.compile(r',"slice:[^"]+"'), ""),
)


def settled(text: str) -> str:
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@pytest.fixture
def place(data_settings: dict[str, str], home: Path) -> dict[str, str]:
    """The environment of a reader who has done what stands above."""
    folder = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**environment(home, data_settings), "PATH": folder, "COLUMNS": "80"}


@pytest.mark.parametrize(
    ("command", "printed"), CONSOLES, ids=[" ".join(c.split()[:3]) for c, _ in CONSOLES]
)
def test_a_command_prints_what_the_readme_shows(
    command: str, printed: str, place: dict[str, str], server: Server, tmp_path: Path
) -> None:
    employee = "0.5,2,157,3,0,1,0,catering,low"
    header = (
        "satisfaction_level,last_evaluation,number_project,average_monthly_hours,"
        "time_spend_company,work_accident,leaves,promotion_last_5years,department,salary"
    )
    (tmp_path / "bad.csv").write_text(f"{header}\n1.4,{employee}\n")
    command = command.replace("127.0.0.1:3000", server.url.removeprefix("http://"))
    command = command.replace("bad.csv", str(tmp_path / "bad.csv"))

    done = subprocess.run(
        ["bash", "-c", command],
        cwd=PROJECT,
        env=place,
        capture_output=True,
        text=True,
        check=False,
    )

    shown = done.stdout or done.stderr
    assert settled(shown) == settled(printed)


@pytest.mark.parametrize("program", PROGRAMS, ids=["client", "in-process"])
def test_a_program_runs_and_names_the_species(
    program: str, place: dict[str, str], server: Server, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program.replace("http://127.0.0.1:3000", server.url)],
        cwd=PROJECT,
        env={**place, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["setosa"]


def test_the_releases_of_the_readme_move_as_shown(
    place: dict[str, str], tmp_path: Path
) -> None:
    """The section's commands, on a home of its own, with the version of its second training."""
    environ = {**place, "BENTOML_HOME": str(tmp_path), "COLUMNS": "100"}
    environ["EKIBEN_ACTOR"] = "root"

    def run(command: str) -> str:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=PROJECT,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    run("python train.py turnover --promote")
    version = json.loads(run("python train.py turnover --json"))[0]["tag"].split(":")[1]
    shown = re.findall(r"```sh-session\n\$ (.*?)\n(.*?)```", README, re.S)
    assert [command.split()[1] for command, _ in shown] == [
        "promote",
        "rollback",
        "history",
    ]
    for command, printed in shown:
        got = run(re.sub(r"(promote turnover) \w+", rf"\1 {version}", command))
        assert moved(got) == moved(printed)


def moved(text: str) -> str:
    """Return *text* without what differs from one move to the next: versions and times."""
    varying = r"(?<=turnover:)[a-z0-9]{16}|\d{2}:\d{2}:\d{2}|\d{4}-\d{2}-\d{2}"
    lines = re.sub(varying, "X", text).strip().splitlines()
    return "\n".join(line.rstrip() for line in lines)


def test_every_page_that_the_readme_leads_to_is_there() -> None:
    for target in re.findall(r"\]\(((?!https?:)[^)#]+)\)", README):
        assert (PROJECT / target).is_file(), target
