"""C-44: `kill -9` of `ekiben promote`, gates and all, at random moments: all of it or nothing."""

import random
import subprocess
import time
from pathlib import Path

import pytest

from ekiben import upkeep
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.ledger import Production
from ekiben.registry.store import Store
from tests.criteria_plugin import Figure
from tests.faults.iris_home import IrisHome

pytestmark = [pytest.mark.models, pytest.mark.timeout(3600)]


def standing(home: IrisHome) -> tuple[int, Production]:
    """Return how many events there are and what is production; all is sound."""
    store = Store.at(home.path)
    with LedgerDatabase.opened(home.url) as database:
        assert upkeep.verify(store, database, ["iris"]).faults == ()
        ledger = database.verified()
    production = ledger.production("iris")
    assert production is not None
    assert store.verify(production.tag).digest == production.digest
    return len(ledger.events), production


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(4, id="some"),
        pytest.param(
            200, id="all", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]
        ),
    ],
)
def test_c44_a_promotion_that_is_killed_is_whole_or_never_was(
    tmp_path: Path, kills: int, figure: Figure
) -> None:
    home = IrisHome.make(tmp_path)
    home.promote_first()
    chance = random.Random(44)
    started = time.monotonic()
    assert home.run("promote", "iris", home.second).returncode == 0
    whole = time.monotonic() - started
    killed = done = 0
    for number in range(kills):
        events, production = standing(home)
        other = home.first if production.tag == home.second else home.second
        started = time.monotonic()
        process = home.start("promote", "iris", other)
        try:
            # Every other one falls around the end, where the event is written.
            early = 0.1 if number % 2 else 0.8
            process.communicate(timeout=chance.uniform(early, 1.1) * whole)
            # How long a promotion takes depends on what else the machine does.
            whole = time.monotonic() - started
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1

        after, now = standing(home)
        moved = now.tag == other
        done += moved
        whole *= 0.97 if moved else 1.05
        assert moved or now == production
        assert after == events + moved
        assert moved or process.returncode != 0

    assert killed >= kills // 3
    again = home.run("promote", "iris", home.first, "--json")
    if again.returncode:
        assert "is production already" in again.stderr
    assert standing(home)[1].tag == home.first
    figure("promotions killed", f"{killed} of {kills}")
    figure("moved all the same", done)
