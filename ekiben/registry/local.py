"""Local rollbacks: what an operator orders on a host that is cut off from the ledger, in one small file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ekiben.errors import StoreUnavailable, UnknownModel
from ekiben.registry.files import locked, replace_file
from ekiben.registry.tags import split_tag

UNREADABLE = (OSError, ValueError, AttributeError, TypeError, UnknownModel)


@dataclass(frozen=True, kw_only=True)
class LocalRollback:
    """One order, who gave it, when (ISO 8601) and why.

    To pinned servers: answer with *tag* instead of *pin*, and no longer once a Bento has
    another pin. To servers that follow the ledger: take back *move*, the sequence of an
    event; None until the first server that reads the order has said which one that is.
    """

    at: str
    actor: str
    reason: str = ""
    tag: str | None = None
    pin: str | None = None
    move: int | None = None

    @property
    def grounds(self) -> str:
        """Who, when and why in one line."""
        why = f": {self.reason}" if self.reason else ""
        return f"local rollback by {self.actor} at {self.at}{why}"


@dataclass(frozen=True)
class LocalRollbacks:
    """Use case to order, kept in *path*."""

    path: Path

    @classmethod
    def at(cls, home: Path) -> "LocalRollbacks":
        """Return the local rollbacks of a BENTOML_HOME."""
        return cls(home / "ekiben" / "local-rollbacks.json")

    def position(self) -> int:
        """Return a number that changes with every change of the file; 0 without one."""
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def read(self) -> dict[str, LocalRollback]:
        """Return use case to order.

        Raises:
            StoreUnavailable: the file cannot be read or does not hold that.
        """
        try:
            found = json.loads(self.path.read_bytes())
            return {str(name): _order(facts) for name, facts in found.items()}
        except FileNotFoundError:
            return {}
        except UNREADABLE as error:
            raise StoreUnavailable(f"{self.path.name}: {error}") from None

    def pinned(self, use_case: str, pin: str | None) -> str | None:
        """Return what answers instead of *pin*, None where nothing does.

        Raises:
            StoreUnavailable: as `read`.
        """
        order = self.read().get(use_case)
        return order.tag if order and order.tag != pin == order.pin else None

    def set(self, use_case: str, order: LocalRollback) -> None:
        """Keep *order* in place of an earlier one.

        Raises:
            StoreUnavailable: it could not be written.
        """
        with self._changing():
            self._write(self.read() | {use_case: order})

    def bind(self, use_case: str, order: LocalRollback, move: int) -> LocalRollback:
        """Say that *order* takes back *move*, unless another server said so first.

        Return the order as it stands.

        Raises:
            StoreUnavailable: it could not be written.
        """
        with self._changing():
            orders = self.read()
            if orders.get(use_case) == order:
                orders[use_case] = replace(order, move=move)
                self._write(orders)
            return orders.get(use_case, order)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.with_suffix(".lock")):
                yield
        except OSError as error:
            raise StoreUnavailable(f"{self.path.name}: {error}") from error

    def _write(self, orders: dict[str, LocalRollback]) -> None:
        facts = {name: asdict(order) for name, order in orders.items()}
        content = json.dumps(facts, indent=1) + "\n"
        scratch = self.path.with_suffix(".new")
        replace_file(self.path, content.encode(), scratch=scratch)


def _order(facts: dict[str, Any]) -> LocalRollback:
    for name in ("tag", "pin"):
        if facts.get(name) is not None:
            split_tag(facts[name])
    return LocalRollback(**facts)
