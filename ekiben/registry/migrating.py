"""Tables made or brought up to date, by one process at a time."""

import threading
from dataclasses import dataclass

import sqlalchemy as sa

from ekiben.errors import LedgerTooNew
from ekiben.registry.engines import available

MIGRATION_WAITS = 6
"""For tables that are made or changed, while others wait to do the same."""
MIGRATION_LOCK = 0x656B6962656E
"""The key of PostgreSQL's advisory lock that lets one process migrate at a time."""

_one_at_a_time = threading.Lock()
"""Alembic keeps what it works on in variables of the process, whatever the thread."""


@dataclass(frozen=True)
class Migrations:
    """A chain of Alembic revisions: where it lies, its newest, the table that tells how far.

    A revision is a number, as `0004`, or that and what was added since, as `0004.1`: columns
    that may be null, and change nothing of what the others mean. An Ekiben that knows
    `0004` uses tables of `0004.1` as they are, so that servers can be replaced one by one,
    and back.
    *waits* is how many times as long as any other operation it may take.
    """

    location: str
    revision: str
    version_table: str = "alembic_version"
    waits: int = MIGRATION_WAITS

    def apply(self, engine: sa.Engine, wait: float) -> None:
        """Make or migrate the tables where needed.

        Raises:
            LedgerUnavailable: the database cannot be reached in time.
            LedgerTooNew: a newer Ekiben made the tables.
        """
        with available(engine.dialect.name, wait):
            revision = self._current(engine)
        if not self._serves(revision):
            # Several may come at once, each to wait for the one that migrates.
            with _one_at_a_time, available(engine.dialect.name, self.waits * wait):
                self._migrate(engine)

    def _serves(self, revision: str | None) -> bool:
        """Whether tables of *revision* are ours, with what later ones added to them."""
        number, _, added = (revision or "").partition(".")
        ours, _, known = self.revision.partition(".")
        return number == ours and int(added or 0) >= int(known or 0)

    def _current(self, engine: sa.Engine) -> str | None:
        table = sa.table(self.version_table, sa.column("version_num"))
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table(self.version_table):
                return None
            return connection.scalar(sa.select(table.c.version_num))

    def _migrate(self, engine: sa.Engine) -> None:
        # Alembic takes longer to import than most commands to run.
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", self.location)
        config.attributes["version_table"] = self.version_table
        with engine.execution_options(write=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                lock = sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)
                connection.execute(sa.select(lock))
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise LedgerTooNew from error
