"""The workflow for users' CI: every step is a command of ours that there is, with options that there are."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ekiben.cli import imported
from ekiben.settings import PREFIX, Settings
from tests.servers import PROJECT

FILE = PROJECT / "deploy" / "ci" / "github-actions.yaml"
PINNED = re.compile(r"(actions|docker)/[a-z-]+@[0-9a-f]{40}")
EKIBEN = ".venv/bin/ekiben"


def workflow() -> Any:
    # YAML 1.1 reads the key `on` as true.
    found = yaml.safe_load(FILE.read_text())
    return {("on" if name is True else name): one for name, one in found.items()}


def steps() -> list[Any]:
    found: list[Any] = workflow()["jobs"]["release"]["steps"]
    return found


RUNS = [step["run"] for step in steps() if "run" in step]
PAGE = (PROJECT / "docs" / "kubernetes.md").read_text()
ON_PAGE = [
    f"{EKIBEN} {line.partition('#')[0].strip()}"
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.S)
    for line in re.findall(r"^ekiben (.*)", block, re.M)
]


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """Follow *words* from group to command; return it and what is left."""
    command, words = imported(words[0]), words[1:]
    while hasattr(command, "get_command"):
        command = command.get_command(None, words[0])
        assert command is not None, words
        words = words[1:]
    return command, words


@pytest.mark.parametrize(
    "run", [run for run in (*RUNS, *ON_PAGE) if run.startswith(EKIBEN)]
)
def test_every_ekiben_command_of_workflow_and_page_exists(run: str) -> None:
    command, words = command_of(shlex.split(run)[1:])
    options = {name for one in command.params for name in one.opts if name[0] == "-"}

    assert {word for word in words if word.startswith("-")} <= options


@pytest.mark.parametrize("run", [run for run in RUNS if not run.startswith(EKIBEN)])
def test_every_other_command_is_a_target_of_make(run: str) -> None:
    make, target, *rest = shlex.split(run)

    assert (make, rest) == ("make", [])
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", target, "IMAGE=r.example/x:1"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_it_trains_gates_builds_scans_pushes_and_deploys_in_this_order() -> None:
    wanted = [
        "make scan",
        f"{EKIBEN} train",
        f"{EKIBEN} build",
        f"{EKIBEN} containerize",
        "make push",
        f"{EKIBEN} deploy --kubernetes --overlay staging",
        f"{EKIBEN} deploy --kubernetes --overlay production",
    ]
    places = [[run.startswith(one) for run in RUNS].index(True) for one in wanted]

    assert places == sorted(places)


def test_every_setting_of_the_page_is_one_of_ours() -> None:
    ours = {PREFIX + name.upper() for name in Settings.model_fields}

    assert set(re.findall(r"EKIBEN_[A-Z_]+", PAGE)) <= ours


def test_what_is_used_of_others_is_pinned_and_runs_nothing_of_ours() -> None:
    for step in steps():
        assert ("run" in step) != ("uses" in step), step
        if "uses" in step:
            assert PINNED.fullmatch(step["uses"]), step["uses"]


def test_no_value_from_outside_becomes_part_of_a_command() -> None:
    assert not [run for run in RUNS if "${{" in run]
    secrets = re.findall(
        r"^ *(\w+): \$\{\{ secrets\.(\w+) \}\}", FILE.read_text(), re.M
    )
    assert len(secrets) == FILE.read_text().count("secrets.")


def test_push_needs_an_image_and_an_engine(tmp_path: Path) -> None:
    script = PROJECT / "deploy" / "ci" / "push.sh"
    for arguments, reason in (((), "IMAGE="), (("r.example/x:1", "told"), "neither")):
        done = subprocess.run(
            ["/bin/bash", script, *arguments],
            cwd=tmp_path,
            env={"ENGINE": "none", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert reason in done.stderr


def test_the_kubeconfig_is_its_owners_only(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "-f", PROJECT / "Makefile", "kubeconfig"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "KUBECONFIG_CONTENT": "apiVersion: v1\nkind: X"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")
    written = tmp_path / "var" / "kubeconfig"
    assert written.read_text() == "apiVersion: v1\nkind: X\n"
    assert written.stat().st_mode & 0o777 == 0o600
