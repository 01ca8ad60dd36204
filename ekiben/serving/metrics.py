"""The server's own Prometheus metrics; every label takes its values from a fixed, small set.

Those by version are in `version_counts.py`.
"""

from prometheus_client import Counter, Gauge, Histogram

from ekiben.serving.metric_files import reserve_new_files

reserve_new_files()

LATENCY = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SWAP = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

requests = Counter(
    "ekiben_requests", "Answered requests.", ["use_case", "status", "code"]
)
connections = Gauge(
    "ekiben_connections", "Open connections.", multiprocess_mode="livesum"
)
CLOSED_BY = ("too_many", "silent", "slow_body", "slow_reader")
closed_connections = Counter(
    "ekiben_closed_connections",
    "Connections ended without an answer: too_many, silent, slow_body, slow_reader.",
    ["reason"],
)
for one in CLOSED_BY:
    # A count that begins at 1 would be no increase to Prometheus.
    closed_connections.labels(one)
queued_rows = Gauge(
    "ekiben_queued_rows",
    "Rows that wait for the model.",
    ["use_case"],
    multiprocess_mode="livesum",
)
dropped_requests = Counter(
    "ekiben_dropped_requests",
    "Requests dropped before they were answered.",
    ["use_case", "reason"],
)
rows_in_flight = Gauge(
    "ekiben_rows_in_flight",
    "Rows that wait for the model or are being computed; EKIBEN_ROWS_IN_FLIGHT bounds "
    "their sum in each worker.",
    ["use_case"],
    multiprocess_mode="livesum",
)
admitted_requests = Counter(
    "ekiben_admitted_requests",
    "Requests whose rows were let in; when none is in flight, those answered and refused.",
    ["use_case"],
)
answered_requests = Counter(
    "ekiben_answered_requests",
    "Admitted requests that the model answered.",
    ["use_case"],
)
refused_requests = Counter(
    "ekiben_refused_requests",
    "Admitted requests that ended without an answer.",
    ["use_case", "reason"],
)
swaps = Counter(
    "ekiben_swaps",
    "Versions taken up after a move of production: done or rejected.",
    ["use_case", "result"],
)
swap_seconds = Histogram(
    "ekiben_swap_seconds",
    "From when a worker learned of a move of production to its first answer by it: "
    "trial, loading, and the wait for its effective time.",
    ["use_case"],
    buckets=SWAP,
)
automatic_rollbacks = Counter(
    "ekiben_automatic_rollbacks",
    "Workers of this server that went back from a version by themselves: failing, slow or "
    "wrong_answers.",
    ["use_case", "reason"],
)
worker_starts = Counter(
    "ekiben_worker_starts", "Workers that were started: more than there are, some died."
)
worker_ready = Gauge(
    "ekiben_worker_ready",
    "Whether every use case has a verified version, in the worst worker.",
    multiprocess_mode="livemin",
)
draining = Gauge(
    "ekiben_draining",
    "Whether the server has been told to stop.",
    multiprocess_mode="livemax",
)
ledger_unreachable = Gauge(
    "ekiben_ledger_unreachable",
    "Whether a worker cannot ask which version is production.",
    multiprocess_mode="livemax",
)
drift_psi = Gauge(
    "ekiben_drift_psi",
    "How far a field of the rows, or the prediction, is from training: the population "
    "stability index. Not a number: not computed.",
    ["use_case", "feature"],
    multiprocess_mode="livemostrecent",
)
drift_verdict = Gauge(
    "ekiben_drift_verdict",
    "0 none, 1 watch, 2 drifted; -1 not known: no reference, or not enough rows.",
    ["use_case"],
    multiprocess_mode="livemostrecent",
)
drift_rows = Gauge(
    "ekiben_drift_rows",
    "Logged rows of the last 7 days that drift was computed from.",
    ["use_case"],
    multiprocess_mode="livemostrecent",
)
drift_time = Gauge(
    "ekiben_drift_time_seconds",
    "When drift was computed, in seconds since 1970.",
    ["use_case"],
    multiprocess_mode="livemostrecent",
)
rate_refusals = Counter(
    "ekiben_rate_refusals",
    "Requests refused because their key or token sent too many a second or minute.",
)
quota_refusals = Counter(
    "ekiben_quota_refusals",
    "Requests refused because their key or token had its rows of the day.",
    ["use_case"],
)
log_rows = Counter("ekiben_log_rows", "Rows in the prediction log.", ["use_case"])
log_dropped_rows = Counter(
    "ekiben_log_dropped_rows",
    "Answered rows that the prediction log misses: full (it could not be written for too "
    "long), unwritable (a row that has no form there), lost (with a worker that died).",
    ["use_case", "reason"],
)
log_waiting_rows = Gauge(
    "ekiben_log_waiting_rows",
    "Answered rows that are not in the prediction log yet.",
    multiprocess_mode="livesum",
)
log_unavailable = Gauge(
    "ekiben_log_unavailable",
    "Whether a worker cannot write the prediction log.",
    multiprocess_mode="livemax",
)
log_flush_seconds = Histogram(
    "ekiben_log_flush_seconds",
    "Time of one transaction of the prediction log.",
    buckets=LATENCY,
)
feedback = Counter(
    "ekiben_feedback",
    "Items of feedback: accepted, duplicate, differing (a duplicate with another label) "
    "or unknown.",
    ["use_case", "result"],
)
live_quality = Gauge(
    "ekiben_live_quality",
    "A version's metric on predictions whose labels are known; NaN where there is none.",
    ["use_case", "model", "metric"],
    multiprocess_mode="livemostrecent",
)
feedback_coverage = Gauge(
    "ekiben_feedback_coverage",
    "Share of a use case's predictions that have feedback, among those old enough.",
    ["use_case"],
    multiprocess_mode="livemostrecent",
)
