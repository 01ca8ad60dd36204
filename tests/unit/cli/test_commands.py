"""The list of commands: what `ekiben --help` shows without importing them."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ekiben.cli import COMMANDS, app, imported

LATE = {"pandas", "sqlalchemy", "sklearn", "bentoml"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_its_own_help_begins_with(name: str) -> None:
    first = (imported(name).help or "").partition("\n\n")[0]
    assert COMMANDS[name].help == " ".join(first.split())


def test_the_help_lists_all_commands_and_imports_none() -> None:
    code = (
        "import sys; from ekiben.cli import app; app(standalone_mode=False);"
        " print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(name in done.stdout for name in COMMANDS)
    assert not LATE & set(done.stdout.splitlines()[-1].split())


def test_a_command_that_is_not_there_is_wrong_usage() -> None:
    done = CliRunner().invoke(app, ["promot"])
    assert done.exit_code == 2
    assert "promot" in done.output
