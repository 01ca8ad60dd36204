"""Request bodies in a file: each after a line with its length, since bytes may hold any.

post.lua reads the same form.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path


def write(path: Path, bodies: Sequence[bytes]) -> None:
    """Write *bodies*, in their order."""
    with path.open("wb") as file:
        for body in bodies:
            file.write(b"%d\n%b\n" % (len(body), body))


def read(path: Path) -> list[bytes]:
    """Read what `write` wrote."""
    return list(_bodies(path))


def _bodies(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while length := file.readline():
            yield file.read(int(length))
            file.read(1)
