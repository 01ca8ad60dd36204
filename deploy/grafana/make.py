"""Writes the dashboards: what is on them is here, their JSON is made from it."""

import json
from pathlib import Path

from deploy.grafana.panels import Dashboard, Panel, Section

FOLDER = Path(__file__).parent / "dashboards"
CHOSEN = 'use_case=~"$use_case"'
WINDOW = "$__rate_interval"


def rate(name: str, by: str, more: str = "") -> str:
    """Return a counter's increase per second, added up by labels."""
    labels = ", ".join(filter(None, [CHOSEN, more]))
    return f"sum by ({by}) (rate({name}{{{labels}}}[{WINDOW}]))"


def quantile(share: float, name: str, by: str, window: str = WINDOW) -> str:
    """Return a quantile of a histogram, by labels."""
    buckets = f"rate({name}_bucket{{{CHOSEN}}}[{window}])"
    return f"histogram_quantile({share}, sum by ({by}, le) ({buckets}))"


def latency(title: str, name: str, help: str) -> Panel:
    """Return a panel of the median and the 99th percentile by version."""
    by = "use_case, model"
    queries = {
        "{{model}} p50": quantile(0.5, name, by),
        "{{model}} p99": quantile(0.99, name, by),
    }
    return Panel(title, queries, "s", help)


def by_use_case(title: str, name: str, unit: str = "short", help: str = "") -> Panel:
    """Return a panel of a gauge, added up over servers."""
    queries = {"{{use_case}}": f"sum by (use_case) ({name}{{{CHOSEN}}})"}
    return Panel(title, queries, unit, help)


NOW = Section(
    "Now",
    [
        Panel(
            "Servers that are ready",
            {"ready": "sum(ekiben_worker_ready)", "all": "count(ekiben_worker_ready)"},
            kind="stat",
            width=6,
        ),
        Panel(
            "Servers told to drain",
            {"draining": "sum(ekiben_draining)"},
            kind="stat",
            width=4,
        ),
        Panel(
            "Ledger out of reach",
            {"servers": "sum(ekiben_ledger_unreachable)"},
            kind="stat",
            width=4,
            help="Servers that cannot ask which version is production; they answer on.",
        ),
        Panel(
            "Workers by the version that answers",
            {
                "{{model}}": f"sum by (use_case, model) (ekiben_version_answering{{{CHOSEN}}}) > 0"
            },
            kind="stat",
            width=10,
        ),
    ],
)
TRAFFIC = Section(
    "Traffic",
    [
        Panel(
            "Requests",
            {
                "{{use_case}} {{status}}": rate(
                    "ekiben_requests_total", "use_case, status"
                )
            },
            "reqps",
        ),
        Panel(
            "Rows answered",
            {"{{model}}": rate("ekiben_rows_total", "use_case, model")},
            "cps",
        ),
        Panel(
            "Refusals and errors by code",
            {
                "{{use_case}} {{code}}": rate(
                    "ekiben_requests_total", "use_case, code", 'code!=""'
                )
            },
            "reqps",
            "Codes as in the error body; those of clients too.",
        ),
        Panel(
            "Failed requests",
            {"{{use_case}}": f"ekiben:requests_failed:ratio5m{{{CHOSEN}}}"},
            "percentunit",
            "5xx of all, five minutes.",
        ),
        Panel(
            "Errors of versions",
            {
                "{{model}} {{code}}": rate(
                    "ekiben_errors_total", "use_case, model, code"
                )
            },
            "reqps",
        ),
        Panel(
            "Dropped before they were answered",
            {
                "{{use_case}} {{reason}}": rate(
                    "ekiben_dropped_requests_total", "use_case, reason"
                )
            },
            "reqps",
        ),
    ],
)
LATENCY = Section(
    "Where the time goes",
    [
        latency(
            "Whole request", "ekiben_request_seconds", "From first byte to the answer."
        ),
        latency("Queue", "ekiben_queue_seconds", "The oldest request of each batch."),
        latency("Model", "ekiben_model_seconds", "One model call, encoding included."),
        Panel(
            "Rows of a batch",
            {
                "{{model}} mean": f"ekiben:batch_rows:mean5m{{{CHOSEN}}}",
                "{{model}} p99": quantile(0.99, "ekiben_batch_rows", "use_case, model"),
            },
        ),
        by_use_case("Rows that wait", "ekiben_queued_rows"),
        by_use_case(
            "Rows in flight",
            "ekiben_rows_in_flight",
            help="EKIBEN_ROWS_IN_FLIGHT bounds their sum in each worker.",
        ),
    ],
)
VERSIONS = Section(
    "Versions and workers",
    [
        Panel(
            "Versions loaded",
            {
                "{{use_case}}": "count by (use_case) (sum by (use_case, model) "
                f"(ekiben_version_loaded{{{CHOSEN}}}))"
            },
        ),
        Panel(
            "Swaps in an hour",
            {
                "{{use_case}} {{result}}": "sum by (use_case, result) "
                f"(increase(ekiben_swaps_total{{{CHOSEN}}}[1h]))",
                "{{use_case}} taken back: {{reason}}": "sum by (use_case, reason) "
                f"(increase(ekiben_automatic_rollbacks_total{{{CHOSEN}}}[1h]))",
            },
        ),
        Panel(
            "Time of a swap",
            {
                "{{use_case}} p99": quantile(
                    0.99, "ekiben_swap_seconds", "use_case", "1d"
                )
            },
            "s",
            "Trial, loading, and the wait for its time.",
        ),
        Panel(
            "Worker starts",
            {
                "{{instance}}": "sum by (instance) (increase(ekiben_worker_starts_total[1h]))"
            },
        ),
        Panel(
            "Connections",
            {
                "open": "sum(ekiben_connections)",
                "ended: {{reason}}": "sum by (reason) "
                f"(rate(ekiben_closed_connections_total[{WINDOW}]))",
            },
        ),
        Panel(
            "Model calls that failed",
            {
                "{{model}}": rate("ekiben_failed_batches_total", "use_case, model"),
                "{{model}} wrong shape": rate(
                    "ekiben_batch_shape_mismatch_total", "use_case, model"
                ),
            },
            "cps",
        ),
    ],
)
LOG = Section(
    "Prediction log",
    [
        Panel(
            "Rows logged",
            {"{{use_case}}": rate("ekiben_log_rows_total", "use_case")},
            "cps",
        ),
        Panel(
            "Rows missing",
            {
                "{{use_case}} {{reason}}": rate(
                    "ekiben_log_dropped_rows_total", "use_case, reason"
                )
            },
            "cps",
        ),
        Panel(
            "Rows that wait to be logged",
            {
                "{{instance}}": "sum by (instance) (ekiben_log_waiting_rows)",
                "{{instance}} out of reach": "sum by (instance) (ekiben_log_unavailable)",
            },
        ),
        Panel(
            "Time of a transaction of the log",
            {
                "p99": "histogram_quantile(0.99, "
                f"sum by (le) (rate(ekiben_log_flush_seconds_bucket[{WINDOW}])))"
            },
            "s",
        ),
    ],
)
FEEDBACK = Section(
    "Feedback and live quality",
    [
        Panel(
            "Feedback",
            {
                "{{use_case}} {{result}}": rate(
                    "ekiben_feedback_total", "use_case, result"
                )
            },
            "cps",
        ),
        Panel(
            "Predictions with feedback",
            {
                "{{use_case}}": f"max by (use_case) (ekiben_feedback_coverage{{{CHOSEN}}})"
            },
            "percentunit",
        ),
        Panel(
            "Live quality by version",
            {
                "{{model}} {{metric}}": "max by (use_case, model, metric) "
                f"(ekiben_live_quality{{{CHOSEN}}})"
            },
        ),
    ],
)
DRIFT = Section(
    "Drift",
    [
        Panel(
            "Verdict",
            {"{{use_case}}": f"max by (use_case) (ekiben_drift_verdict{{{CHOSEN}}})"},
            kind="stat",
            help="0 none, 1 watch, 2 drifted; -1 not known.",
        ),
        Panel(
            "Shift from training by field",
            {
                "{{use_case}} {{feature}}": "max by (use_case, feature) "
                f"(ekiben_drift_psi{{{CHOSEN}}})"
            },
            help="Population stability index.",
        ),
        Panel(
            "Rows compared, and how old that is",
            {
                "{{use_case}} rows": f"max by (use_case) (ekiben_drift_rows{{{CHOSEN}}})",
                "{{use_case}} hours": "(time() - max by (use_case) "
                f"(ekiben_drift_time_seconds{{{CHOSEN}}})) / 3600",
            },
        ),
    ],
)
DASHBOARDS = (
    Dashboard("ekiben-service", "Ekiben: service", [NOW, TRAFFIC, LATENCY, VERSIONS]),
    Dashboard("ekiben-quality", "Ekiben: quality", [LOG, FEEDBACK, DRIFT]),
)


def text_of(dashboard: Dashboard) -> str:
    """Return the content of a dashboard's file."""
    return json.dumps(dashboard.json(), indent=1) + "\n"


if __name__ == "__main__":
    for one in DASHBOARDS:
        (FOLDER / f"{one.uid}.json").write_text(text_of(one))
