"""For a process that a server starts beside itself: to end with it, and before it where memory ends."""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""From <sys/prctl.h>."""


def die_with(parent: int) -> None:
    """Let the kernel end this process with the thread of *parent* that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def die_first() -> None:
    """Let the kernel end this process where memory runs out, and not the server.

    In a container of 512 MiB a server and what it starts beside itself may not find room
    together, and the kernel would take the largest.
    """
    with suppress(OSError):  # not on this system
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
