"""Builds a Bento that is pinned to the production versions."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ekiben.errors import BuildRefused
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
        BuildRefused: no bentofile, nothing promoted for a use case, or BentoML failed.
        ArtefactRefused: a version is not what was registered.
        LedgerUnavailable, CorruptLedger: nobody can say what is production.
    """
    if not (project / BENTOFILE).is_file():
        raise BuildRefused(f"there is no {BENTOFILE} here")
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
    return Built(tag, pins)


def _verified(use_case: UseCase, store: Store, ledger: Ledger) -> str:
    production = ledger.production(use_case.name)
    if production is None:
        raise BuildRefused(f"no version of {use_case.name} is promoted")
    load_predictor(store, use_case, production.tag, production.digest)
    return production.tag
