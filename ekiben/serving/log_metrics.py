"""The numbers of the prediction log as Prometheus metrics."""

from collections.abc import Iterable

from ekiben.serving import metrics

REASONS = ("full", "unwritable", "lost")


class LogMetrics:
    """What the log's writer tells, counted; thread-safe as prometheus_client is.

    All counts of *use_cases* are there from the start: to Prometheus one that begins at
    its first loss did not increase.
    """

    def __init__(self, use_cases: Iterable[str]) -> None:
        for use_case in use_cases:
            metrics.log_rows.labels(use_case)
            for reason in REASONS:
                metrics.log_dropped_rows.labels(use_case, reason)

    def written(self, use_case: str, rows: int) -> None:
        """Count rows that are in the log."""
        metrics.log_rows.labels(use_case).inc(rows)

    def dropped(self, use_case: str, reason: str, rows: int) -> None:
        """Count answered rows that never will be."""
        metrics.log_dropped_rows.labels(use_case, reason).inc(rows)

    def waiting(self, rows: int) -> None:
        """Say how many rows are not in the log yet."""
        metrics.log_waiting_rows.set(rows)

    def flushed(self, seconds: float) -> None:
        """Say what one transaction took."""
        metrics.log_flush_seconds.observe(seconds)

    def available(self, is_available: bool) -> None:
        """Say whether the log can be written."""
        metrics.log_unavailable.set(not is_available)
