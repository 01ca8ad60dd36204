"""What each loaded version did, counted in plain numbers and published ten times a second.

A metric of prometheus_client costs a microsecond a time; these cost a third of that.
"""

import logging
import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from prometheus_client.mmap_dict import mmap_key
from prometheus_client.utils import floatToGoString

from ekiben.serving.metrics import LATENCY, ROWS
from ekiben.serving.sheet import Keys, Numbers, Sheet, Sheets

log = logging.getLogger(__name__)

ERRORS = ("internal", "deadline_exceeded")


@dataclass(frozen=True)
class Family:
    """A metric by use case and version; *bounds* make it a histogram, *codes* a label more."""

    name: str
    help: str
    type: str
    bounds: Sequence[float] = ()
    codes: Sequence[str] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its labels."""
        return ("use_case", "model", *(["code"] if self.codes else []))


REQUEST_SECONDS = Family(
    "ekiben_request_seconds",
    "From the first byte of a predict request to its answer.",
    "histogram",
    LATENCY,
)
QUEUE_SECONDS = Family(
    "ekiben_queue_seconds",
    "How long the oldest request of a batch had waited for the model.",
    "histogram",
    LATENCY,
)
MODEL_SECONDS = Family(
    "ekiben_model_seconds",
    "Time of one model call, encoding included.",
    "histogram",
    LATENCY,
)
BATCH_ROWS = Family("ekiben_batch_rows", "Rows in one model call.", "histogram", ROWS)
ANSWERED_ROWS = Family("ekiben_rows", "Rows answered with a prediction.", "counter")
FAILED_BATCHES = Family(
    "ekiben_failed_batches",
    "Model calls that failed; each is halved until the guilty request is alone.",
    "counter",
)
MISMATCHES = Family(
    "ekiben_batch_shape_mismatch",
    "Model calls that answered another number of rows, or numbers that are none.",
    "counter",
)
VERSION_ERRORS = Family(
    "ekiben_errors",
    "Admitted requests that the version failed or did not answer in time.",
    "counter",
    codes=ERRORS,
)
LOADED = Family(
    "ekiben_version_loaded", "Workers that have the version in memory.", "gauge"
)
ANSWERING = Family(
    "ekiben_version_answering", "Workers that answer by the version.", "gauge"
)
HISTOGRAMS = (REQUEST_SECONDS, QUEUE_SECONDS, MODEL_SECONDS, BATCH_ROWS)
COUNTERS = (ANSWERED_ROWS, FAILED_BATCHES, MISMATCHES, VERSION_ERRORS)
GAUGES = (LOADED, ANSWERING)


class Distribution:
    """How many observations fell between bounds, and their sum. One thread adds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class VersionCounts:
    """The counts of one version in this process; each number has one thread that adds."""

    def __init__(self, use_case: str, tag: str) -> None:
        self.labels = {"use_case": use_case, "model": tag}
        self.request_seconds = Distribution(LATENCY)
        self.queue_seconds = Distribution(LATENCY)
        self.model_seconds = Distribution(LATENCY)
        self.batch_rows = Distribution(ROWS)
        self.distributions = (
            self.request_seconds,
            self.queue_seconds,
            self.model_seconds,
            self.batch_rows,
        )
        self.rows = 0
        self.failed_batches = 0
        self.mismatches = 0
        self.errors = dict.fromkeys(ERRORS, 0)
        self.answering = False
        self.sheet: Sheet | None = None

    def keys(self) -> Keys:
        """Return the names of all numbers, by type, in the order of `numbers`."""
        return {
            "histogram": [k for one in HISTOGRAMS for k in self._histogram(one)],
            "counter": [self._key(*one) for one in self.plain(COUNTERS)],
            "gauge_livesum": [self._key(*one) for one in self.plain(GAUGES)],
        }

    def plain(
        self, families: Sequence[Family]
    ) -> Iterator[tuple[Family, str, dict[str, str]]]:
        """Yield family, name and labels of each sample of *families*, no histograms."""
        for family in families:
            sample = family.name + "_total" * (family.type == "counter")
            if not family.codes:
                yield family, sample, self.labels
            for code in family.codes:
                yield family, sample, self.labels | {"code": code}

    def numbers(self) -> Numbers:
        """Return all numbers as they are now."""
        return {
            "histogram": [n for d in self.distributions for n in (*d.counts, d.total)],
            "counter": [
                self.rows,
                self.failed_batches,
                self.mismatches,
                *self.errors.values(),
            ],
            "gauge_livesum": [1, int(self.answering)],
        }

    @staticmethod
    def _key(family: Family, sample: str, labels: dict[str, str]) -> str:
        key: str = mmap_key(
            family.name, sample, list(labels), list(labels.values()), family.help
        )
        return key

    def _histogram(self, family: Family) -> Iterator[str]:
        for bound in (*family.bounds, float("inf")):
            labels = self.labels | {"le": floatToGoString(bound)}  # type: ignore[no-untyped-call]
            yield self._key(family, f"{family.name}_bucket", labels)
        yield self._key(family, f"{family.name}_sum", self.labels)


class Versions:
    """The counts of one use case's versions; all but `of` is for the event loop."""

    def __init__(self, use_case: str, sheets: Sheets | None = None) -> None:
        self._use_case = use_case
        self._sheets = sheets or Sheets(use_case)
        self._counts: dict[str, VersionCounts] = {}
        self._lock = threading.Lock()
        self._full = False

    def of(self, tag: str) -> VersionCounts:
        """Return the counts of one version, new ones the first time it is seen."""
        counts = self._counts.get(tag)
        if counts is None:
            with self._lock:
                counts = self._counts.setdefault(
                    tag, VersionCounts(self._use_case, tag)
                )
        return counts

    def listing(self) -> list[VersionCounts]:
        """Return the counts of all versions that are loaded."""
        return list(self._counts.values())

    def keep(self, loaded: Set[str], answering: str | None) -> None:
        """Take in which versions are *loaded*; the others leave the metrics."""
        for tag in loaded:
            self.of(tag).answering = tag == answering
        for tag in self._counts.keys() - loaded:
            with self._lock:
                gone = self._counts.pop(tag)
            if gone.sheet is not None:
                self._sheets.give_back(gone.sheet)
            self._sheets.forget(gone.keys()["counter"][0])
        self.publish()

    def publish(self) -> None:
        """Write what changed to where `/metrics` reads it."""
        for counts in self.listing():
            if counts.sheet is None:
                counts.sheet = self._take(counts)
            if counts.sheet is not None:
                counts.sheet.write(counts.numbers())

    def _take(self, counts: VersionCounts) -> Sheet | None:
        """Return a sheet, None while there is no room for one: it is tried again."""
        try:
            sheet = self._sheets.take(counts.keys())
        except OSError as error:
            if not self._full:
                log.error("no room for metrics", extra={"reason": error.strerror})
            self._full = True
            return None
        self._full = False
        return sheet
