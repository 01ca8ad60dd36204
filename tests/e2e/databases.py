"""A PostgreSQL that containers reach: its port, on the host's own address too."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.postgres import postgres, programs_or_skip


@contextlib.contextmanager
def shared_database() -> Iterator[str]:
    """Give the URL of an empty database, as containers and this host can use it."""
    with postgres(programs_or_skip()) as server:
        url = server.new_database()
        with forwarded(server.port) as (host, port):
            yield url.replace(f"127.0.0.1:{server.port}", f"{host}:{port}")


@contextlib.contextmanager
def forwarded(there: int) -> Iterator[tuple[str, int]]:
    """Take connections on the host's own address to the port *there* of its loopback."""
    listening = socket.create_server((own_address(), 0))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def serve() -> asyncio.Server:
        return await asyncio.start_server(
            lambda reader, writer: _forward(reader, writer, there), sock=listening
        )

    server = asyncio.run_coroutine_threadsafe(serve(), loop).result()
    try:
        host, port = listening.getsockname()
        yield str(host), int(port)
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
) -> None:
    back, there = await asyncio.open_connection("127.0.0.1", port)
    try:
        await asyncio.gather(_pour(reader, there), _pour(back, writer))
    finally:
        there.close()
        writer.close()


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while content := await source.read(65536):
            target.write(content)
            await target.drain()
        target.write_eof()


async def _end_all() -> None:
    others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def own_address() -> str:
    """Return the address by which this host reaches others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
