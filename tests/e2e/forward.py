"""Takes connections on a socket of the host to a port inside a container's network.

Run in the container's network namespace (`nsenter --net`), with the number of a socket
that listens on the host, where it stays. So a container without a network can be asked.
"""

import asyncio
import socket
import sys
from contextlib import suppress


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def connect(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
) -> None:
    there = None
    with suppress(OSError):
        back, there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pour(reader, there), pour(back, writer))
    for one in (writer, there):
        if one is not None:
            one.close()


async def main(descriptor: int, port: int) -> None:
    listening = socket.socket(fileno=descriptor)
    server = await asyncio.start_server(
        lambda reader, writer: connect(reader, writer, port), sock=listening
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
