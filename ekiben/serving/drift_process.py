"""Computes drift in a process of its own, at the lowest priority, for a server's gauges.

`python -m ekiben.serving.drift_process ORDER` prints one line of JSON for each version.
"""

import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ekiben.errors import EkibenError
from ekiben.serving.tied import die_first, die_with

if TYPE_CHECKING:
    from ekiben.schemas.drift import Drift

LOWEST = 19


def main(order: str) -> None:
    """Do what *order* says: use case to tag, where the models are, and under which bounds."""
    told = json.loads(order)
    die_with(told["parent"])
    die_first()
    _give_way()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (told["bytes"], told["bytes"]))
    for facts in _computed(told):
        sys.stdout.write(json.dumps(facts) + "\n")


def _give_way() -> None:
    """Compute only while nobody else wants the processor."""
    os.nice(LOWEST)
    if sys.platform == "linux":
        # What is only nice keeps the processor for milliseconds after a request has come.
        with suppress(OSError):  # not in this container
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _computed(told: dict[str, Any]) -> Iterator[dict[str, object]]:
    # Imported at the lowest priority, too: that is most of the work.
    from ekiben.monitoring.drift import USUAL, Question, measure
    from ekiben.monitoring.store import PredictionStore
    from ekiben.registry.store import Store
    from ekiben.settings import Settings
    from ekiben.use_cases.catalog import get_use_case

    store = Store(Path(told["models"]), Path(told["staging"]))
    now = datetime.now(UTC)
    with PredictionStore.opened(Settings.from_env().log_url) as log:
        for name, tag in told["versions"].items():
            try:
                question = Question(get_use_case(name), tag, now - USUAL, now)
                yield _facts(measure(question, store=store, log=log))
            except EkibenError as error:
                yield {"use_case": name, "reason": str(error)}


def _facts(found: "Drift") -> dict[str, object]:
    parts = [*found.fields, *([found.prediction] if found.prediction else [])]
    return {
        "use_case": found.use_case,
        "verdict": found.verdict,
        "words": found.words,
        "rows": found.rows_answered,
        "psi": {one.name: one.psi for one in parts},
    }


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except EkibenError as refusal:
        sys.exit(f"ekiben: {refusal}")
