"""A raw HTTP client for fault tests: cheap enough to overload a server from one processor."""

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.affinity import pinned, shares
from tests.servers import PROJECT, environment, free_port, stop

START_SECONDS = 120.0


@dataclass(frozen=True)
class StubServer:
    """A running stub server."""

    port: int
    process: "subprocess.Popen[bytes]"

    def metric(self, name: str) -> float:
        """Return the sum of a metric's samples; *name* may hold labels."""
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=30).text
        labels = "" if "{" in name else r"(?:\{[^}]*\})?"
        pattern = rf"^{re.escape(name)}{labels} (\S+)$"
        return sum(float(one) for one in re.findall(pattern, text, re.MULTILINE))

    def file_descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def cpu_seconds(self) -> float:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        user, system = stat.split()[11:13]
        return (int(user) + int(system)) / 100


@contextlib.contextmanager
def stub_server(home: Path, **stub: Any) -> Iterator[StubServer]:
    """Run a stub server on a processor of its own; this process keeps to the other."""
    server_cpus, client_cpus = shares()
    port = free_port()
    with pinned(server_cpus):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.faults.stub_server"),
                *(str(port), json.dumps(stub)),
            ],
            cwd=PROJECT,
            env=environment(home),
            start_new_session=True,
        )
    try:
        wait(port, process)
        with pinned(client_cpus):
            yield StubServer(port, process)
    finally:
        stop(process)


def wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "the stub server ended"
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/livez", timeout=2).is_success:
                return
        time.sleep(0.1)
    raise AssertionError("the stub server did not start")


@dataclass
class Reply:
    """What came back, and the seconds it took."""

    status: int
    headers: dict[str, str]
    body: Any
    seconds: float


def flower(number: float, width: float = 3.0) -> dict[str, float]:
    """Make a row that the stub echoes as *number*, in (0, 30]."""
    return {
        "sepal_length": number,
        "sepal_width": width,
        "petal_length": 1.0,
        "petal_width": 1.0,
    }


def request_bytes(rows: list[dict[str, float]], **headers: str) -> bytes:
    body = json.dumps({"rows": rows}).encode()
    extra = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
    return (
        "POST /v1/iris/predict HTTP/1.1\r\nHost: x\r\n"
        f"Content-Type: application/json\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@dataclass
class Connection:
    """One keep-alive connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes) -> Reply:
        asked = time.perf_counter()
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(
            (name.lower(), value)
            for name, value in (h.split(": ", 1) for h in head[1:-2])
        )
        raw = await self.reader.readexactly(int(headers["content-length"]))
        seconds = time.perf_counter() - asked
        return Reply(int(head[0].split()[1]), headers, json.loads(raw), seconds)


@contextlib.asynccontextmanager
async def connect(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


@dataclass
class OpenLoop:
    """Sends at a fixed rate, whatever comes back; connections are opened as needed."""

    port: int
    request: bytes
    replies: list[Reply] = field(default_factory=list)
    broken: int = 0
    late: list[float] = field(default_factory=list)
    """Seconds by which it woke up later than it wished: the machine was busy."""
    _idle: list[Connection] = field(default_factory=list)

    async def run(self, rate: float, seconds: float) -> None:
        tasks = set()
        start = time.perf_counter()
        sent = 0
        while (passed := time.perf_counter() - start) < seconds:
            for _ in range(int(passed * rate) - sent):
                task = asyncio.create_task(self._one())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                sent += 1
            asleep = time.perf_counter()
            await asyncio.sleep(0.005)
            self.late.append(time.perf_counter() - asleep - 0.005)
        await asyncio.gather(*tasks)
        for one in self._idle:
            one.writer.close()

    async def _one(self) -> None:
        try:
            if self._idle:
                connection = self._idle.pop()
            else:
                connection = Connection(
                    *await asyncio.open_connection("127.0.0.1", self.port)
                )
            self.replies.append(await connection.ask(self.request))
            self._idle.append(connection)
        except (OSError, EOFError):
            self.broken += 1


async def closed_loop(
    port: int, request: bytes, connections: int, seconds: float
) -> list[Reply]:
    """Keep *connections* busy for *seconds*."""
    replies: list[Reply] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        async with connect(port) as connection:
            while time.perf_counter() < end:
                replies.append(await connection.ask(request))

    await asyncio.gather(*(one() for _ in range(connections)))
    return replies


def p99(replies: list[Reply]) -> float:
    return quantile99([one.seconds for one in replies])


def quantile99(seconds: list[float]) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
