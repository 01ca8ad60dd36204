"""A steady stream of predict requests that costs a tenth of an HTTP library's: for a busy machine."""

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.faults.raw_client import Connection, Reply, request_bytes
from tests.faults.traffic import IRIS, Outcome, Traffic

MOST = 100
"""Requests at a time: where a busy machine answers slower, fewer are sent."""
IDLE_SECONDS = 5.0
"""A connection that waited longer is left: who closes it is a race that any client knows."""


@dataclass
class SteadyTraffic(Traffic):
    """Asks at a fixed rate over connections that are kept; each request is sent once."""

    _idle: list[tuple[float, Connection]] = field(default_factory=list)

    @property
    def achieved(self) -> float:
        """The requests that were sent a second."""
        times = [one.at for one in self.outcomes]
        return len(times) / max(max(times) - min(times), 1.0)

    async def _ask_all(self) -> None:
        given = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        request, sent = request_bytes([IRIS], **given), 0
        tasks: set[asyncio.Task[None]] = set()
        began = time.monotonic()
        while not self.ending.is_set():
            for _ in range(int((time.monotonic() - began) * self.rate) - sent):
                sent += 1
                if len(tasks) >= MOST:
                    continue
                task = asyncio.create_task(self._send(request))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(0.005)
        await asyncio.gather(*tasks)
        for _, connection in self._idle:
            connection.writer.close()
        await asyncio.sleep(0.1)  # a connection is closed in the loop's next turns

    async def _send(self, request: bytes) -> None:
        at, connection = time.monotonic(), None
        try:
            connection = await self._connection()
            reply = await asyncio.wait_for(connection.ask(request), 30)
        except (OSError, EOFError, TimeoutError) as error:
            self.outcomes.append(Outcome(at, 0, {"code": type(error).__name__}))
            if connection is not None:
                connection.writer.close()
            return
        self.outcomes.append(Outcome(at, reply.status, reply.body))
        self._keep(connection, reply)

    async def _connection(self) -> Connection:
        while self._idle:
            since, connection = self._idle.pop()
            fresh = time.monotonic() - since < IDLE_SECONDS
            if fresh and not connection.reader.at_eof():
                return connection
            connection.writer.close()
        port = urlsplit(self.url).port
        return Connection(*await asyncio.open_connection("127.0.0.1", port))

    def _keep(self, connection: Connection, reply: Reply) -> None:
        if reply.headers.get("connection", "").lower() == "close":
            connection.writer.close()
        else:
            self._idle.append((time.monotonic(), connection))
