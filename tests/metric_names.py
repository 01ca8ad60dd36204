"""Every metric that Ekiben declares, by name, as `/metrics` and its readers know it.

`python -m tests.metric_names` writes the table of docs/monitoring.md anew.
"""

from dataclasses import dataclass

from prometheus_client.metrics import MetricWrapperBase

from ekiben.serving import metrics
from ekiben.serving.version_counts import COUNTERS, GAUGES, HISTOGRAMS
from tests.servers import PROJECT

PAGE = PROJECT / "docs" / "monitoring.md"
HEAD = "| metric | type | labels | meaning |\n|---|---|---|---|\n"

SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}


@dataclass(frozen=True)
class Declared:
    """A metric: `name` is what `/metrics` has after `# TYPE`."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str

    @property
    def samples(self) -> set[str]:
        """The names of its samples."""
        base = self.name.removesuffix("_total")
        return {base + suffix for suffix in SUFFIXES[self.type]}


def declared() -> dict[str, Declared]:
    """Return all of them, by name, in alphabetical order."""
    found = [_of(one) for one in vars(metrics).values() if _is_metric(one)]
    for family in (*HISTOGRAMS, *COUNTERS, *GAUGES):
        name = _name(family.name, family.type)
        found.append(Declared(name, family.type, family.labels, family.help))
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}


def sample_names() -> set[str]:
    """Return the names of all samples."""
    return set().union(*(one.samples for one in declared().values()))


def _is_metric(one: object) -> bool:
    # A child with its labels is of the same class.
    return isinstance(one, MetricWrapperBase) and not one._labelvalues


def _of(metric: MetricWrapperBase) -> Declared:
    (family,) = metric.describe()
    return Declared(
        _name(family.name, family.type),
        family.type,
        tuple(metric._labelnames),
        family.documentation,
    )


def _name(base: str, type: str) -> str:
    return f"{base}_total" if type == "counter" else base


def table() -> str:
    """Return the table of them all in Markdown."""
    lines = []
    for one in declared().values():
        labels = ", ".join(f"`{label}`" for label in one.labels)
        lines.append(f"| `{one.name}` | {one.type} | {labels} | {one.help} |\n")
    return HEAD + "".join(lines)


def in_page(text: str) -> str:
    """Return the table as *text* has it."""
    rest = text.partition(HEAD)[2]
    rows = rest.splitlines(keepends=True)
    length = next((i for i, row in enumerate(rows) if row[0] != "|"), len(rows))
    return HEAD + "".join(rows[:length])


if __name__ == "__main__":
    written = PAGE.read_text()
    PAGE.write_text(written.replace(in_page(written), table()))
