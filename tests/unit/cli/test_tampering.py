"""C-57: a changed row or byte is named by `verify`, and nothing is promoted past it."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ekiben.cli import app
from ekiben.errors import EkibenError
from ekiben.registry.store import Store
from tests.tiny import promote, register

TAGS = ("iris:a", "iris:b", "iris:c")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three versions, promoted one after the other, and a fourth."""
    for name in ("EKIBEN_DATABASE_URL", "EKIBEN_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    for tag in TAGS:
        promote(tmp_path, register(Store.at(tmp_path), version=tag[-1]))
    register(Store.at(tmp_path), version="d")
    return tmp_path


def refused(*words: str) -> str:
    """Return the one line that the command prints before it exits with 1."""
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, EkibenError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def by_hand(*statements: str) -> Callable[[Path], None]:
    def change(home: Path) -> None:
        with sqlite3.connect(home / "ekiben" / "ledger.db") as past:
            for name in ("changed", "deleted", "replaced"):
                past.execute(f"DROP TRIGGER ledger_event_{name}")
            for statement in statements:
                past.execute(statement)

    return change


def moved(here: int, there: int) -> str:
    return f"UPDATE ledger_event SET sequence = {there} WHERE sequence = {here}"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(
            by_hand("UPDATE ledger_event SET actor = 'eve' WHERE sequence = 2"),
            "ledger event 2 was changed",
            id="edited",
        ),
        pytest.param(
            by_hand("DELETE FROM ledger_event WHERE sequence = 2"),
            "ledger event 2 is missing",
            id="deleted",
        ),
        pytest.param(
            by_hand("DELETE FROM ledger_event WHERE sequence = 3"),
            "ledger event 3 is missing",
            id="last-deleted",
        ),
        pytest.param(
            by_hand(moved(1, 9), moved(2, 1), moved(9, 2)),
            "ledger event 1 was changed",
            id="reordered",
        ),
    ],
)
def test_c57_a_row_changed_by_hand_is_named_and_nothing_moves(
    home: Path, change: Callable[[Path], None], told: str
) -> None:
    change(home)

    assert refused("verify").startswith(told)
    assert refused("promote", "iris", "d").startswith(told)
    assert refused("rollback", "iris").startswith(told)


@pytest.mark.parametrize("name", ["saved_model.pkl", "model.yaml", "manifest.json"])
@pytest.mark.parametrize("version", ["c", "d"])
def test_c57_one_changed_byte_is_named_and_not_promoted(
    home: Path, version: str, name: str
) -> None:
    path = home / "models" / "iris" / version / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    told = refused("verify")
    assert f"iris:{version}" in told
    assert name in told
    if version == "d":
        assert name in refused("promote", "iris", "d")


def test_c57_what_nobody_changed_is_sound(home: Path) -> None:
    result = CliRunner().invoke(app, ["verify"])

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("3 events and 4 versions are sound")
    shutil.rmtree(home / "models" / "iris" / "c")
    assert "iris:c" in refused("verify")
