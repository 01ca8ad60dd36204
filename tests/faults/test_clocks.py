"""C-58: clocks that jump or drift move no release out of order, and hang no request."""

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from ekiben.registry.database import LedgerDatabase
from ekiben.registry.events import LEAD
from ekiben.registry.ledger import production_at
from ekiben.registry.store import Store
from tests.criteria_plugin import Figure
from tests.faults.clocks import ahead, with_a_clock
from tests.faults.iris_home import IrisHome, Traffic, tag_of, until
from tests.servers import Server
from tests.tiny import promote_in

pytestmark = [
    pytest.mark.alone,
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

STEPS = ("-1h", "+1h", "-1s", "+0 x1.1")
OPERATORS = (timedelta(), timedelta(hours=-1), timedelta(hours=1))
"""How far the clock of whoever promotes is off."""
TAKEN_UP = 5.0
"""Seconds from a promotion to its effect: lead and poll take half of one."""
SLOWEST = 10.0
"""Seconds: a request that waits for a clock would wait until its 30 s are over."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> IrisHome:
    made = IrisHome.make(tmp_path_factory.mktemp("clocks"))
    made.promote_first()
    return made


def moved(home: IrisHome, server: Server, tag: str, off: timedelta) -> float:
    """Promote by a clock that is *off*; return the seconds until all answers are by *tag*."""
    with LedgerDatabase.opened(home.url) as database:
        digest = Store.at(home.path).verify(tag).digest
        event = promote_in(database, tag, digest, datetime.now(UTC) + off)
        assert event.sequence == database.head_sequence()
        production = database.verified().production("iris")
    assert production is not None
    assert production.tag == tag
    return until(lambda: tag_of(server) == tag, TAKEN_UP)


def durations(server: Server) -> list[float]:
    """Return every sum of a histogram of seconds that the server keeps."""
    text = httpx.get(f"{server.url}/metrics").text
    return [float(one) for one in re.findall(r"_seconds_sum(?:\{.*\})? (\S+)", text)]


def warmed(home: IrisHome, server: Server) -> None:
    """Let both versions be loaded: what follows measures clocks, not loading."""
    home.promote_unasked(home.second)
    until(lambda: tag_of(server) == home.second, 60)
    home.promote_unasked(home.first)
    until(lambda: tag_of(server) == home.first, 60)


def test_c58_a_clock_that_jumps_or_drifts_hangs_no_request_and_no_release(
    home: IrisHome, library: Path, tmp_path: Path, figure: Figure
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    taken = []
    with with_a_clock(home, library, clock) as server:
        warmed(home, server)
        with Traffic(server) as traffic:
            for step in STEPS:
                clock.write_text(f"{step}\n")
                time.sleep(2.5)  # the library looks at its file once a second
                if step.endswith("h"):
                    hours = timedelta(hours=int(step[:-1]))
                    assert abs(ahead(server) - hours.total_seconds()) < 60
                taken += [
                    moved(home, server, tag, off)
                    for off in OPERATORS
                    for tag in (home.second, home.first)
                ]
        sums = durations(server)

    assert sums
    assert min(sums) >= 0
    assert traffic.slowest < SLOWEST
    check_history(home)
    traffic.note(figure)
    figure("slowest move, s", max(taken))


def check_history(home: IrisHome) -> None:
    """The newest in effect counts, however the clocks of those before stood."""
    with LedgerDatabase.opened(home.url) as database:
        events = database.verified().events
    created = [event.created for event in events]
    assert created != sorted(created), "the clock was to be set back"
    assert all(event.effective - event.created == LEAD for event in events)
    later = max(event.effective for event in events)
    found = production_at(events, "iris", later)
    assert found is not None
    assert found.sequence == events[-1].sequence
