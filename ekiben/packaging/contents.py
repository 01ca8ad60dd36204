"""Which files of a project go into a Bento, and what may not be among them."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pathspec

from ekiben.errors import BuildRefused

ALWAYS_LEFT_OUT = (".git/", ".venv/", "venv/", "__pycache__/", ".DS_Store")
"""BentoML's own list."""
SUFFIXES = {
    *(".py", ".html", ".css", ".js", ".svg", ".png", ".woff2", ".ico"),
    *(".json", ".yaml", ".toml", ".lock", ".j2", ".md", ".txt", ".sql"),
}
"""What code and its pages are made of; everything else has to stay outside."""
LARGEST = 4 * 2**20
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\n?[A-Za-z0-9+/=]{16}")


def included(project: Path, include: Sequence[str], exclude: Sequence[str]) -> set[str]:
    """Return the paths below *project* that BentoML would copy, by its own rules."""
    wanted = pathspec.PathSpec.from_lines("gitwildmatch", include or ["*"])
    left_out = pathspec.PathSpec.from_lines(
        "gitwildmatch", [*exclude, *ALWAYS_LEFT_OUT]
    )
    return {
        path
        for path in _files(project)
        if wanted.match_file(path) and not left_out.match_file(path)
    }


def _files(project: Path) -> Iterator[str]:
    for directory, names, files in os.walk(project):
        names[:] = [name for name in names if f"{name}/" not in ALWAYS_LEFT_OUT]
        for name in files:
            yield (Path(directory) / name).relative_to(project).as_posix()


def check_files(project: Path, paths: Sequence[str]) -> None:
    """Look at each of *paths* before it is copied.

    Raises:
        BuildRefused: one is a link, hidden, large, of another kind than code and pages,
            or holds a private key.
    """
    for path in sorted(paths):
        reason = _reason_against(project / path, Path(path))
        if reason:
            raise BuildRefused(f"{path} must not be in a Bento: {reason}")


def _reason_against(file: Path, path: Path) -> str | None:
    if file.is_symlink():
        return "it is a link"
    if not file.is_file():
        return "it is no file"
    if any(part.startswith(".") for part in path.parts):
        return "it is hidden"
    if path.suffix not in SUFFIXES:
        return f"files of the kind {path.suffix or path.name} stay outside"
    size = file.stat().st_size
    if size > LARGEST:
        return f"it has {size} bytes, more than {LARGEST}"
    if PRIVATE_KEY.search(file.read_bytes()):
        return "it holds a private key"
    return None


def check_bento(bento: Path, paths: set[str]) -> None:
    """Compare the code in *bento*, just built, with the *paths* that were checked.

    Raises:
        BuildRefused: it holds another file.
    """
    source = bento / "src"
    for path in sorted(set(_files(source)) - paths - {"bentofile.yaml"}):
        raise BuildRefused(f"{path} is in the Bento and was not to be")
