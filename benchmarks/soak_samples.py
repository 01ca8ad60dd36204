"""What a soak sees of the server while it runs: memory, descriptors, threads, metrics files."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

if TYPE_CHECKING:
    from benchmarks.soak_traffic import Traffic

MEBIBYTE = 1024 * 1024


@dataclass
class Samples:
    """One list per quantity, all of the same length; of all processes together."""

    seconds: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)
    metrics_lines: list[int] = field(default_factory=list)
    metrics_mib: list[float] = field(default_factory=list)


async def watch(samples: Samples, pid: int, traffic: "Traffic", every: float) -> None:
    """Take a sample *every* so many seconds, until cancelled."""
    async with httpx.AsyncClient(base_url=traffic.url, timeout=30) as client:
        while True:
            await asyncio.sleep(every)
            lines = len((await client.get("/metrics")).text.splitlines())
            samples.metrics_lines.append(lines)
            samples.metrics_mib.append(metrics_bytes(traffic.home) / MEBIBYTE)
            take(samples, pid, time.monotonic() - traffic.start)


def take(samples: Samples, pid: int, seconds: float) -> None:
    """Add one sample of the process *pid* and its workers."""
    memory, descriptors, threads, processes = 0, 0, 0, 0
    for one in workers(psutil.Process(pid)):
        try:
            with one.oneshot():
                memory += one.memory_info().rss
                descriptors += one.num_fds()
                threads += one.num_threads()
                processes += 1
        except psutil.Error:
            continue
    samples.seconds.append(seconds)
    samples.memory_mib.append(memory / MEBIBYTE)
    samples.descriptors.append(descriptors)
    samples.threads.append(threads)
    samples.processes.append(processes)


def metrics_bytes(home: Path) -> int:
    """Return the size of the files under *home* that hold the counts of each process."""
    sizes = 0
    for path in home.rglob("*_[0-9]*.db"):
        with contextlib.suppress(FileNotFoundError):
            sizes += path.stat().st_size
    return sizes


def workers(root: psutil.Process) -> list[psutil.Process]:
    """Return the server's first process and its workers.

    What a worker starts in its turn is the probe of a new version: it comes and goes.
    """
    return [root, *root.children()]
