"""Authentication may be off only where nobody else can reach the server."""

import errno
import os
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import click
import pytest

from ekiben.errors import InvalidSettings
from ekiben.serving.binding import auth_required, bound_host, check_place_of_keys
from ekiben.settings import Settings

CONTAINER = {"BENTOML_CONTAINERIZED": "true"}


@pytest.mark.parametrize(
    ("auth", "host", "environ", "required"),
    [
        (None, "127.0.0.1", {}, False),
        (None, "127.0.0.2", {}, False),
        (None, "::1", {}, False),
        (None, "0.0.0.0", {}, True),
        (None, "10.0.0.1", {}, True),
        (None, "::", {}, True),
        (None, None, {}, True),
        (None, "127.0.0.1", CONTAINER, True),
        ("off", "127.0.0.1", {}, False),
        ("off", None, {}, False),
        ("required", "127.0.0.1", {}, True),
    ],
)
def test_keys_are_asked_for_unless_only_this_machine_can_reach_the_server(
    auth: Literal["off", "required"] | None,
    host: str | None,
    environ: dict[str, str],
    required: bool,
) -> None:
    assert auth_required(Settings(auth=auth), host, environ) is required


@pytest.mark.parametrize(
    ("host", "environ"),
    [("0.0.0.0", {}), ("192.0.2.1", {}), ("::", {}), ("127.0.0.1", CONTAINER)],
)
def test_off_is_refused_elsewhere_in_one_line(
    host: str, environ: dict[str, str]
) -> None:
    with pytest.raises(InvalidSettings, match="EKIBEN_AUTH") as refused:
        auth_required(Settings(auth="off"), host, environ)
    assert "\n" not in str(refused.value)


def host_within(**params: Any) -> str | None:
    with click.Context(click.Command("serve")) as context:
        context.params = params
        return bound_host()


def test_the_command_that_will_bind_says_where() -> None:
    assert host_within(host="10.1.2.3", port=3000) == "10.1.2.3"
    assert host_within(host=None, port=3000) == "0.0.0.0"
    assert host_within(tag="iris:a") is None
    assert bound_host() is None


def test_a_worker_asks_its_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert host_within(fd=listening.fileno()) == "127.0.0.1"
        assert listening.fileno() != -1
    assert host_within(fd=9999) is None


def source_of(module: str) -> str:
    # Not imported: BentoML's command reads a configuration that other tests have changed.
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text()


def test_bentoml_still_tells_by_these_names() -> None:
    assert '"--fd",\n    type=click.INT' in source_of("_bentoml_impl.worker.service")
    command = source_of("bentoml_cli.serve")
    assert "        port: int,\n        host: str,\n" in command
    assert 'envvar="BENTOML_HOST"' in command


def test_a_table_of_keys_needs_a_place(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (tmp_path / "ekiben").write_text("in the way")

    with pytest.raises(InvalidSettings, match="EKIBEN_DATABASE_URL") as refused:
        check_place_of_keys(settings)
    assert "\n" not in str(refused.value)
    elsewhere = settings.model_copy(update={"database_url": "postgresql://elsewhere"})
    check_place_of_keys(elsewhere)


def test_a_table_of_keys_that_can_be_made_or_is_there_has_one(tmp_path: Path) -> None:
    check_place_of_keys(Settings(home=tmp_path))
    assert list((tmp_path / "ekiben").iterdir()) == []
    (tmp_path / "ekiben" / "ledger.db").touch()
    check_place_of_keys(Settings(home=tmp_path))


@pytest.mark.parametrize(
    ("number", "ends"),
    [(errno.EROFS, True), (errno.EACCES, True), (errno.ENOSPC, False)],
)
def test_what_passes_by_itself_ends_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, ends: bool
) -> None:
    def fail(**_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tempfile.TemporaryFile", fail)

    if ends:
        with pytest.raises(InvalidSettings, match=os.strerror(number)):
            check_place_of_keys(Settings(home=tmp_path))
    else:
        check_place_of_keys(Settings(home=tmp_path))
