"""Keeps the gauges of drift fresh; what takes long is done by `drift_process.py`.

Nothing that computes is imported here, so that a server grows by nothing.
"""

import json
import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from ekiben.errors import DriftUnknown
from ekiben.monitoring.refresh import Job
from ekiben.registry.store import Store
from ekiben.serving import metrics
from ekiben.serving.room import memory_left
from ekiben.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 15.0
"""How soon after a promotion drift is told of the new version."""
FIRST_SECONDS = 60.0
"""A server that has just started has better things to do."""
MOST_SECONDS = 600.0
"""A computation that takes longer is ended."""
NEEDED = 200 * 2**20
NEEDED_EACH = 20 * 2**20
"""Bytes that the process takes, and for each use case more: 308 MB for five with 20,000
logged rows each. Where a container has less to give, the kernel would end a process of it,
and on some clusters all of them."""
LEVELS = {"none": 0, "watch": 1, "drifted": 2}
UNKNOWN = -1
"""No reference, or not enough rows."""

Versions = Callable[[], Mapping[str, str]]
Facts = Mapping[str, Any]


class DriftGauges:
    """What is computed every EKIBEN_DRIFT_SECONDS, and when another version answers."""

    def __init__(
        self,
        settings: Settings,
        store: Callable[[], Store],
        versions: Versions,
        *,
        compute: "Callable[[str], str] | None" = None,
        clock: Callable[[], float] = time.monotonic,
        left: Callable[[], int | None] = memory_left,
    ) -> None:
        self._settings = settings
        self._left = left
        self._store = store
        self._versions = versions
        self._compute = compute or run
        self._clock = clock
        self._due = clock() + min(FIRST_SECONDS, settings.drift_seconds)
        self._told: Mapping[str, str] = {}
        self._shown: dict[str, set[str]] = {}

    @property
    def job(self) -> Job:
        """What looks whether it is time."""
        return Job("drift", self.look, min(POLL_SECONDS, self._settings.drift_seconds))

    def look(self) -> None:
        """Compute what is due, and show it.

        Raises:
            DriftUnknown: nothing could be computed; the gauges say so.
        """
        versions, now = dict(self._versions()), self._clock()
        moved = bool(self._told) and versions != self._told
        if not versions or (now < self._due and not moved):
            return
        self._told = versions
        self._due = now + self._settings.drift_seconds
        try:
            found = self._computed(versions)
        except DriftUnknown:
            for name in versions:
                self._show_unknown(name)
            raise
        for facts in found:
            self.show(facts)

    def show(self, facts: Facts) -> None:
        """Set the gauges of one use case."""
        name = facts["use_case"]
        if "reason" in facts:
            log.warning("drift not computed", extra=dict(facts))
            self._show_unknown(name)
            return
        metrics.drift_verdict.labels(name).set(LEVELS.get(facts["verdict"], UNKNOWN))
        metrics.drift_rows.labels(name).set(facts["rows"])
        metrics.drift_time.labels(name).set(time.time())
        self._show_sizes(name, facts["psi"])
        if facts["verdict"] == "drifted":
            log.warning("drift", extra={"use_case": name, "words": facts["words"]})

    def _show_unknown(self, use_case: str) -> None:
        metrics.drift_verdict.labels(use_case).set(UNKNOWN)
        self._show_sizes(use_case, {})

    def _show_sizes(self, use_case: str, psi: Mapping[str, float | None]) -> None:
        """Set what is known; what was known before and is not now is not a number."""
        shown = self._shown.setdefault(use_case, set())
        shown.update(psi)
        for feature in shown:
            size = psi.get(feature)
            gauge = metrics.drift_psi.labels(use_case, feature)
            gauge.set(math.nan if size is None else size)

    def _check_room(self, versions: int) -> None:
        left, needed = self._left(), NEEDED + versions * NEEDED_EACH
        if left is not None and left < needed:
            raise DriftUnknown(
                f"the container has {left >> 20} MiB left, and it may take {needed >> 20}"
            )

    def _computed(self, versions: Mapping[str, str]) -> list[Facts]:
        self._check_room(len(versions))
        store = self._store()
        order = {
            "versions": dict(versions),
            "models": str(store.models),
            "staging": str(store.staging),
            "bytes": self._settings.probe_megabytes * 2**20,
            "parent": os.getpid(),
        }
        return [
            json.loads(one) for one in self._compute(json.dumps(order)).splitlines()
        ]


def run(order: str) -> str:
    """Return what the other process prints.

    Raises:
        DriftUnknown: it failed, or took too long and was ended.
    """
    environment = dict(os.environ)
    environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    child = subprocess.Popen(
        [sys.executable, "-m", "ekiben.serving.drift_process", order],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Not a session: Linux shares processors out by session first, by niceness then.
        process_group=0,
        text=True,
    )
    try:
        said, complaint = child.communicate(timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise DriftUnknown(f"it took over {MOST_SECONDS:g} s") from None
    if child.returncode < 0:
        ended = signal.Signals(-child.returncode).name
        raise DriftUnknown(f"it ended with {ended}")
    if child.returncode != 0:
        last = complaint.strip().splitlines()[-1:] or [f"exit {child.returncode}"]
        raise DriftUnknown(last[0])
    return said
