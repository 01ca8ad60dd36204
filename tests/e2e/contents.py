"""What is in an image: every file with its owner, rights and content, and its layers."""

import hashlib
import json
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ekiben.packaging.containers import Engine

ENVIRONMENT = "app/venv"
BENTO = "home/bentoml/bento"
PACKAGES = f"{ENVIRONMENT}/lib/python3.11/site-packages"


@dataclass(frozen=True)
class Contents:
    """One image, written to a tar file."""

    file: Path
    configuration: dict[str, Any]

    @classmethod
    def of(cls, engine: Engine, image: str, directory: Path) -> "Contents":
        """Write the files of *image* into *directory*."""

        def run(*arguments: str) -> str:
            done = subprocess.run(
                [engine.program, *arguments], check=True, capture_output=True, text=True
            )
            return done.stdout.strip()

        file = directory / "image.tar"
        made = run("create", image)
        run("export", "--output", str(file), made)
        run("rm", made)
        return cls(file, json.loads(run("image", "inspect", image))[0])

    @cached_property
    def members(self) -> dict[str, tarfile.TarInfo]:
        with tarfile.open(self.file) as archive:
            return {one.name.removeprefix("./").strip("/"): one for one in archive}

    def below(self, *roots: str) -> dict[str, tarfile.TarInfo]:
        return {
            name: one
            for name, one in self.members.items()
            if any(name == root or name.startswith(root + "/") for root in roots)
        }

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Return every regular file with its content."""
        with tarfile.open(self.file) as archive:
            for one in archive:
                if one.isreg():
                    content = archive.extractfile(one)
                    assert content is not None
                    yield one.name.removeprefix("./").strip("/"), content.read()

    def read(self, path: str) -> bytes:
        with tarfile.open(self.file) as archive:
            content = archive.extractfile(self.members[path])
            assert content is not None
            return content.read()

    def fingerprints(self) -> dict[str, str]:
        """Return for every path its kind, owner, rights and the digest of its content."""
        digests = {
            name: hashlib.sha256(content).hexdigest() for name, content in self.files()
        }
        return {
            name: f"{one.type!r} {one.uid}:{one.gid} {one.mode:o} {one.linkname} "
            f"{digests.get(name, '')}"
            for name, one in self.members.items()
        }

    def distributions(self) -> dict[str, str]:
        """Return name and version of every Python distribution that a server can import."""
        found = {}
        for name in self.members:
            part = name.removeprefix(PACKAGES + "/")
            if part != name and part.count("/") == 0 and part.endswith(".dist-info"):
                project, _, version = part.removesuffix(".dist-info").rpartition("-")
                found[project.lower().replace("_", "-").replace(".", "-")] = version
        return found
