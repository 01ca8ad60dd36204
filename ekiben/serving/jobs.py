"""What waits for a model: requests, the pieces that a batch takes of them, what came of each."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ekiben.schemas.base import Row
from ekiben.serving.cost import Cost
from ekiben.use_cases.answers import Fields


class Model(Protocol):
    """What answers a batch: the predictor of one version."""

    @property
    def tag(self) -> str:
        """The exact tag, name:version."""

    @property
    def cost(self) -> Cost:
        """What its calls take."""

    def predict(self, rows: Sequence[Row]) -> Sequence[Fields]:
        """Answer *rows*, one entry a row, in order."""


class Answer(NamedTuple):
    """The fields of each row's prediction, and the version that made them.

    *batch_rows* were in its model call, the largest where a long request took several.
    *content* is the whole in JSON, once it is finished.
    """

    tag: str
    fields: Sequence[Fields]
    batch_rows: int = 0
    content: bytes = b""


class Reply(Protocol):
    """Who is told what came of a job, once: a future, or what stands for one."""

    def done(self) -> bool:
        """Whether it has been told, or no longer wants to be."""

    def cancelled(self) -> bool:
        """Whether it no longer wants to be told."""

    def set_result(self, result: Answer, /) -> None:
        """Take the answer; raises nothing."""

    def set_exception(self, error: Exception, /) -> None:
        """Take why there is none; raises nothing."""


def never() -> bool:
    """Say that the client is still there: for callers inside the process."""
    return False


@dataclass(slots=True, eq=False)
class Job:
    """One request's rows on their way to the model; *since* and *until* are of the event loop's clock.

    *running* says that a model call in a thread has some of them.
    *taken* rows were handed to *model*, and *fields* are the answers so far: a long
    request goes in pieces, all of them to the version that got the first.
    *span* is the request's, where it is traced.
    """

    rows: Sequence[Row]
    since: float
    future: Reply
    gone: Callable[[], bool] = never
    caller: str = ""
    until: float = math.inf
    timer: asyncio.TimerHandle | None = None
    running: bool = False
    taken: int = 0
    model: Model | None = None
    fields: Sequence[Fields] | None = None
    batch_rows: int = 0
    span: Any = None

    @property
    def left(self) -> int:
        """The rows that no model call has taken yet."""
        return len(self.rows) - self.taken


class Piece(NamedTuple):
    """The rows from *start* to *stop* of one job."""

    job: Job
    start: int
    stop: int

    @property
    def rows(self) -> Sequence[Row]:
        """The rows themselves."""
        rows = self.job.rows
        whole = self.stop - self.start == len(rows)
        return rows if whole else rows[self.start : self.stop]
