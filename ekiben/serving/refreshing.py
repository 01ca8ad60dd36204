"""Which gauges a server refreshes beside its requests; `monitoring/refresh.py` says how."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ekiben.monitoring.refresh import Job, Lease, Refresher
from ekiben.serving.run_files import SERVER_VARIABLE


def make_refresher(
    jobs: Sequence[Job], environ: Mapping[str, str] = os.environ
) -> Refresher:
    """Return who does *jobs* in one worker of this process's server.

    A process that no supervisor started is the only one of its server.
    """
    named = environ.get(SERVER_VARIABLE)
    return Refresher(jobs, Lease(Path(named) / "refresh") if named else None)
