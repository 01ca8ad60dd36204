"""`ekiben keys`: what is made, shown once, listed, rotated and revoked."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ekiben.access.database import KeyDatabase
from ekiben.access.keys import Keyring
from ekiben.access.pepper import pepper_of
from ekiben.cli import app
from ekiben.errors import KeyNotLive, PepperMissing, UnknownKey
from ekiben.settings import Settings

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("EKIBEN_DATABASE_URL", raising=False)

    def call(*arguments: str) -> Result:
        done = CliRunner().invoke(app, ["keys", *arguments])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return call


def facts(run: Run, *arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def opens(home: Path, secret: str) -> bool:
    settings = Settings(home=home)
    with KeyDatabase.opened(settings.ledger_url) as database:
        keyring = Keyring(database.read_all(), pepper_of(settings))
    return keyring.find(secret.encode(), datetime.now(UTC).timestamp()) is not None


def test_a_key_is_shown_once_and_opens(run: Run, tmp_path: Path) -> None:
    done = run("create", "--scope", "predict", "--use-case", "fraud", "--name", "shop")

    secret = done.stdout.strip()
    assert opens(tmp_path, secret)
    assert "predict on fraud" in done.stderr
    listed = run("list").stdout + json.dumps(facts(run, "list"))
    assert secret[-43:] not in listed
    assert "shop" in listed


def test_all_that_is_said_of_a_key_is_kept(run: Run) -> None:
    given = ("--scope", "read", "--scope", "predict", "--use-case", "iris")
    limits = ("--rate", "5/minute", "--rows-per-day", "1000", "--expires", "12h")

    created = facts(run, "create", *given, *limits)

    (listed,) = facts(run, "list")
    assert {**listed, "key": created["key"]} == {**created, "last_used": None}
    assert listed["scopes"] == ["predict", "read"]
    assert listed["use_cases"] == ["iris"]
    assert (listed["rate"], listed["rows_per_day"]) == ("5/minute", 1000)
    life = datetime.fromisoformat(listed["expires"]) - datetime.fromisoformat(
        listed["created"]
    )
    assert life == timedelta(hours=12)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="no-scope"),
        pytest.param(("--scope", "root"), id="unknown-scope"),
        pytest.param(("--scope", "read", "--use-case", "cats"), id="unknown-use-case"),
        pytest.param(("--scope", "read", "--expires", "soon"), id="no-duration"),
        pytest.param(("--scope", "read", "--rate", "5/hour"), id="no-rate"),
        pytest.param(("--scope", "read", "--rows-per-day", "0"), id="no-rows"),
    ],
)
def test_wrong_usage_exits_with_2_and_makes_nothing(
    run: Run, arguments: tuple[str, ...]
) -> None:
    assert run("create", *arguments).exit_code == 2
    assert facts(run, "list") == []


def test_a_key_without_end_is_made_on_request_only(run: Run) -> None:
    assert facts(run, "create", "--scope", "read")["expires"] is not None
    forever = facts(run, "create", "--scope", "read", "--expires", "never")
    assert forever["expires"] is None


def test_a_revoked_key_opens_nothing(run: Run, tmp_path: Path) -> None:
    created = facts(run, "create", "--scope", "read")

    assert "is revoked since" in run("revoke", created["id"]).stdout

    assert not opens(tmp_path, created["key"])
    assert facts(run, "list")[0]["state"] == "revoked"


def test_rotation_gives_two_live_keys_of_one_kind(run: Run, tmp_path: Path) -> None:
    given = ("--scope", "predict", "--use-case", "iris", "--rate", "5/second")
    old = facts(run, "create", *given)

    new = facts(run, "rotate", old["id"], "--overlap", "1h")

    assert opens(tmp_path, old["key"])
    assert opens(tmp_path, new["key"])
    for name in ("scopes", "use_cases", "rate", "name"):
        assert new[name] == old[name]
    assert new["replaces"]["id"] == old["id"]
    assert new["replaces"]["expires"] < old["expires"]


def test_a_revoked_key_is_not_rotated(run: Run) -> None:
    old = facts(run, "create", "--scope", "read")
    run("revoke", old["id"])

    with pytest.raises(KeyNotLive):
        run("rotate", old["id"])


def test_an_unknown_id_is_refused(run: Run) -> None:
    with pytest.raises(UnknownKey):
        run("revoke", "abc")


def test_postgresql_without_a_pepper_is_refused_before_it_is_asked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EKIBEN_DATABASE_URL", "postgresql://nobody@192.0.2.1/none")

    with pytest.raises(PepperMissing, match="EKIBEN_KEY_PEPPER"):
        run("create", "--scope", "read")
