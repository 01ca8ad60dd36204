"""The image's HEALTHCHECK: ends with 0 if the server lives and is ready to answer."""

import os
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException

PATHS = ("/livez", "/readyz")
SECONDS = 4.0
DEFAULT_PORT = 3000


def reason_against(host: str, port: int) -> str | None:
    """Return why the server on *port* is not healthy; None if it is."""
    for path in PATHS:
        connection = HTTPConnection(host, port, timeout=SECONDS)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            return f"{path}: {error}"
        finally:
            connection.close()
        if status != 200:
            return f"{path}: {status}"
    return None


def port_of(environ: Mapping[str, str]) -> int:
    """Return the port that `bentoml serve` takes from *environ*."""
    return int(environ.get("BENTOML_PORT") or DEFAULT_PORT)


if __name__ == "__main__":
    sys.exit(reason_against("127.0.0.1", port_of(os.environ)))
