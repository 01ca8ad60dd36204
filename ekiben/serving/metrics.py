"""The server's own Prometheus metrics; every label takes its values from a fixed, small set."""

from prometheus_client import Counter, Gauge, Histogram

LATENCY = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

requests = Counter(
    "ekiben_requests", "Answered requests.", ["use_case", "status", "code"]
)
rows = Counter("ekiben_rows", "Rows answered with a prediction.", ["use_case"])
request_seconds = Histogram(
    "ekiben_request_seconds",
    "From the first byte of a predict request to its answer.",
    ["use_case"],
    buckets=LATENCY,
)
batch_rows = Histogram(
    "ekiben_batch_rows", "Rows in one model call.", ["use_case"], buckets=ROWS
)
queue_seconds = Histogram(
    "ekiben_queue_seconds",
    "How long the oldest request of a batch had waited for the model.",
    ["use_case"],
    buckets=LATENCY,
)
model_seconds = Histogram(
    "ekiben_model_seconds",
    "Time of one model call, encoding included.",
    ["use_case"],
    buckets=LATENCY,
)
queued_rows = Gauge(
    "ekiben_queued_rows",
    "Rows that wait for the model.",
    ["use_case"],
    multiprocess_mode="livesum",
)
dropped_requests = Counter(
    "ekiben_dropped_requests",
    "Requests dropped before the model saw them.",
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
failed_batches = Counter(
    "ekiben_failed_batches",
    "Model calls that failed; each is halved until the guilty request is alone.",
    ["use_case"],
)
batch_shape_mismatches = Counter(
    "ekiben_batch_shape_mismatch",
    "Model calls that answered another number of rows, or numbers that are none.",
    ["use_case"],
)
