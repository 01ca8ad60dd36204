"""Files that are whole or absent when written, and opened only once when read."""

import errno
import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ekiben.schemas.model_card import FileDigest

NO_FOLLOW = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Neither a symlink nor a pipe without a writer may lead or hold the reader."""


PLAIN = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._+-]{1,255}")
"""A file or directory of a version: nothing that leads elsewhere on any file system."""


class Mismatch(Exception):
    """What lies on the disk is not what was sealed; names the file."""


def check_path(name: str) -> str:
    """Return *name*, known to stay inside the directory it is joined to.

    Raises:
        Mismatch: it is no relative path of plain names, separated by `/`.
    """
    if not all(PLAIN.fullmatch(part) for part in name.split("/")):
        raise Mismatch(f"{name!r} is not a path inside a version")
    return name


def digest(content: bytes) -> FileDigest:
    """Return size and sha256 of *content*."""
    return FileDigest(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def digest_tree(directory: Path) -> dict[str, FileDigest]:
    """Return the digests of all files under *directory*, which nobody else writes."""
    return {
        path.relative_to(directory).as_posix(): digest(path.read_bytes())
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@contextmanager
def opened(name: str | Path, flags: int, dir_fd: int | None = None) -> Iterator[int]:
    """Open a file or directory for the length of a `with` block."""
    fd = os.open(name, flags, mode=0o644, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def open_entry(directory: int, name: str) -> Iterator[int]:
    """Open the entry *name* of an open *directory*, whatever it is but a symlink.

    Raises:
        Mismatch: it is missing or a symlink.
    """
    try:
        with opened(name, NO_FOLLOW, directory) as fd:
            yield fd
    except FileNotFoundError:
        raise Mismatch(f"{name} is missing") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise Mismatch(f"{name} is not a regular file") from None
        raise


def read_file(fd: int, name: str, limit: int) -> bytes:
    """Return the bytes of the open regular file *fd*, *limit* at most.

    Raises:
        Mismatch: it is something else, or longer.
    """
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise Mismatch(f"{name} is not a regular file")
    with os.fdopen(fd, "rb", closefd=False) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise Mismatch(f"{name} is longer than {limit} bytes")
    return content


def read_checked(fd: int, name: str, expected: FileDigest) -> bytes:
    """Return the bytes of the open file *fd* when they are the *expected* ones.

    Raises:
        Mismatch: size or sha256 differ.
    """
    content = read_file(fd, name, expected.bytes)
    found = digest(content)
    if found.bytes != expected.bytes:
        raise Mismatch(f"{name} has {found.bytes} bytes, not {expected.bytes}")
    if found.sha256 != expected.sha256:
        raise Mismatch(f"{name} has another sha256")
    return content


def read_tree(
    directory: int, files: Mapping[str, FileDigest], *, skip: str, prefix: str = ""
) -> dict[str, bytes]:
    """Return the checked bytes of what is under an open *directory*, but *skip*.

    Raises:
        Mismatch: an entry is not in *files*, or not what they say.
    """
    found: dict[str, bytes] = {}
    for entry in sorted(os.listdir(directory)):
        name = prefix + entry
        if name == skip:
            continue
        with open_entry(directory, entry) as fd:
            if name in files:
                found[name] = read_checked(fd, name, files[name])
            elif any(one.startswith(f"{name}/") for one in files):
                if not stat.S_ISDIR(os.fstat(fd).st_mode):
                    raise Mismatch(f"{name} is not a directory")
                found |= read_tree(fd, files, skip=skip, prefix=f"{name}/")
            else:
                raise Mismatch(f"{name} was not there at registration")
    return found


def sync(path: Path) -> None:
    """Make what *path* holds, a file or a directory, outlive a power cut."""
    with opened(path, os.O_RDONLY | os.O_CLOEXEC) as fd:
        os.fsync(fd)


def sync_tree(directory: Path) -> None:
    """Sync all files, then all directories of *directory*, itself last."""
    for path in sorted(directory.rglob("*"), reverse=True):
        sync(path)
    sync(directory)


def replace_file(path: Path, content: bytes, *, scratch: Path) -> None:
    """Write *content* to *path*: readers see the old bytes or the new, never a part.

    *scratch* is a path of the same file system that no other process writes.
    """
    scratch.write_bytes(content)
    sync(scratch)
    scratch.rename(path)
    sync(path.parent)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file *path*; a process that dies lets go of it.

    Raises:
        BlockingIOError: another holds it and *wait* is false.
    """
    with opened(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC) as fd:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
