"""The stand-in for wrk: a closed loop of keep-alive connections, in asyncio.

Slower than wrk, so the fastest servers come out slower than they are.
Used as: python -m benchmarks.client URL BODIES_FILE CONNECTIONS SECONDS CONTENT_TYPE KEY
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from benchmarks import body_file

SETTLE_SECONDS = 0.3


@dataclass
class Tally:
    """What the connections have seen so far; latencies in seconds."""

    latencies: list[float] = field(default_factory=list)
    non_2xx: int = 0
    broken: int = 0

    def report(self, seconds: float) -> dict[str, float]:
        """Return the figures in the form that post.lua prints."""
        ordered = sorted(self.latencies)
        return {
            "requests": len(ordered),
            "seconds": seconds,
            "p50_ms": percentile(ordered, 50) * 1e3,
            "p99_ms": percentile(ordered, 99) * 1e3,
            "non_2xx": self.non_2xx,
            "broken": self.broken,
        }


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of sorted values; 0 of none."""
    if not ordered:
        return 0.0
    rank = min(len(ordered) - 1, int(len(ordered) * percent / 100))
    return ordered[rank]


def http_requests(
    url: str, bodies: Sequence[bytes], content_type: str, key: str = ""
) -> list[bytes]:
    """Return each of *bodies* as the bytes of a whole POST request, with a *key* if any."""
    parts = urlsplit(url)
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{authorization}"
        f"Content-Type: {content_type}\r\n"
    )
    return [
        f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies
    ]


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> int:
    """Send *request*, read its whole answer, return the status."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return int(head[9:12])


async def connection(
    url: str, requests: Iterator[bytes], seconds: float, tally: Tally
) -> None:
    """Ask one request after the other; a broken connection is made anew.

    The first request waits until the server has had time to accept every connection:
    see post.lua.
    """
    parts = urlsplit(url)
    start = time.perf_counter() + SETTLE_SECONDS
    end = start + seconds
    while time.perf_counter() < end:
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            await asyncio.sleep(start - time.perf_counter())
            while (asked := time.perf_counter()) < end:
                status = await exchange(reader, writer, next(requests))
                tally.latencies.append(time.perf_counter() - asked)
                tally.non_2xx += not 200 <= status < 300
            writer.close()
        except (OSError, EOFError):
            tally.broken += 1
            await asyncio.sleep(0.01)


async def run(
    url: str, requests: Sequence[bytes], connections: int, seconds: float
) -> Tally:
    """Keep *connections* busy for *seconds*."""
    tally = Tally()
    turn = itertools.cycle(requests)
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(connection(url, turn, seconds, tally))
    return tally


def main() -> None:
    """Run the load that the arguments describe and print its figures."""
    url, file, connections, seconds, content_type, key = sys.argv[1:]
    requests = http_requests(url, body_file.read(Path(file)), content_type, key)
    start = time.perf_counter()
    tally = uvloop.run(run(url, requests, int(connections), float(seconds)))
    taken = time.perf_counter() - start - SETTLE_SECONDS
    print(json.dumps(tally.report(taken)))


if __name__ == "__main__":
    main()
