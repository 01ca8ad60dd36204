"""Wheels of a lock file, fetched before an image is built, so that the build needs no network."""

import hashlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ekiben.errors import BuildRefused


def fits_this_host(python: str) -> bool:
    """Whether pip, run here, chooses the wheels that an image with *python* needs."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    return platform.system() == "Linux" and python == here


def fetch_wheels(locks: Sequence[Path], cache: Path) -> Path:
    """Return a folder below *cache* with the wheels of *locks*; fetched once per content.

    pip compares each with the hash in the lock, and takes nothing that would have to be
    compiled.

    Raises:
        BuildRefused: a wheel is missing or is another one; in pip's words.
    """
    content = b"".join(lock.read_bytes() for lock in locks)
    folder = cache / hashlib.sha256(content).hexdigest()[:16]
    if folder.is_dir():
        return folder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for lock in locks:
        _download(lock, part)
    part.rename(folder)
    return folder


def _download(lock: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--require-hashes", "--only-binary=:all:", "--no-deps"]
    done = subprocess.run(
        [*command, "--requirement", str(lock), "--dest", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
        raise BuildRefused(f"wheels: {lines[-1] if lines else 'pip failed'}")
