"""The same row through the same version: the answer is identical, or the cause is named."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, TypeVar

import orjson

from ekiben.errors import ArtefactRefused, UnknownModel, UnknownUseCase
from ekiben.monitoring.differences import Change, Difference, changes, differences
from ekiben.monitoring.records import Logged
from ekiben.monitoring.rows import Cause, Obstacle, row_of
from ekiben.predictor import Predictor, load_predictor
from ekiben.registry.libraries import PLATFORM
from ekiben.registry.store import Store
from ekiben.schemas.base import Row
from ekiben.use_cases.catalog import get_use_case
from ekiben.use_cases.rounding import rounded
from ekiben.use_cases.use_case import Fields

CHUNK = 500
"""Rows that are asked in one call."""
EXAMPLES = 5
VERSIONS = 4
"""Versions that are in memory at a time: a window seldom has more that take turns."""
NOTHING_ELSE = "artefact, libraries and platform are those of then"

T = TypeVar("T")


@dataclass(frozen=True)
class Opened:
    """A version to be asked, and in what it was made elsewhere."""

    predictor: Predictor
    changes: tuple[Change, ...]
    decimals: int | None = None
    """What servers round probabilities to, None: they do not."""


Open = Callable[[str], Opened | Obstacle]
"""Exact tag to the version, or why it cannot be had."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of one logged prediction; `cause` and `words` unless it is identical.

    `exact`: to the last bit, not only within GOLDEN_TOLERANCE.
    """

    record: Logged
    verdict: Literal["identical", "different", "impossible"]
    cause: Cause | None = None
    words: str = ""
    differences: tuple[Difference, ...] = ()
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """A logged row, as a version takes it, and what the version says of it now."""

    record: Logged
    row: Row
    answer: Fields


Hindered = tuple[Logged, Obstacle]


@dataclass
class Tally:
    """How many of the logged predictions came out how.

    Rows that the log does not hold whole are counted apart: nothing is wrong with them.
    """

    identical: int = 0
    exact: int = 0
    not_whole: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """Cause -> predictions that are different or impossible."""
    examples: list[Replay] = field(default_factory=list)
    """The first faults."""

    def add(self, one: Replay) -> None:
        """Count one replay."""
        if one.verdict == "identical":
            self.identical += 1
            self.exact += one.exact
        elif one.cause == "row not whole":
            self.not_whole += 1
        else:
            self.faults[str(one.cause)] += 1
            if len(self.examples) < EXAMPLES:
                self.examples.append(one)


def opening(
    store: Store, digests: Mapping[str, str], decimals: int | None = None
) -> Open:
    """Return what opens versions of *store*, and keeps the last ones.

    *digests* are the artefacts' by tag, as the releases recorded them; *decimals* what
    servers round probabilities to.
    """

    @lru_cache(VERSIONS)
    def opened(tag: str) -> Opened | Obstacle:
        found = open_version(store, tag, digests.get(tag))
        return replace(found, decimals=decimals) if isinstance(found, Opened) else found

    return opened


def open_version(store: Store, tag: str, digest: str | None) -> Opened | Obstacle:
    """Load the version *tag*, or tell what is wrong with it.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    try:
        use_case = get_use_case(tag.partition(":")[0])
        manifest = store.verify(tag)
    except UnknownUseCase as error:
        return Obstacle("use case unknown", str(error))
    except UnknownModel:
        return Obstacle("artefact missing", f"{tag} is gone from the store")
    except ArtefactRefused as refusal:
        return Obstacle("artefact altered", str(refusal))
    if digest not in (None, manifest.digest):
        words = f"{tag} is not the artefact that was promoted"
        return Obstacle("artefact altered", words)
    other = changes(manifest.card.libraries)
    try:
        return Opened(load_predictor(store, use_case, tag, digest), other)
    except ArtefactRefused as refusal:
        return _refused(refusal, other)


def replay(records: Iterable[Logged], open_version: Open) -> Iterator[Replay]:
    """Ask every one of *records* again, by its own version, CHUNK at a time."""
    for chunk in chunks(records, CHUNK):
        by_tag: dict[str, list[Logged]] = {}
        for record in chunk:
            by_tag.setdefault(record.tag, []).append(record)
        for tag, of_tag in by_tag.items():
            yield from _replay(of_tag, open_version(tag))


def replay_one(record: Logged, open_version: Open) -> Replay:
    """Ask one record again."""
    return next(replay([record], open_version))


def ask(
    records: Sequence[Logged], predictor: Predictor
) -> tuple[list[Answered], list[Hindered]]:
    """Let *predictor* answer the rows of *records*, in one call if it can."""
    rows = [(record, row_of(predictor.use_case, record)) for record in records]
    hindered = [(one, row) for one, row in rows if isinstance(row, Obstacle)]
    whole = [(one, row) for one, row in rows if not isinstance(row, Obstacle)]
    answered: list[Answered] = []
    answers = _answers(predictor, [row for _, row in whole])
    for (record, row), answer in zip(whole, answers, strict=True):
        if isinstance(answer, Obstacle):
            hindered.append((record, answer))
        else:
            answered.append(Answered(record, row, answer))
    return answered, hindered


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield *items* in lists of at most *size*."""
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk


def _replay(records: Sequence[Logged], version: Opened | Obstacle) -> Iterator[Replay]:
    if isinstance(version, Obstacle):
        yield from (_impossible(record, version) for record in records)
        return
    answered, hindered = ask(records, version.predictor)
    yield from (_judge(one.record, one.answer, version) for one in answered)
    yield from (_impossible(*one) for one in hindered)


def _judge(record: Logged, answer: Fields, version: Opened) -> Replay:
    found = tuple(differences(record.answer, answer))
    if found and version.decimals is not None:
        answer = rounded(answer, version.decimals)
        found = tuple(differences(record.answer, answer))
    if not found:
        return Replay(record, "identical", exact=record.answer == answer)
    values = ", ".join(str(one) for one in found)
    around = "; ".join(str(one) for one in version.changes) or NOTHING_ELSE
    cause = _cause(version.changes)
    return Replay(record, "different", cause, f"{values}; {around}", found)


def _refused(refusal: ArtefactRefused, other: Sequence[Change]) -> Obstacle:
    cause = _cause(other)
    told = "".join(f"; {one}" for one in other)
    found: Cause = "artefact refused" if cause == "answer" else cause
    return Obstacle(found, f"{refusal}{told}")


def _cause(other: Sequence[Change]) -> Cause:
    names = {one.name for one in other}
    if names - {PLATFORM}:
        return "libraries"
    return "platform" if names else "answer"


def _impossible(record: Logged, obstacle: Obstacle) -> Replay:
    return Replay(record, "impossible", obstacle.cause, obstacle.words)


def _answers(predictor: Predictor, rows: Sequence[Row]) -> list[Fields | Obstacle]:
    """Answer *rows* as JSON has it; a row that the model raises at alone gets an obstacle."""
    if not rows:
        return []
    try:
        return [_as_json(one) for one in predictor.predict(rows)]
    except Exception as error:  # whatever an estimator raises, the other rows are asked
        if len(rows) == 1:
            words = f"the model raised {type(error).__name__}"
            return [Obstacle("model raised", words)]
    return [answer for row in rows for answer in _answers(predictor, [row])]


def _as_json(fields: Fields) -> Any:
    return orjson.loads(orjson.dumps(fields))
