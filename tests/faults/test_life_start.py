"""C-70, C-69: what cannot be served ends in one line; what runs short refuses and lives."""

import contextlib
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.faults.conftest import PATCHED
from tests.faults.iris_home import QUICK, IrisHome, tag_of
from tests.faults.lives import FLOWERS, until
from tests.faults.traffic import IRIS
from tests.servers import (
    PROJECT,
    Server,
    environment,
    free_port,
    serve,
    wait_until_up,
)

pytestmark = pytest.mark.server

SECONDS = 15.0
"""Of processor time: on a busy machine the clock on the wall says little."""
PATIENCE = 120.0

BROKEN = """
from ekiben.serving.bento_service import EkibenService

def broken(self, is_main=True):
    raise RuntimeError("no application today")

EkibenService.to_asgi = broken
from service import Ekiben
"""


def start(
    home: Path, extra: dict[str, str], port: int, target: str, cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Start a server that is to fail; return what came of it."""
    command = [sys.executable, "-m", "bentoml", "serve", target]
    return subprocess.run(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=cwd,
        env=environment(home, FLOWERS | extra),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def a_wrong_setting(home: Path, port: int) -> Iterator[dict[str, str]]:
    yield {"EKIBEN_ROWS_IN_FLIGHT": "many"}


@contextmanager
def a_use_case_that_is_not_there(home: Path, port: int) -> Iterator[dict[str, str]]:
    yield {"EKIBEN_MODELS": "weather"}


@contextmanager
def a_wrong_database(home: Path, port: int) -> Iterator[dict[str, str]]:
    yield {"EKIBEN_DATABASE_URL": "mysql://ada:s3cret@db/ledger"}


@contextmanager
def a_run_directory_that_is_a_file(home: Path, port: int) -> Iterator[dict[str, str]]:
    (home / "a-file").touch()
    yield {"EKIBEN_RUN_DIR": str(home / "a-file")}


@contextmanager
def a_port_that_is_taken(home: Path, port: int) -> Iterator[dict[str, str]]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        yield {}


@contextmanager
def a_ledger_of_a_later_version(home: Path, port: int) -> Iterator[dict[str, str]]:
    database = sqlite3.connect(home / "ekiben" / "ledger.db")
    database.execute("update alembic_version set version_num = '9999'")
    database.commit()
    database.close()
    yield {}


@contextmanager
def models_that_are_missing(home: Path, port: int) -> Iterator[dict[str, str]]:
    (home / "models").unlink()
    yield {}


@contextmanager
def no_place_for_keys(home: Path, port: int) -> Iterator[dict[str, str]]:
    shutil.rmtree(home / "ekiben")
    (home / "ekiben").write_text("in the way")
    yield {"EKIBEN_AUTH": "required", "EKIBEN_KEY_PEPPER": "s3cret" * 8}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param(a_wrong_setting, "ekiben: EKIBEN_ROWS_IN_FLIGHT: ", id="setting"),
        pytest.param(
            a_use_case_that_is_not_there,
            "ekiben: EKIBEN_MODELS: no use case weather",
            id="use-case",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            a_wrong_database,
            "ekiben: EKIBEN_DATABASE_URL: ",
            id="database",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            a_run_directory_that_is_a_file,
            "ekiben: EKIBEN_RUN_DIR: ",
            id="run-dir",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            no_place_for_keys, "ekiben: EKIBEN_DATABASE_URL: is not set, and", id="keys"
        ),
        pytest.param(a_port_that_is_taken, "ekiben: cannot listen on", id="port"),
        pytest.param(a_ledger_of_a_later_version, "a newer Ekiben", id="ledger"),
        pytest.param(
            models_that_are_missing,
            "could not be found",
            id="models",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_c70_what_cannot_be_served_ends_in_one_line(
    home: Path,
    tmp_path: Path,
    wrong: Callable[[Path, int], AbstractContextManager[dict[str, str]]],
    said: str,
) -> None:
    (tmp_path / "models").symlink_to(home / "models")
    shutil.copytree(home / "ekiben", tmp_path / "ekiben")
    port = free_port()
    used = cpu_of_children()

    with wrong(tmp_path, port) as extra:
        done = start(tmp_path, extra, port, "service:Ekiben", PROJECT)

    assert done.returncode not in (0, None)
    (line,) = [one for one in done.stderr.splitlines() if one.strip()]
    assert said in line
    assert "s3cret" not in line
    assert "Traceback" not in done.stderr + done.stdout
    assert cpu_of_children() - used < SECONDS


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_c70_a_worker_that_cannot_start_ends_the_server(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken_service.py").write_text(BROKEN)

    done = start(
        home,
        {"PYTHONPATH": str(PROJECT)},
        free_port(),
        "broken_service:Ekiben",
        tmp_path,
    )

    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "ekiben: a worker could not start (exit code 1)"
    )


@pytest.mark.slow
def test_c70_without_our_supervisor_circus_starts_it_for_ever(
    home: Path, tmp_path: Path
) -> None:
    undone = BROKEN + "\nEkiben.inner.look_after_workers = staticmethod(lambda: None)\n"
    (tmp_path / "broken_service.py").write_text(undone)
    where = {"PYTHONPATH": str(PROJECT)}

    with pytest.raises(subprocess.TimeoutExpired):
        start(home, where, free_port(), "broken_service:Ekiben", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "value"),
    [
        pytest.param(resource.RLIMIT_NOFILE, 64, id="files"),
        pytest.param(resource.RLIMIT_AS, 2**31 + 2**29, id="memory"),
    ],
)
def test_c69_a_server_that_runs_short_answers_right_or_refuses_and_recovers(
    home: Path, limit: int, value: int
) -> None:
    with serve(home, extra=FLOWERS) as server:
        (worker,) = server.workers()
        resource.prlimit(worker, limit, (value, value))
        port = int(server.url.rpartition(":")[2])
        doors = []
        for _ in range(80):
            door = socket.create_connection(("127.0.0.1", port))
            door.sendall(b"POST /v1/iris/predict HTTP/1.1\r\nHost: x\r\n")
            doors.append(door)
        statuses = set()
        for _ in range(20):
            try:
                found = httpx.post(
                    f"{server.url}/v1/iris/predict",
                    json={"rows": [IRIS] * 500},
                    timeout=2,
                )
            except httpx.TransportError:
                continue
            statuses.add(found.status_code)
        for door in doors:
            door.close()

        wait_until_up(server, "/readyz")
        after = httpx.post(f"{server.url}/v1/iris/predict", json={"rows": [IRIS]})

    assert statuses <= {200, 503}
    assert after.status_code == 200


def test_c69_without_threads_to_be_had_it_answers_or_refuses_and_recovers(
    tmp_path: Path,
) -> None:
    home, none_left = IrisHome.make(tmp_path / "home"), tmp_path / "none-left"
    home.promote_first()
    extra = QUICK | {"FAULT": "no-threads", "NO_THREADS": str(none_left)}
    with serve(home.path, target=PATCHED, extra=extra) as server:
        workers = server.workers()
        none_left.touch()
        predicted = [predict(server, rows) for rows in (1, 1000, 1, 1000)]
        item = {"prediction_id": predicted[0].json()[0]["prediction_id"]}
        items = {"items": [item | {"label": "setosa"}]}
        told = httpx.post(f"{server.url}/v1/iris/feedback", json=items)
        asked = [httpx.get(server.url + path) for path in READS]
        measured = httpx.get(f"{server.url}/metrics")
        home.promote_unasked(home.second)
        until(lambda: "trial stopped" in server.output.read_text(), 60)
        still = tag_of(server)
        none_left.unlink()
        until(lambda: tag_of(server) == home.second, 60)
        told_later = httpx.post(f"{server.url}/v1/iris/feedback", json=items)
        assert server.workers() == workers

    assert [one.status_code for one in predicted] == [200] * 4
    assert {one.status_code for one in asked} == {200}
    # BentoML answers them from a thread.
    assert measured.status_code in (200, 503)
    assert (told.status_code, told.json()["code"]) == (503, "overloaded")
    assert told.headers["retry-after"] == "1"
    assert still == home.first
    assert told_later.status_code == 202


READS = (
    *("/livez", "/readyz", "/v1/models", "/v1/models/iris", "/docs"),
    *("/v1/models/iris/performance", "/v1/models/iris/params", "/openapi.json"),
)


def predict(server: Server, rows: int) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/iris/predict", json={"rows": [IRIS] * rows})


@pytest.mark.slow
@pytest.mark.parametrize("where", ["EKIBEN_RUN_DIR", "TMPDIR"])
def test_c69_a_full_run_directory_or_tmp_kills_no_worker(
    home: Path, where: str
) -> None:
    small = Path(tempfile.mkdtemp(prefix="small-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(small)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        assert os.environ.get("CI") != "true", mounted.stderr
        pytest.skip("no right to mount a tmpfs")
    try:
        with serve(home, extra=FLOWERS | {where: str(small)}) as server:
            (before,) = server.workers()
            with contextlib.suppress(OSError), (small / "filler").open("wb") as filler:
                while True:
                    filler.write(b"x" * 65536)
                    filler.flush()
            for use in range(20):
                found = httpx.get(f"{server.url}/v1/models/none-{use}", timeout=10)
                assert found.status_code == 404
            answer = httpx.post(f"{server.url}/v1/iris/predict", json={"rows": [IRIS]})
            assert answer.status_code == 200
            assert server.workers() == [before]
            os.kill(before, signal.SIGKILL)
            (small / "filler").unlink()
            until(lambda: bool(set(server.workers()) - {before}), 30)
            wait_until_up(server, "/readyz")
            assert predict(server, 1).status_code == 200
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
        small.rmdir()
