"""A home with flowers and messages for the tests of the prediction log, its own ledger and log."""

import random
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from ekiben.datasets import load
from ekiben.monitoring.records import Logged
from ekiben.predictor import Predictor, load_predictor
from ekiben.registry.store import Store
from ekiben.training import train
from ekiben.use_cases.catalog import get_use_case
from tests.faults.iris_home import IrisHome
from tests.oracle import MakeRow, Sent, Verdict, iris_row, judge, read_log, spam_row
from tests.servers import Server

MODELS = {"EKIBEN_MODELS": "iris,spam", "EKIBEN_PROMOTE_LEAD_MS": "300"}
TWO_WORKERS = {"BENTOML_CONFIG_OPTIONS": "services.ekiben.workers=2"}
ROWS: dict[str, MakeRow] = {"iris": iris_row, "spam": spam_row}


@dataclass(frozen=True)
class LogHome:
    """Where the models are, and where ledger and log are: a directory of their own."""

    iris: IrisHome

    @classmethod
    def make(cls, path: Path) -> "LogHome":
        iris = IrisHome.make(path)
        iris.promote_first()
        spam, store = get_use_case("spam"), Store.at(path)
        table = load(spam.dataset, cache=path, offline=True)
        card = train(
            spam,
            table,
            store,
            now=lambda: datetime.now(UTC),
            clock=time.perf_counter,
        ).card
        iris.promote_unasked(card.tag)
        return cls(iris)

    def copy(self, path: Path) -> "LogHome":
        """Make a copy that a test may spoil; the models are shared."""
        path.mkdir()
        (path / "models").symlink_to(self.path / "models")
        shutil.copytree(self.path / "ekiben", path / "ekiben")
        return LogHome(IrisHome(path, self.iris.first, self.iris.second))

    @property
    def path(self) -> Path:
        return self.iris.path

    @property
    def directory(self) -> Path:
        return self.path / "ekiben"

    @property
    def file(self) -> Path:
        return self.directory / "predictions.db"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    def settings(self, **extra: str) -> dict[str, str]:
        run = {"EKIBEN_RUN_DIR": str(self.path / "run")}
        return MODELS | run | {f"EKIBEN_{k}": v for k, v in extra.items()}

    def logged(self) -> list[Logged]:
        return read_log(self.url, ROWS)

    def judge(self, sent: list[Sent], *, offline: bool = True) -> Verdict:
        store = Store.at(self.path)

        @cache
        def predictor(tag: str) -> Predictor:
            return load_predictor(store, get_use_case(tag.partition(":")[0]), tag)

        return judge(sent, self.logged(), predictor if offline else None)


def one_row(chance: random.Random | None = None) -> dict[str, float]:
    return iris_row(chance or random.Random(time.monotonic_ns()))


def url_of(server: Server) -> str:
    return server.url
