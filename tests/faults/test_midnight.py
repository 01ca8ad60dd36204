"""C-63 at midnight: no day, zone or changed clock puts a row elsewhere, twice or nowhere.

Zones are given in POSIX's form, which needs no table of zones on the machine.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet
import pytest

from ekiben.access.database import KeyDatabase
from ekiben.access.pepper import pepper_of
from ekiben.monitoring.records import EPOCH, Logged
from ekiben.monitoring.store import PredictionStore
from ekiben.predictor import load_predictor
from ekiben.registry.store import Store
from ekiben.settings import Settings
from tests.access import made
from tests.criteria_plugin import Figure
from tests.faults.clocks import stopped_at, time_of, with_a_clock
from tests.faults.iris_home import IRIS, QUICK, IrisHome, until
from tests.faults.log_home import TWO_WORKERS
from tests.faults.test_prediction_log import FLOWERS, settled
from tests.oracle import Verdict, Witness, judge
from tests.servers import PROJECT, Server, environment

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(1800)]

HAVANA = "CST5CDT,M3.2.0/0,M11.1.0/1"
"""Clocks go back from one o'clock to midnight: that day has two midnights."""
CHATHAM = "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45"
BEFORE = timedelta(seconds=15)
"""How long before the moment the server's clock is set; more on a busy machine harms nothing."""
PATIENCE = 120.0
QUOTA = 20
ASKED = 20
"""So many answers in a row come from both workers."""


def next_midnight() -> datetime:
    """The end of a day in UTC, not of this one."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=2)


def next_change_in_havana() -> datetime:
    """The moment when it is midnight there again: on the first Sunday of a November."""
    year = datetime.now(UTC).year + 1
    first = datetime(year, 11, 1, 5, tzinfo=UTC)
    return first + timedelta(days=(6 - first.weekday()) % 7)


@pytest.fixture(scope="module")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> IrisHome:
    home = IrisHome.make(tmp_path_factory.mktemp("midnight"))
    home.promote_first()
    return home


@pytest.fixture
def home(made_home: IrisHome) -> Iterator[IrisHome]:
    """The home, without what a test logged."""
    yield made_home
    for file in (made_home.path / "ekiben").glob("predictions.db*"):
        file.unlink()


def set_to(server: Server, clock: Path, moment: datetime) -> None:
    """Let it be *moment* for the server, some seconds ago at most."""
    clock.write_text(f"{(moment - datetime.now(UTC)).total_seconds():+.0f}\n")
    # Each worker looks at the clock's file by itself, and any of them may answer.
    until(
        lambda: all(
            abs((time_of(server) - moment).total_seconds()) < 60 for _ in range(ASKED)
        ),
        PATIENCE,
    )


def log_url(home: IrisHome) -> str:
    return f"sqlite:///{home.path}/ekiben/predictions.db"


def records(home: IrisHome, since: datetime, until: datetime) -> list[Logged]:
    with PredictionStore.opened(log_url(home)) as log:
        return [one for one, _ in log.read("iris", since=since, until=until)]


def verdict(home: IrisHome, witness: Witness, logged: list[Logged]) -> Verdict:
    predictor = load_predictor(Store.at(home.path), IRIS, home.first)
    return judge(witness.sent, logged, lambda tag: predictor)


def command(
    home: IrisHome, library: Path, now: datetime, *words: str, **settings: str
) -> Any:
    """Run a command at the moment *now*; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "ekiben", *words, "--json"],
        cwd=PROJECT,
        env=environment(home.path, {**QUICK, **stopped_at(library, now), **settings}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        pytest.param(CHATHAM, next_midnight(), id="the-day-ends-in-UTC"),
        pytest.param(HAVANA, next_change_in_havana(), id="midnight-comes-twice"),
    ],
)
def test_c63_every_row_of_a_midnight_is_once_in_the_log_and_on_one_side_of_it(
    zone: str,
    moment: datetime,
    home: IrisHome,
    library: Path,
    tmp_path: Path,
    figure: Figure,
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    with with_a_clock(home, library, clock, TZ=zone, **TWO_WORKERS) as server:
        set_to(server, clock, moment - BEFORE)
        with Witness(lambda: server.url, FLOWERS, pause=0.01) as witness:
            until(lambda: time_of(server) > moment + timedelta(seconds=3), PATIENCE)
        settled(server)

    far = moment + timedelta(days=400)
    before, after = records(home, EPOCH, moment), records(home, moment, far)
    found = verdict(home, witness, [*before, *after])
    assert found.sound, found
    assert found.answered == len(before) + len(after)
    assert len(before) > 20
    assert len(after) > 20
    figure("rows before and after midnight", len(before) + len(after))
    assert {one.at > moment - timedelta(minutes=2) for one in before} == {True}
    assert {one.at < moment + timedelta(minutes=2) for one in after} == {True}
    check_commands(home, library, zone, moment, (len(before), len(after)), tmp_path)


def check_commands(
    home: IrisHome,
    library: Path,
    zone: str,
    moment: datetime,
    rows: tuple[int, int],
    place: Path,
) -> None:
    """However the moment is written, and wherever it is read, it divides the same rows."""
    before, after = rows
    now = moment + timedelta(hours=6)
    elsewhere = moment.astimezone(timezone(timedelta(hours=13, minutes=45)))
    bare = moment.replace(tzinfo=None)
    for number, said in enumerate([elsewhere, bare]):
        file = place / f"{number}.parquet"
        told = ["export", "iris", str(file), "--since", said.isoformat()]
        command(home, library, now, *told, TZ=zone)
        assert pyarrow.parquet.read_metadata(file).num_rows == after
    drift = ["drift", "iris", "--since", "6h"]
    assert command(home, library, now, *drift, TZ=zone)["rows_answered"] == after
    # A day later, to the second, what was before midnight is past its day.
    late = moment + timedelta(days=1)
    day = {"TZ": zone, "EKIBEN_LOG_DAYS": "1"}
    assert command(home, library, late, "prune", **day)["predictions"] == {
        "iris": before
    }
    assert len(records(home, EPOCH, late)) == after


def test_c63_rows_of_a_day_are_counted_by_the_day_in_utc_wherever_the_server_is(
    home: IrisHome, library: Path, tmp_path: Path
) -> None:
    """In Chatham the day ends at 10:15 UTC in summer and 11:15 in winter: nothing happens then."""
    midnight, clock = next_midnight(), tmp_path / "clock"
    clock.write_text("+0\n")
    settings = {"EKIBEN_AUTH": "required", "EKIBEN_ROWS_PER_DAY": str(QUOTA)}
    with (
        with_a_clock(home, library, clock, TZ=CHATHAM, **settings) as server,
        asking(home, server) as client,
    ):
        set_to(server, clock, midnight - timedelta(hours=14))
        assert ask(client, QUOTA).status_code == 200
        for hours in (14, 12.5, 1):
            set_to(server, clock, midnight - timedelta(hours=hours))
            refusal = ask(client, 1)
            assert refusal.status_code == 429
            assert refusal.json()["code"] == "rate_limited"
            wait = float(refusal.headers["retry-after"])
            assert abs(wait - hours * 3600) < 60
        set_to(server, clock, midnight + timedelta(seconds=1))
        assert ask(client, QUOTA).status_code == 200
        assert ask(client, 1).status_code == 429


@contextmanager
def asking(home: IrisHome, server: Server) -> Iterator[httpx.Client]:
    """Give a client with a key that the server knows by now, and that lives for days."""
    settings = Settings(home=home.path)
    with KeyDatabase.opened(settings.ledger_url) as keys:
        now, pepper = datetime.now(UTC), pepper_of(settings)
        key, secret = made("predict", now=now, life=timedelta(days=9), pepper=pepper)
        keys.add(key)
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
        until(lambda: client.get("/v1/models").status_code != 401, PATIENCE)
        yield client


def ask(client: httpx.Client, rows: int) -> httpx.Response:
    return client.post("/v1/iris/predict", json={"rows": IRIS.examples[:1] * rows})
