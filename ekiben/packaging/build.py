"""Builds a Bento that is pinned to the production versions."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from ekiben.errors import BuildRefused
from ekiben.packaging.contents import check_bento, check_files, included
from ekiben.packaging.refusals import check_bentofile
from ekiben.predictor import load_predictor
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.ledger import Ledger
from ekiben.registry.store import Store
from ekiben.settings import Settings
from ekiben.use_cases.use_case import UseCase

BENTOFILE = "bentofile.yaml"
TAG_MARK = "__tag__:"


@dataclass(frozen=True)
class Built:
    """A Bento and the versions inside it, use case to exact tag."""

    tag: str
    pins: dict[str, str]


def build(project: Path, settings: Settings, use_cases: Sequence[UseCase]) -> Built:
    """Build a Bento of *use_cases* from *project*, the folder with bentofile.yaml.

    Every version is loaded through the one door first, so a Bento never holds one
    that a server would refuse.

    Raises:
        BuildRefused: no bentofile, or one with a value that could become a command; a
            file that must not be in a Bento; nothing promoted for a use case; BentoML
            failed.
        ArtefactRefused: a version is not what was registered.
        LedgerUnavailable, CorruptLedger: nobody can say what is production.
    """
    files = _checked_files(project)
    with LedgerDatabase.opened(settings.ledger_url) as database:
        ledger = database.verified()
    store = Store.at(settings.home)
    pins = {one.name: _verified(one, store, ledger) for one in use_cases}
    arguments = [
        part for name, tag in pins.items() for part in ("--arg", f"{name}={tag}")
    ]
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--output", "tag", *arguments],
        cwd=project,
        env={**os.environ, "EKIBEN_MODELS": ",".join(pins)},
        capture_output=True,
        text=True,
        check=False,
    )
    tag = done.stdout.strip().rpartition(TAG_MARK)[2]
    if done.returncode != 0 or not tag:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise BuildRefused(f"bentoml build failed: {lines[-1]}")
    _compare(settings.home / "bentos" / Path(*tag.split(":")), files)
    return Built(tag, pins)


def _checked_files(project: Path) -> set[str]:
    """Return what will be in the Bento, once bentofile and files are found harmless."""
    if not (project / BENTOFILE).is_file():
        raise BuildRefused(f"there is no {BENTOFILE} here")
    try:
        content = yaml.safe_load((project / BENTOFILE).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BuildRefused(f"{BENTOFILE} is no YAML") from None
    check_bentofile(content)
    files = included(
        project, content.get("include") or (), content.get("exclude") or ()
    )
    check_files(project, sorted(files))
    return files


def _compare(bento: Path, files: set[str]) -> None:
    """Keep a Bento only if it holds what was checked and nothing else."""
    try:
        check_bento(bento, files)
    except BuildRefused:
        shutil.rmtree(bento)
        raise


def _verified(use_case: UseCase, store: Store, ledger: Ledger) -> str:
    production = ledger.production(use_case.name)
    if production is None:
        raise BuildRefused(f"no version of {use_case.name} is promoted")
    load_predictor(store, use_case, production.tag, production.digest)
    return production.tag
