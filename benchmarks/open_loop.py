"""An open loop: a constant rate of requests, however long the answers take.

A latency counts from the moment at which the request was to be sent. So a server that
stops for a moment is charged with all who would have come meanwhile, where a closed loop
would just send fewer. The client never sleeps while it runs: timers of an event loop are
a millisecond wide, which is more than some of the latencies.
Used as: python -m benchmarks.open_loop URL BODIES_FILE RATE SECONDS CONTENT_TYPE KEY
"""

import asyncio
import itertools
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from benchmarks import body_file
from benchmarks.client import SETTLE_SECONDS, Tally, http_requests, percentile

CONNECTIONS = 128
"""Most requests on their way; more wait in the client, and their waiting counts."""
LAST_ANSWERS_SECONDS = 10.0
"""So long after the last request the answers may come; what is missing is broken."""


@dataclass(frozen=True)
class Schedule:
    """*rate* requests a second at even distances; times in seconds from the start."""

    rate: float
    seconds: float

    @property
    def requests(self) -> int:
        """How many there are."""
        return int(self.rate * self.seconds)

    def at(self, number: int) -> float:
        """Return when request *number*, from 0, is to be sent."""
        return number / self.rate

    def due(self, elapsed: float) -> int:
        """Return how many requests are to have been sent after *elapsed*."""
        return max(0, min(self.requests, int(elapsed * self.rate) + 1))


class Connection(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self, answered: Callable[["Connection", int], None]) -> None:
        self.intended = 0.0
        self.busy = False
        self._answered = answered
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes, intended: float) -> None:
        """Send *request*, which was to be sent at *intended*."""
        assert self._transport is not None
        self.intended, self.busy = intended, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer; tell its status when it is whole."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if end and len(body) >= content_length(head):
            self._received, self.busy = b"", False
            self._answered(self, int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell it as an answer without a status."""
        self._answered(self, 0)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()


def content_length(head: bytes) -> int:
    """Return the length of the body that follows *head*; 0 where it states none."""
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return int(length or 0)


@dataclass
class OpenLoop:
    """Sends what the schedule says, over whatever connection is free."""

    schedule: Schedule
    requests: Iterator[bytes]
    clock: Callable[[], float] = time.perf_counter
    tally: Tally = field(default_factory=Tally)
    lags: list[float] = field(default_factory=list)
    """How much too late each request was sent for which a connection was free."""
    _start: float = 0.0
    _sent: int = 0
    _lost: int = 0
    _free: deque[Connection] = field(default_factory=deque)
    _waiting: deque[float] = field(default_factory=deque)
    _running: bool = False

    async def run(self, host: str, port: int) -> None:
        """Send all of it and await the answers."""
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, one = await loop.create_connection(self._connection, host, port)
            self._free.append(one)
        opened = list(self._free)
        await asyncio.sleep(SETTLE_SECONDS)
        self._start, self._running = self.clock(), True
        limit = self._start + self.schedule.seconds + LAST_ANSWERS_SECONDS
        while self._outstanding() and self.clock() < limit:
            self._send_due()
            await asyncio.sleep(0)
        self._running = False
        self.tally.broken += self._outstanding()
        for one in opened:
            one.close()

    def _connection(self) -> Connection:
        return Connection(self.answered)

    def _outstanding(self) -> int:
        return self.schedule.requests - len(self.tally.latencies) - self._lost

    def _send_due(self) -> None:
        now = self.clock()
        while self._sent < self.schedule.due(now - self._start):
            intended = self._start + self.schedule.at(self._sent)
            self._sent += 1
            if self._free:
                self.lags.append(now - intended)
                self._free.popleft().ask(next(self.requests), intended)
            else:
                self._waiting.append(intended)

    def answered(self, one: Connection, status: int) -> None:
        """Count an answer, and use its connection for who waits; 0: it broke."""
        if not self._running:
            return
        if not status:
            self._leave(one)
            return
        self.tally.latencies.append(self.clock() - one.intended)
        self.tally.non_2xx += not 200 <= status < 300
        if self._waiting:
            one.ask(next(self.requests), self._waiting.popleft())
        else:
            self._free.append(one)

    def _leave(self, one: Connection) -> None:
        if one.busy:
            self._lost += 1
            self.tally.broken += 1
        else:
            self._free.remove(one)


def run(url: str, requests: Sequence[bytes], schedule: Schedule) -> dict[str, float]:
    """Send *requests* in turn as *schedule* says; return the figures."""
    parts = urlsplit(url)
    loop = OpenLoop(schedule, itertools.cycle(requests))
    uvloop.run(loop.run(parts.hostname or "", parts.port or 80))
    lag = percentile(sorted(loop.lags), 99) * 1e3
    return {**loop.tally.report(schedule.seconds), "lag_ms": lag}


def main() -> None:
    """Run the load that the arguments describe and print its figures."""
    url, file, rate, seconds, content_type, key = sys.argv[1:]
    requests = http_requests(url, body_file.read(Path(file)), content_type, key)
    schedule = Schedule(float(rate), float(seconds))
    print(json.dumps(run(url, requests, schedule)))


if __name__ == "__main__":
    main()
