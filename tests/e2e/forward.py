"""Takes connections on a socket of the host to a port inside a container's network.

Run in the container's network namespace (`nsenter --net`), with the number of a socket
that listens on the host, where it stays. So a container without a network can be asked.
"""

import asyncio
import resource
import socket
import sys
from contextlib import suppress


async def pour(source: socket.socket, target: socket.socket) -> None:
    """Hand over all that comes; once *target* takes no more, read on and drop it.

    A server that refuses a body answers before all of it has come. Whoever closed then
    would reset the connection, and the client would never see the answer.
    """
    loop, wanted = asyncio.get_running_loop(), True
    with suppress(OSError):
        while content := await loop.sock_recv(source, 65536):
            if wanted:
                try:
                    await loop.sock_sendall(target, content)
                except OSError:
                    wanted = False
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


async def connect(client: socket.socket, port: int) -> None:
    """Join *client* with *port* here until both have ended."""
    with client, socket.socket() as server:
        server.setblocking(False)
        with suppress(OSError):
            loop = asyncio.get_running_loop()
            await loop.sock_connect(server, ("127.0.0.1", port))
            await asyncio.gather(pour(client, server), pour(server, client))


async def main(descriptor: int, port: int) -> None:
    listening = socket.socket(fileno=descriptor)
    listening.setblocking(False)
    joined = set()
    while True:
        client, _ = await asyncio.get_running_loop().sock_accept(listening)
        client.setblocking(False)
        task = asyncio.create_task(connect(client, port))
        joined.add(task)
        task.add_done_callback(joined.discard)


if __name__ == "__main__":
    # Every connection takes two descriptors here.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
