"""What the fault tests run in processes that die, race or run out of disk."""

import itertools
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from bentoml._internal.models import ModelStore

from ekiben.errors import LedgerUnavailable, StoreUnavailable, VersionExists
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from ekiben.schemas.model_card import Golden, ModelCard
from tests.tiny import card, estimator, ledger_url, promote, promote_in, register

WON, LOST, REFUSED = 0, 3, 4


def register_for_ever(home: Path, started: Connection) -> None:
    """Register and promote until killed; the first one, slow, is done at "ready"."""
    tempfile.tempdir = str(home.parent)
    store, database = Store.at(home), LedgerDatabase.open(ledger_url(home))
    register(store)
    started.send("ready")
    while True:
        manifest = register(store)
        promote_in(database, manifest.card.tag, manifest.digest)


def register_and_die_at(home: Path, step: int) -> None:
    """Register, but die of SIGKILL at the *step*-th thing done to a file below *home*."""
    tempfile.tempdir = str(home.parent)
    steps = itertools.count(1)

    def die(event: str, arguments: tuple[object, ...]) -> None:
        touches = any(str(one).startswith(str(home)) for one in arguments)
        if touches and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    register(Store.at(home))


def save_plainly_and_die_at(home: Path, step: int) -> None:
    """Do the same with BentoML's own saving, straight into the store."""
    import bentoml
    from bentoml._internal.configuration.containers import BentoMLContainer

    BentoMLContainer.model_store.set(ModelStore(home / "models"))
    steps = itertools.count(1)

    def die(event: str, arguments: tuple[object, ...]) -> None:
        touches = any(str(one).startswith(str(home)) for one in arguments)
        if touches and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    bentoml.sklearn.save_model("iris", estimator())


def register_the_same(home: Path, version: str, barrier: Barrier) -> None:
    """Register *version* at the same moment as another process."""

    def meet(tag: str) -> ModelCard:
        barrier.wait(timeout=60)
        return card(tag)

    try:
        register(Store.at(home), version=version, make_card=meet)
    except VersionExists:
        os._exit(LOST)


def register_with_files_up_to(home: Path, size: int, golden: int) -> None:
    """Register with *golden* characters of golden rows where no file may exceed *size*."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    tempfile.tempdir = str(home.parent)
    rows = [Golden(row={"text": "x" * golden}, prediction={})]
    _refused(lambda: register(Store.at(home), golden=rows))


def promote_with_files_up_to(home: Path, manifest: Manifest, size: int) -> None:
    """Promote where no file may exceed *size*."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    _refused(lambda: promote(home, manifest))


def register_as_nobody(home: Path) -> None:
    """Register without the right to write."""
    # Nobody may not be allowed to read the interpreter: import all that is needed before.
    with tempfile.TemporaryDirectory() as elsewhere:
        register(Store.at(Path(elsewhere)))
    _become_nobody()
    _refused(lambda: register(Store.at(home)))


def list_as_nobody(home: Path) -> None:
    """List without the right to read."""
    _become_nobody()
    _refused(Store.at(home).tags)


def load_as_nobody(home: Path, tag: str) -> None:
    """Load without the right to read."""
    _become_nobody()
    _refused(lambda: Store.at(home).load(tag))


def _become_nobody() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setuid(65534)


def _refused(call: Callable[[], Any]) -> None:
    try:
        call()
    except (LedgerUnavailable, StoreUnavailable):
        os._exit(REFUSED)
