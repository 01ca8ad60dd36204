"""Counts by version for a process that shares its metrics with no other: tests, and programs that embed Ekiben."""

from collections.abc import Iterator
from itertools import accumulate
from weakref import WeakSet

from prometheus_client import Metric
from prometheus_client.registry import REGISTRY, Collector
from prometheus_client.utils import floatToGoString

from ekiben.serving.version_counts import (
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    Distribution,
    Family,
    VersionCounts,
    Versions,
)

Labels = dict[str, str]


class InProcess(Collector):
    """Gives prometheus_client's registry what the use cases of this process count."""

    def __init__(self) -> None:
        self._all: WeakSet[Versions] = WeakSet()

    def add(self, versions: Versions) -> None:
        """Show *versions* for as long as they are used."""
        self._all.add(versions)

    def describe(self) -> list[Metric]:
        """Return nothing: what there is depends on the versions."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every family with the samples of every version."""
        counts = [one for versions in self._all for one in versions.listing()]
        for position, family in enumerate(HISTOGRAMS):
            metric = Metric(family.name, family.help, "histogram")
            for one in counts:
                _add(metric, one.labels, one.distributions[position])
            yield metric
        for kind, families in (("counter", COUNTERS), ("gauge_livesum", GAUGES)):
            yield from _plain(kind, families, counts)


def _add(metric: Metric, labels: Labels, found: Distribution) -> None:
    counts = list(accumulate(found.counts))
    for bound, count in zip((*found.bounds, float("inf")), counts, strict=True):
        le = floatToGoString(bound)  # type: ignore[no-untyped-call]
        metric.add_sample(f"{metric.name}_bucket", labels | {"le": le}, count)
    metric.add_sample(f"{metric.name}_count", labels, counts[-1])
    metric.add_sample(f"{metric.name}_sum", labels, found.total)


def _plain(
    kind: str, families: tuple[Family, ...], counts: list[VersionCounts]
) -> Iterator[Metric]:
    made = {
        family.name: Metric(family.name, family.help, family.type)
        for family in families
    }
    for one in counts:
        for (family, sample, labels), value in zip(
            one.plain(families), one.numbers()[kind], strict=True
        ):
            made[family.name].add_sample(sample, labels, value)
    yield from made.values()


IN_PROCESS = InProcess()
REGISTRY.register(IN_PROCESS)
