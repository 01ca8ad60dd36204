"""Loads one version in a process of its own, so that what crashes, hangs or eats memory harms nobody else.

`python -m ekiben.serving.probe` is what the process runs; `probe` starts it.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from ekiben.errors import EkibenError, ProbeStopped
from ekiben.predictor import load_predictor
from ekiben.registry.store import Store
from ekiben.serving.cost import Cost
from ekiben.serving.roster import Choice, warm_up
from ekiben.serving.tied import die_first, die_with
from ekiben.use_cases.catalog import get_use_case

NICE = 10
"""The server's own work goes first."""
PATIENCE = 4
SLICES = 6
PROGRESS = 0.02
"""What hangs computes nothing: a share of the clock's time, looked at SLICES times in the
seconds that it may take."""
NO_MEMORY = "it needs more memory than it may have"
SIGNS_OF_NO_MEMORY = (
    "MemoryError",
    "Cannot allocate memory",
    "failed to map segment from shared object",
)


@dataclass(frozen=True)
class Limits:
    """What a version may take to load: seconds, and bytes of address space."""

    seconds: float
    bytes: int


def probe(use_case: str, choice: Choice, store: Store, limits: Limits) -> str | None:
    """Load *choice* in a child process; return why it cannot be served, or None.

    Takes seconds; not for the event loop. The child and all that it starts are
    killed when the time is up: `limits.seconds` of processor time, and as much by the
    clock, or PATIENCE times that as long as a busy machine lets it compute at all.

    Raises:
        ProbeStopped: the child was asked to end, as all are when the server stops.
    """
    order = json.dumps(
        {
            "use_case": use_case,
            "tag": choice.tag,
            "digest": choice.digest,
            "models": str(store.models),
            "staging": str(store.staging),
            "bytes": limits.bytes,
            "seconds": limits.seconds,
            "parent": os.getpid(),
        }
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "ekiben.serving.probe", order],
        # The catalogue may lie in the service's folder.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Not a session: Linux shares processors out by session first, by niceness then.
        process_group=0,
    )
    said = _said(child, limits.seconds)
    if said is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        return f"it did not load within {limits.seconds:g} s"
    return _verdict(child.returncode, said)


def _said(child: "subprocess.Popen[bytes]", seconds: float) -> bytes | None:
    """Return what *child* printed, None when its time is up; see `probe`."""
    used, slice_ = 0.0, seconds / SLICES
    for turn in range(1, PATIENCE * SLICES + 1):
        try:
            return child.communicate(timeout=slice_)[0]
        except subprocess.TimeoutExpired:
            before, used = used, _computed(child.pid)
            if turn >= SLICES and used - before < slice_ * PROGRESS:
                return None
    return None


def _computed(pid: int) -> float:
    """Return the seconds of processor time of a child; of one that has just ended 0."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _verdict(code: int, said: bytes) -> str | None:
    if code == 0:
        return None
    if code == -signal.SIGTERM:
        raise ProbeStopped
    if code == 1 and said:
        return said.decode(errors="replace").strip()
    if code < 0:
        return f"loading it ended with {signal.Signals(-code).name}"
    return f"loading it ended with exit code {code}"


def short_of_memory(reason: str) -> bool:
    """Whether *reason* is what Python or the dynamic linker says where memory ran out."""
    return any(sign in reason for sign in SIGNS_OF_NO_MEMORY)


def main(order: str) -> int:
    """Do what *order* says, under its limits; say on standard output why not."""
    told = json.loads(order)
    die_with(told["parent"])
    die_first()
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (told["bytes"], told["bytes"]))
    seconds = int(told["seconds"]) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    store = Store(Path(told["models"]), Path(told["staging"]))
    try:
        use_case = get_use_case(told["use_case"])
        predictor = load_predictor(store, use_case, told["tag"], told["digest"])
        warm_up(predictor, Cost())
    except EkibenError as error:
        reason = str(error)
        if short_of_memory(reason):
            reason += f": {NO_MEMORY}"
    except MemoryError:
        reason = NO_MEMORY
    except Exception as error:
        reason = f"it raised {type(error).__name__}"
    else:
        return 0
    sys.stdout.write(reason)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
