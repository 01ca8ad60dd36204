"""`ekiben promote`, `rollback`, `history`, `verify`, `models`, `show`, `prune`."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ekiben.cli import app
from ekiben.errors import EkibenError
from ekiben.monitoring.store import PredictionStore
from ekiben.registry.local import LocalRollbacks
from ekiben.registry.store import Store
from ekiben.settings import Settings
from tests.logbook import logged, write
from tests.servers import PROJECT, environment
from tests.tiny import productions

pytestmark = pytest.mark.models

runner = CliRunner()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three versions of iris, the first one promoted."""
    home = tmp_path_factory.mktemp("made")
    settings = {"EKIBEN_OFFLINE": "1", "EKIBEN_ACTOR": "ada"}
    for options in (["--promote"], [], []):
        subprocess.run(
            [sys.executable, "train.py", "iris", *options],
            cwd=PROJECT,
            env=environment(home, settings),
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may change, and the settings that point there."""
    home = tmp_path / "home"
    shutil.copytree(made, home)
    monkeypatch.setenv("BENTOML_HOME", str(home))
    monkeypatch.setenv("EKIBEN_ACTOR", "grace")
    monkeypatch.setenv("COLUMNS", "160")
    for name in ("EKIBEN_DATABASE_URL", "EKIBEN_MODELS", "EKIBEN_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def tags(home: Path) -> list[str]:
    return Store.at(home).tags("iris")


def done(*arguments: str) -> str:
    result = runner.invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def facts(*arguments: str) -> Any:
    return json.loads(done(*arguments, "--json"))


def refused(*arguments: str) -> str:
    """Return the line that `main` prints before it exits with 1."""
    result: Result = runner.invoke(app, arguments)
    assert isinstance(result.exception, EkibenError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def test_a_promotion_is_echoed_in_full_and_recorded(
    home: Path, tags: list[str]
) -> None:
    # Short enough to be typed, long enough to name one of three.
    told = done("promote", "iris", tags[1][: -len("aaaa")], "--reason", "petals")

    (line,) = told.splitlines()
    live = productions(home)["iris"]
    assert live.tag == tags[1]
    assert line == (
        f"{tags[1]} is production of iris from {live.since:%H:%M:%S} UTC, "
        f"before: {tags[0]}"
    )
    first, second = facts("history", "iris")
    assert (first["actor"], first["reason"]) == ("ada", "promoted by train")
    assert (second["actor"], second["reason"]) == ("grace", "petals")
    assert second["report"]["passed"] is True
    assert "regression" in str(second["report"])


def test_rollback_tells_where_it_went_and_then_that_there_is_no_more(
    home: Path, tags: list[str]
) -> None:
    done("promote", "iris", tags[1])

    told = facts("rollback", "iris", "--reason", "odd answers")

    assert (told["action"], told["to_tag"], told["actor"]) == (
        "rollback",
        tags[0],
        "grace",
    )
    assert refused("rollback", "iris") == "iris has no earlier production version"
    assert done("rollback", "iris", "--to", tags[1]).startswith(tags[1])


@pytest.fixture
def bento(home: Path, tags: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a Bento with two versions says of itself, and its folder for the work in."""
    source = home / "bento" / "src"
    source.mkdir(parents=True)
    models = [{"tag": tags[1]}, {"tag": tags[0]}]
    labels = {"ekiben.production.iris": tags[1].partition(":")[2]}
    # JSON is YAML, too.
    (home / "bento" / "bento.yaml").write_text(
        json.dumps({"labels": labels, "services": [{"models": models}]})
    )
    monkeypatch.chdir(source)
    monkeypatch.delenv("BENTO_PATH", raising=False)


@pytest.mark.usefixtures("bento")
def test_a_local_rollback_tells_from_where_to_where_and_keeps_it(
    home: Path, tags: list[str]
) -> None:
    there = facts("rollback", "iris", "--local", "--reason", "odd answers")
    kept = LocalRollbacks.at(home).read()["iris"]
    back = facts("rollback", "iris", "--local", "--to", tags[1][:-4])

    assert there == {"use_case": "iris", "to_tag": tags[0], "from_tag": tags[1]}
    assert (kept.tag, kept.pin, kept.actor) == (tags[0], tags[1], "grace")
    assert kept.reason == "odd answers"
    assert back == {"use_case": "iris", "to_tag": tags[1], "from_tag": tags[0]}
    assert len(facts("history")) == 1, "the ledger is not asked"


@pytest.mark.usefixtures("bento")
def test_a_local_rollback_of_what_the_bento_does_not_hold_is_refused(
    home: Path,
) -> None:
    assert refused("rollback", "spam", "--local", "--json") == (
        "spam has no earlier production version"
    )
    assert LocalRollbacks.at(home).read() == {}


@pytest.mark.usefixtures("bento")
def test_verify_names_a_local_rollback_until_the_ledger_has_it(
    home: Path, tags: list[str]
) -> None:
    done("promote", "iris", tags[1])
    told = done("rollback", "iris", "--local", "--reason", "odd answers")

    assert told.splitlines()[-1].endswith(f"ekiben rollback iris --to {tags[0]}")
    fault = refused("verify")
    assert fault.startswith(f"{tags[0]} answers iris on this host (local rollback by ")
    assert ": odd answers), the ledger has " in fault
    done("rollback", "iris", "--to", tags[0])
    assert "are sound" in done("verify")


def test_servers_that_follow_are_ordered_back_where_there_is_no_bento(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.delenv("BENTO_PATH", raising=False)

    told = done("rollback", "iris", "--local", "--reason", "odd answers")

    order = LocalRollbacks.at(home).read()["iris"]
    assert "that follow the ledger go back" in told
    assert (order.tag, order.pin, order.move) == (None, None, None)
    assert (order.actor, order.reason) == ("grace", "odd answers")
    assert len(facts("history")) == 1, "the ledger is not asked"
    monkeypatch.setenv("EKIBEN_RELEASES", "pinned")
    assert "no Bento here" in refused("rollback", "iris", "--local")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["promote", "iris", "zz"], "no model 'iris:zz'", id="unknown"),
        pytest.param(["promote", "iris", "latest"], "no model", id="latest"),
        pytest.param(
            ["promote", "iris", "x", "--force"], "--force needs a --reason", id="force"
        ),
        pytest.param(["rollback", "spam"], "no earlier production", id="no-ledger-yet"),
        pytest.param(["show", "iris:zz"], "no model 'iris:zz'", id="show"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    home: Path, arguments: list[str], told: str
) -> None:
    assert told in refused(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["promote", "tea", "x"], id="promote"),
        pytest.param(["rollback", "tea"], id="rollback"),
        pytest.param(["history", "tea"], id="history"),
        pytest.param(["models", "tea"], id="models"),
        pytest.param(["show", "tea:x"], id="show"),
        pytest.param(["history", "--at", "yesterday"], id="no-time"),
        pytest.param(["prune", "--keep", "0"], id="keep-none"),
        pytest.param(["brew"], id="no-command"),
    ],
)
def test_wrong_usage_is_told_as_such(home: Path, arguments: list[str]) -> None:
    assert runner.invoke(app, arguments).exit_code == 2


def test_history_tells_what_was_live_then(home: Path, tags: list[str]) -> None:
    before = datetime.now(UTC) - timedelta(seconds=0.001)
    event = facts("promote", "iris", tags[1])
    later = datetime.fromisoformat(event["effective"])

    def live(at: datetime) -> str:
        found: str = facts("history", "iris", "--at", at.isoformat())["iris"]["tag"]
        return found

    assert live(before) == tags[0]
    assert live(later - timedelta(milliseconds=1)) == tags[0]
    assert live(later) == tags[1]
    assert facts("history", "--at", "2020-01-01") == {"iris": None}
    assert tags[1] in done("history", "--at", later.isoformat())


def test_tables_name_everything(home: Path, tags: list[str]) -> None:
    done("promote", "iris", tags[1], "--reason", "[red]not a colour[/red]")

    history, models = done("history"), done("models", "iris")

    assert "[red]not a colour[/red]" in history
    for tag in tags:
        assert tag in models
    assert "production" in models
    assert "previous" in models
    aliases = {one["tag"]: one["aliases"] for one in facts("models")}
    assert aliases == {tags[0]: ["previous"], tags[1]: ["production"], tags[2]: []}


def test_a_narrow_terminal_shows_every_tag_in_one_piece(
    home: Path, tags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")

    told = done("models", "iris")

    assert all(tag in told for tag in tags)


def test_a_card_is_shown_by_tag_or_prefix(home: Path, tags: list[str]) -> None:
    card = facts("show", tags[0])

    assert (card["tag"], card["aliases"]) == (tags[0], ["production"])
    assert card["digest"] in done("show", tags[0][:-4]).replace("\n", "")


def test_verify_is_content_with_what_nobody_changed(home: Path) -> None:
    assert "1 events and 3 versions are sound" in done("verify")
    assert facts("verify")["faults"] == []


def flip_a_byte(home: Path, tags: list[str]) -> None:
    path = home / "models" / tags[2].replace(":", "/") / "saved_model.pkl"
    content = bytearray(path.read_bytes())
    content[100] ^= 4
    path.write_bytes(content)


def edit_an_event(home: Path, tags: list[str]) -> None:
    with sqlite3.connect(home / "ekiben" / "ledger.db") as past:
        past.execute("DROP TRIGGER ledger_event_changed")
        past.execute("UPDATE ledger_event SET actor = 'eve'")


@pytest.mark.parametrize(
    ("tampering", "told"),
    [
        pytest.param(flip_a_byte, "saved_model.pkl has another sha256", id="model"),
        pytest.param(edit_an_event, "ledger event 1 was changed", id="ledger"),
    ],
)
def test_verify_names_what_was_tampered_with(
    home: Path,
    tags: list[str],
    tampering: Callable[[Path, list[str]], None],
    told: str,
) -> None:
    tampering(home, tags)

    assert told in refused("verify")
    result = runner.invoke(app, ["verify", "--json"])
    assert told in json.loads(result.stdout)["faults"][0]


def test_prune_tells_what_goes_and_removes_it(home: Path, tags: list[str]) -> None:
    done("promote", "iris", tags[2])

    assert facts("prune", "--keep", "1", "--dry-run")["tags"] == [tags[1]]
    assert done("prune", "iris", "--keep", "1") == f"{tags[1]} removed\n"
    assert Store.at(home).tags("iris") == [tags[0], tags[2]]
    assert done("prune") == "nothing to remove\n"


def test_prune_leaves_a_version_by_which_logged_rows_were_answered(
    home: Path, tags: list[str]
) -> None:
    done("promote", "iris", tags[2])
    with PredictionStore.opened(Settings(home=home).log_url) as log:
        write(log, [logged(tags[1], {}, {}, datetime.now(UTC))])

    assert done("prune", "--keep", "1") == "nothing to remove\n"

    with PredictionStore.opened(Settings(home=home).log_url) as log:
        log.prune("iris", before=datetime.now(UTC))
    assert done("prune", "--keep", "1") == f"{tags[1]} removed\n"


def test_a_rollback_imports_nothing_that_takes_long(home: Path) -> None:
    program = (
        "import sys, contextlib; from ekiben.cli import app\n"
        "with contextlib.suppress(BaseException): app(['rollback', 'iris'])\n"
        "slow = {'bentoml', 'pandas', 'sklearn', 'lightgbm', 'scipy', 'alembic'}\n"
        "print(sorted(slow & sys.modules.keys()))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout == "[]\n"


def test_the_process_exits_with_1_and_one_line(home: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "ekiben", "rollback", "iris"],
        cwd=PROJECT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    assert ran.stderr == "ekiben: iris has no earlier production version\n"
