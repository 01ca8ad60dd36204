"""Takes connections on a socket of the host to a port inside a container's network.

Run in the container's network namespace (`nsenter --net`), with the number of a socket
that listens on the host, where it stays. So a container without a network can be asked.
"""

import asyncio
import resource
import socket
import sys
from contextlib import suppress


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand over all that is sent; once nobody wants it, read on, as a kernel would not.

    A server that refuses a body answers before it has come. Whoever closed then would
    reset the connection, and the client would never see the answer.
    """
    wanted = True
    with suppress(OSError):
        while content := await reader.read(65536):
            if wanted:
                wanted = await hand_over(content, writer)
        if wanted and writer.can_write_eof():
            writer.write_eof()


async def hand_over(content: bytes, writer: asyncio.StreamWriter) -> bool:
    try:
        writer.write(content)
        await writer.drain()
    except OSError:
        return False
    return True


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
        lambda reader, writer: connect(reader, writer, port),
        sock=listening,
        backlog=2048,
    )
    await server.serve_forever()


if __name__ == "__main__":
    # Every connection takes two descriptors here.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
