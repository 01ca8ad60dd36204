"""The oracle of nothing lost: what clients were told, against the log, the models and the counts.

A `Witness` sends predict requests and keeps what came of each. `judge` then says what of it
the log lacks, holds twice as something else, or holds though nobody asked.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from ekiben.monitoring.records import EPOCH, Logged
from ekiben.monitoring.store import PredictionStore
from ekiben.predictor import Predictor, same
from tests.background import Background

Row = dict[str, Any]
MakeRow = Callable[[random.Random], Row]


@dataclass(frozen=True)
class Sent:
    """One request and what came of it; status 0: the connection failed."""

    use_case: str
    request_id: str
    rows: list[Row]
    status: int
    body: Any
    seconds: float

    @property
    def answers(self) -> list[Row]:
        """The predictions, none if it was refused."""
        return self.body if self.status == 200 else []


@dataclass
class Witness(Background):
    """Asks *url*() from some *clients* without a pause for the length of a `with` block."""

    url: Callable[[], str]
    make: Mapping[str, MakeRow]
    clients: int = 4
    most_rows: int = 5
    pause: float = 0.0
    sent: list[Sent] = field(default_factory=list)
    seed: int = 0

    def run(self) -> None:
        """Ask until the block ends."""
        asyncio.run(self._ask_all())

    @property
    def statuses(self) -> Counter[int]:
        """How many requests had which status."""
        return Counter(one.status for one in list(self.sent))

    @property
    def rows(self) -> int:
        """Rows that were answered."""
        return sum(len(one.answers) for one in list(self.sent))

    @property
    def tags(self) -> set[str]:
        """Which versions answered the last requests."""
        return {a["model"] for one in self.sent[-50:] for a in one.answers}

    async def _ask_all(self) -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            tasks = [self._ask_on(client, one) for one in range(self.clients)]
            await asyncio.gather(*tasks)

    async def _ask_on(self, client: httpx.AsyncClient, number: int) -> None:
        chance = random.Random(f"{self.seed} {number}")
        while not self.ending.is_set():
            use_case = chance.choice(sorted(self.make))
            count = chance.randint(1, self.most_rows)
            rows = [self.make[use_case](chance) for _ in range(count)]
            identity = f"w{self.seed}-{number}-{chance.getrandbits(48):x}"
            self.sent.append(await self._ask(client, use_case, identity, rows))
            if self.sent[-1].status == 0:
                await asyncio.sleep(0.05)
            await asyncio.sleep(self.pause)

    async def _ask(
        self, client: httpx.AsyncClient, use_case: str, identity: str, rows: list[Row]
    ) -> Sent:
        began = time.monotonic()
        status, body = 0, None
        try:
            found = await client.post(
                f"{self.url()}/v1/{use_case}/predict",
                json={"rows": rows},
                headers={"X-Request-ID": identity},
            )
            status, body = found.status_code, found.json()
        except (httpx.TransportError, ValueError):
            status = 0
        return Sent(use_case, identity, rows, status, body, time.monotonic() - began)


@dataclass
class Verdict:
    """Ids of predictions, by what is wrong with them."""

    answered: int = 0
    missing: list[str] = field(default_factory=list)
    """Answered with 200, and not in the log."""
    different: list[str] = field(default_factory=list)
    """In the log with another row, answer, version or request."""
    unasked: list[str] = field(default_factory=list)
    """In the log, of a request that no client sent."""
    refused: list[str] = field(default_factory=list)
    """In the log, of a request that was refused: its client was told so."""
    wrong: list[str] = field(default_factory=list)
    """Not what the named version answers offline."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong at all."""
        found = (self.missing, self.different, self.unasked, self.refused, self.wrong)
        return not any(found)


def read_log(url: str, use_cases: Iterable[str]) -> list[Logged]:
    """Return all that the log at *url* holds."""
    later = datetime.now(UTC) + timedelta(days=1)
    with PredictionStore.opened(url) as store:
        return [
            logged
            for use_case in use_cases
            for logged, _ in store.read(use_case, since=EPOCH, until=later)
        ]


def judge(
    sent: Sequence[Sent],
    logged: Iterable[Logged],
    offline: Callable[[str], Predictor] | None = None,
) -> Verdict:
    """Compare what clients saw with what was *logged* and what versions answer *offline*."""
    verdict = Verdict()
    asked = {one.request_id: one for one in sent}
    held = {one.prediction_id: one for one in logged}
    known: set[str] = set()
    for one in sent:
        expected = offline_answers(one, offline)
        for place, (row, answer) in enumerate(zip(one.rows, one.answers, strict=False)):
            verdict.answered += 1
            identity, fields = split(answer)
            known.add(identity)
            record = held.get(identity)
            if record is None:
                verdict.missing.append(identity)
            elif not agrees(record, one, row, answer["model"], fields):
                verdict.different.append(identity)
            if expected is not None and not same(expected[place], fields):
                verdict.wrong.append(identity)
    for identity, record in held.items():
        if identity in known:
            continue
        request = asked.get(record.request_id)
        if request is None or record.row not in request.rows:
            verdict.unasked.append(identity)
        elif request.status:
            verdict.refused.append(identity)
    return verdict


def agrees(record: Logged, sent: Sent, row: Row, tag: str, fields: Row) -> bool:
    """Whether *record* is of that row, version, answer and request."""
    asked = (record.use_case, record.request_id, record.row)
    told = (record.tag, record.answer)
    return asked == (sent.use_case, sent.request_id, row) and told == (tag, fields)


def offline_answers(
    sent: Sent, offline: Callable[[str], Predictor] | None
) -> list[Row] | None:
    """Return what the version that a request's answers name says offline."""
    if offline is None or not sent.answers:
        return None
    return offline(sent.answers[0]["model"]).predict_raw(sent.rows)


def split(answer: Row) -> tuple[str, Row]:
    """Return an answer's id, and its fields without id and model."""
    fields = {k: v for k, v in answer.items() if k not in ("prediction_id", "model")}
    return answer["prediction_id"], fields


def metric(url: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that have *labels*, over all workers."""
    total = 0.0
    for line in httpx.get(f"{url}/metrics", timeout=10).text.splitlines():
        head, _, value = line.rpartition(" ")
        found, _, labelled = head.partition("{")
        if found == name and all(f'{k}="{v}"' in labelled for k, v in labels.items()):
            total += float(value)
    return total


def iris_row(chance: random.Random) -> Row:
    """Make a flower that nobody else sends, but with little luck."""
    names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    return {name: round(chance.uniform(0.1, 8), 6) for name in names}


def spam_row(chance: random.Random) -> Row:
    """Make a message, with what JSON and SQL have to escape."""
    words = ["free", "prize", "see", "you", "Zürich", "☃", "\u001b[31m", "';--", "\\"]
    return {"text": " ".join(chance.choices(words, k=6)) + f" {chance.random()}"}
