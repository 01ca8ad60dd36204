"""A server that answers everything with one word."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def serve_pages(word: str, *, port: int = 0, status: int = 200) -> Iterator[int]:
    """Serve *word* on *port*, or on a free one, which is given to the `with` block."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(word)))
            self.end_headers()
            # Who only asks whether it lives does not wait for the word.
            with contextlib.suppress(ConnectionError):
                self.wfile.write(word.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Pages)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
