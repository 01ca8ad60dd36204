"""The command line that every peer has."""

import argparse


def address(description: str | None) -> tuple[str, int]:
    """Return host and port, as the command line gives them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    return given.host, given.port
