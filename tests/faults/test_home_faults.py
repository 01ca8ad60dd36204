"""C-47: a home that is read-only, full, gone or another's: answers from memory, nothing moves."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.criteria_plugin import Figure
from tests.faults.iris_home import (
    QUICK,
    IrisHome,
    Traffic,
    cut_off,
    refused,
    tag_of,
    until,
)
from tests.servers import serve

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]

OWN = ("models", "ekiben")
"""What of a home is ours; beside it BentoML keeps its metrics and its logs."""


def mount(*words: str) -> None:
    """Mount, or skip where that is not allowed; never in CI."""
    done = subprocess.run(
        ["mount", *words], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return
    reason = f"file systems cannot be mounted here: {done.stderr.strip()}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def unmount(path: Path) -> None:
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> IrisHome:
    made = IrisHome.make(tmp_path_factory.mktemp("home-faults"))
    made.promote_first()
    return made


@pytest.fixture
def home(made: IrisHome, tmp_path: Path) -> IrisHome:
    """A copy that a test may spoil."""
    path = tmp_path / "home"
    shutil.copytree(made.path, path)
    return IrisHome(path, made.first, made.second)


@contextmanager
def read_only(home: IrisHome) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name in OWN:
            path, aside = home.path / name, home.path.parent / f"aside-{name}"
            aside.mkdir(exist_ok=True)
            # Made read-only where nobody writes, and only then put into its place.
            mount("--bind", str(path), str(aside))
            stack.callback(unmount, aside)
            mount("-o", "remount,bind,ro", str(aside))
            mount("--bind", str(aside), str(path))
            stack.callback(unmount, path)
        yield


@contextmanager
def gone(home: IrisHome) -> Iterator[None]:
    away = home.path.parent / "away"
    away.mkdir()
    for name in OWN:
        (home.path / name).rename(away / name)
    try:
        yield
    finally:
        for name in OWN:
            shutil.rmtree(home.path / name, ignore_errors=True)
            (away / name).rename(home.path / name)


@contextmanager
def full(home: IrisHome) -> Iterator[None]:
    filler = home.path / "ekiben" / "filler"
    # Without a buffer: what it still held would fail again when the file is closed.
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def small_disk(home: IrisHome) -> Iterator[None]:
    """Put our part of the home onto a disk of its own, with little room to spare."""
    path = home.path / "ekiben"
    kept = home.path.parent / "kept"
    shutil.copytree(path, kept)
    mount("-t", "tmpfs", "-o", "size=2m", "none", str(path))
    try:
        shutil.copytree(kept, path, dirs_exist_ok=True)
        yield
    finally:
        unmount(path)


Fault = Callable[[IrisHome], AbstractContextManager[None]]


def unchanged(home: IrisHome) -> None:
    assert home.events() == 1


@pytest.mark.parametrize(
    ("fault", "disk", "told"),
    [
        pytest.param(
            read_only, contextlib.nullcontext, "cannot be locked", id="read-only"
        ),
        pytest.param(full, small_disk, "", id="full-disk"),
        pytest.param(gone, contextlib.nullcontext, "no model", id="missing"),
    ],
)
def test_c47_a_home_that_fails_costs_no_prediction_and_moves_nothing(
    home: IrisHome, fault: Fault, disk: Fault, told: str, figure: Figure
) -> None:
    # On a full disk the prediction log lets go of the few blocks that the ledger needs.
    log = {"EKIBEN_LOG": "off"} if fault is full else {}
    with (
        disk(home),
        serve(home.path, extra=QUICK | log) as server,
        Traffic(server) as traffic,
    ):
        with fault(home):
            refused(home.run("promote", "iris", home.second), told)
            assert tag_of(server) == home.first
            assert httpx.get(f"{server.url}/readyz").status_code == 200
        unchanged(home)
        until(lambda: not cut_off(server), 20)
        home.promote_unasked(home.second)
        until(lambda: tag_of(server) == home.second, 60)
    traffic.note(figure)


def test_c47_on_a_read_only_home_a_server_starts_says_so_and_recovers(
    home: IrisHome,
) -> None:
    """SQLite cannot open its write-ahead log there: the ledger is out of reach."""
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(contextlib.ExitStack())
        kept.enter_context(read_only(home))
        server = stack.enter_context(serve(home.path, extra=QUICK, ready=False))
        until(lambda: "unavailable" in httpx.get(f"{server.url}/readyz").text, 30)
        kept.close()
        until(lambda: httpx.get(f"{server.url}/readyz").status_code == 200, 60)
        assert tag_of(server) == home.first


def test_c47_a_server_without_a_home_says_what_it_misses(
    home: IrisHome, tmp_path: Path
) -> None:
    empty = IrisHome(tmp_path / "empty", home.first, home.second)
    empty.path.mkdir()
    with serve(empty.path, extra=QUICK, ready=False) as server:
        until(lambda: "iris: " in httpx.get(f"{server.url}/readyz").text, 60)
        answer = httpx.get(f"{server.url}/readyz")
        assert answer.status_code == 503
        assert httpx.get(f"{server.url}/livez").status_code == 200
        refused(empty.run("promote", "iris", empty.first), "no model")
