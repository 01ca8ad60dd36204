"""Processes that begin with the libraries already imported: for tests that kill many."""

import multiprocessing
from multiprocessing.context import ForkServerContext

PRELOADED = [
    "alembic.command",
    "alembic.ddl.sqlite",
    "bentoml.sklearn",
    "ekiben.cli.train",
    "pandera.backends.pandas.builtin_checks",
    "pandera.backends.pandas.register",
    "sklearn.datasets",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.tree",
    "sqlalchemy.dialects.sqlite",
    "tests.faults.children",
    "tests.faults.ledger_children",
]
"""Imported only: a library that has computed may have threads, which no fork takes along."""


def forkserver() -> ForkServerContext:
    """Return a context of processes that are forked from one with PRELOADED.

    There is one such process for all tests of a worker: whoever wants processes gets them
    here, or what was preloaded would depend on whose module was imported last.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context
