"""A BENTOML_HOME with a promoted version of every use case, trained once for the same code and data."""

import fcntl
import hashlib
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path

from tests.servers import PROJECT, environment

KEPT = PROJECT / "var" / "trained"
FRESH_SECONDS = 6 * 3600.0
"""For as long it is taken instead of a new one."""


def copy_trained(path: Path, settings: Mapping[str, str]) -> Path:
    """Make *path* such a home, with the data that *settings* name.

    Of several processes the first one trains, and the others wait for it.
    """
    KEPT.parent.mkdir(exist_ok=True)
    with KEPT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = KEPT / _fingerprint(settings)
        if not made.is_dir() or time.time() - made.stat().st_mtime > FRESH_SECONDS:
            shutil.rmtree(KEPT, ignore_errors=True)
            part = KEPT / "part"
            part.mkdir(parents=True)
            _train(part, settings)
            part.rename(made)
        return Path(shutil.copytree(made, path, dirs_exist_ok=True))


def _train(home: Path, settings: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, "train.py", "--promote"],
        cwd=PROJECT,
        env=environment(home, settings),
        check=True,
    )


def _fingerprint(settings: Mapping[str, str]) -> str:
    """Return a digest of all that training depends on."""
    digest = hashlib.sha256()
    for part in _depended_on(settings):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def _depended_on(settings: Mapping[str, str]) -> Iterator[bytes]:
    yield repr((platform.python_version(), sorted(settings.items()))).encode()
    yield repr(sorted((one.name, one.version) for one in distributions())).encode()
    for path in [PROJECT / "train.py", *sorted((PROJECT / "ekiben").rglob("*"))]:
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path).encode()
            yield path.read_bytes()
    if data := settings.get("EKIBEN_DATA_DIR"):
        for path in sorted(Path(data).rglob("*")):
            told = path.stat()
            yield repr((str(path), told.st_size, told.st_mtime_ns)).encode()
