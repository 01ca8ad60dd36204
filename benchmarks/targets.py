"""What Ekiben promises against the baselines, and whether a run kept it.

Bounds are on medians over the repeats, one row a request.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.results import Case, Results, Spread

EKIBEN = "ekiben"
BUSY = 32
"""Connections of a loaded server: each worker always has requests waiting."""
LONE = 1
"""Connections of an idle server: one client, which waits for each answer."""


@dataclass(frozen=True)
class Ratio:
    """Ekiben answers at least *minimum* times as many requests as *against*."""

    against: str
    minimum: float
    use_cases: tuple[str, ...] | None = None
    """None: every use case."""


RATIOS = (
    # A frame per request and a second model call cost about the same everywhere. The
    # wrappers of boosted trees and forests add to it: they check, convert and, in the
    # forest, start threads and ask tree after tree from Python, all for a single row.
    Ratio("tutorial", 8, ("iris", "spam", "topics")),
    Ratio("tutorial", 60, ("turnover",)),
    Ratio("tutorial", 200, ("fraud",)),
    # What is left when the careful engineer has done it all by hand: the batching and
    # the compiled edge.
    Ratio("tuned", 5),
    Ratio("stock", 20),
    # What parses and answers and does nothing else, against guard, key, metrics and log.
    Ratio("asgi", 0.5, ("iris",)),
)
PEERS = ("litserve", "mlserver", "ray")
"""Ekiben is ahead of each of them under every load."""
ALONE_ROWS = 1000
ALONE_SHARES = {EKIBEN: 0.5, "arrow": 0.8}
"""Of the rows that the model alone answers, so many are answered over HTTP: as JSON, as tables."""
P50_SHARE = 0.5
"""Of the p50 that a lone client of `tuned` sees, ours is at most so much."""


@dataclass(frozen=True)
class Verdict:
    """Whether one target was met, None where it was not measured."""

    target: str
    met: bool | None
    measured: str = ""


def verdicts(results: Results, use_cases: tuple[str, ...]) -> list[Verdict]:
    """Return the verdict on every target of *use_cases*."""
    return [
        *(one for name in use_cases for one in _ratios(results, name)),
        *(one for name in use_cases for one in _latencies(results, name)),
        *(one for name in use_cases for one in _alone(results, name)),
        *_peers(results),
        *_failures(results),
    ]


def _ratios(results: Results, use_case: str) -> Iterator[Verdict]:
    for target in RATIOS:
        if target.use_cases is not None and use_case not in target.use_cases:
            continue
        ratio = results.find_ratio(EKIBEN, target.against, Case(use_case, 1, BUSY))
        yield Verdict(
            f"{use_case}: at {BUSY} connections at least {target.minimum:g} times"
            f" the requests of {target.against}",
            None if ratio is None else ratio.median >= target.minimum,
            "" if ratio is None else f"{ratio.median:.1f} times",
        )


def _latencies(results: Results, use_case: str) -> Iterator[Verdict]:
    busy, lone = Case(use_case, 1, BUSY), Case(use_case, 1, LONE)
    ours = results.find(EKIBEN, busy, "p99_ms")
    for other in ("tutorial", "tuned"):
        yield _not_above(
            f"{use_case}: at {BUSY} connections p99 below that of {other}",
            ours,
            results.find(other, busy, "p99_ms"),
        )
    ours, theirs = (results.find(one, lone, "p50_ms") for one in (EKIBEN, "tuned"))
    yield _not_above(
        f"{use_case}: at {LONE} connection p50 at most {P50_SHARE:g} of that of tuned",
        ours,
        theirs,
        P50_SHARE,
    )


def _not_above(
    target: str, ours: Spread | None, theirs: Spread | None, share: float = 1.0
) -> Verdict:
    if ours is None or theirs is None:
        return Verdict(target, None)
    measured = f"{ours.median:.2f} ms against {theirs.median:.2f} ms"
    return Verdict(target, ours.median <= theirs.median * share, measured)


def _alone(results: Results, use_case: str) -> Iterator[Verdict]:
    wanted = [
        one
        for one in results.cases
        if (one.use_case, one.rows) == (use_case, ALONE_ROWS)
    ]
    for server, share in ALONE_SHARES.items():
        ratios = [results.find_ratio(server, "in-process", one) for one in wanted]
        ratio = ratios[0] if ratios else None
        form = "Arrow" if server == "arrow" else "JSON"
        yield Verdict(
            f"{use_case}: {ALONE_ROWS} rows a request in {form} at {share:.0%}"
            " of the rows that the model alone answers",
            None if ratio is None else ratio.median >= share,
            "" if ratio is None else f"{ratio.median:.0%}",
        )


def _peers(results: Results) -> Iterator[Verdict]:
    """Closed loops only: in an open one each server answers what it is offered."""
    for case in results.cases:
        for peer in PEERS:
            ratio = results.find_ratio(EKIBEN, peer, case)
            if case.share or ratio is None:
                continue
            yield Verdict(
                f"{case.use_case}: ahead of {peer} with {case.rows} rows over"
                f" {case.connections} connections",
                ratio.median > 1,
                f"{ratio.median:.2f} times",
            )


def _failures(results: Results) -> Iterator[Verdict]:
    for server in (EKIBEN, "arrow", "bento-path"):
        for case in results.cases:
            if not results.of(server, case):
                continue
            failures = results.failures(server, case)
            yield Verdict(
                f"{case.use_case}: no failed request of {server} with {case.rows} rows"
                f" over {case.connections} connections",
                failures == 0,
                f"{failures} failed",
            )
