"""C-01, C-08, C-10 and C-11 for bodies in Arrow: whatever a stream claims, the server lives."""

import io
import pickle
import random
import struct
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pytest

from ekiben.use_cases.catalog import USE_CASES
from tests.faults.asking import assert_problem, model_calls
from tests.faults.test_bodies import Canary
from tests.servers import Server
from tests.tables import as_json, cast, mutated, of_rows, post, stream
from tests.timing import at_most, measures_time

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("unharmed")]

IRIS, TURNOVER, _, SPAM, _ = USE_CASES
LIMIT = 4 * 1024 * 1024
FEW, MANY = 500, 20_000
Figure = Callable[[str, object], None]

EMPLOYEES = pa.Table.from_pylist(TURNOVER.examples * 10)
TEXTS = pa.table(
    {"text": [f"message numéro {number}, not short" for number in range(40)]}
)
BODIES = [
    (IRIS, of_rows(IRIS.examples)),
    (TURNOVER, stream(EMPLOYEES, 7)),
    (TURNOVER, stream(cast(EMPLOYEES, department=dict, salary=dict), 7)),
    (TURNOVER, stream(cast(EMPLOYEES, department=pa.string_view()))),
    (SPAM, stream(TEXTS)),
    (SPAM, stream(cast(TEXTS, text=pa.string_view()))),
    (SPAM, stream(cast(TEXTS, text=pa.large_string()), 9)),
    (SPAM, stream(pa.table({"text": ["a", None], "more": [1, None]}))),
]


def attack(client: httpx.Client, count: int, seed: int) -> Counter[int]:
    """Send *count* mutated streams; return how often each status came."""
    chance = random.Random(seed)
    statuses: Counter[int] = Counter()
    for _ in range(count):
        use_case, body = chance.choice(BODIES)
        answer = post(client, use_case, mutated(body, chance))
        statuses[answer.status_code] += 1
        if answer.status_code == 200:
            as_json(answer.content)
        else:
            assert_problem(answer, answer.status_code, answer.json()["code"])
    return statuses


def test_c01_mutated_streams_are_answered_or_refused(client: httpx.Client) -> None:
    statuses = attack(client, FEW, seed=1)

    assert statuses.keys() <= {200, 400, 413, 422}
    assert statuses[400] > FEW / 4


@pytest.mark.slow
def test_c01_many_mutated_streams_are_answered_or_refused(
    client: httpx.Client, figure: Figure
) -> None:
    statuses = attack(client, MANY, seed=2)

    figure("mutated Arrow streams", MANY)
    assert statuses.keys() <= {200, 400, 413, 422}


@pytest.mark.parametrize("size", [0, 1, 8, 100, 5000])
def test_c01_noise_is_refused(client: httpx.Client, size: int) -> None:
    body = random.Random(size).randbytes(size)

    assert_problem(post(client, IRIS, body), 400, "invalid_json")


def test_c01_two_tables_in_one_body_are_refused(client: httpx.Client) -> None:
    body = of_rows(IRIS.examples)

    assert_problem(post(client, IRIS, body + body), 400, "invalid_json")


def test_c02_a_type_that_nests_deep_is_refused(client: httpx.Client) -> None:
    kind = pa.float64()
    for _ in range(200):
        kind = pa.struct([("a", kind)])
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, pa.schema([("sepal_length", kind)])):
        pass

    assert post(client, IRIS, sink.getvalue()).status_code in (400, 422)


@measures_time
def test_c08_a_claim_of_2_to_the_60_rows_costs_nothing(
    client: httpx.Client, either_server: Server
) -> None:
    (worker,) = either_server.workers()
    process = psutil.Process(worker)
    table = pa.table({name: pa.nulls(997) for name in IRIS.examples[0]})
    body = stream(table).replace(struct.pack("<q", 997), struct.pack("<q", 2**60))
    post(client, IRIS, body)  # the library is loaded with the first
    before, calls = process.memory_info().rss, model_calls(client, IRIS)
    start = time.monotonic()

    problem = assert_problem(post(client, IRIS, body), 422, "validation_failed")
    took = time.monotonic() - start

    assert problem["errors"][0]["code"] == "too_long"
    assert process.memory_info().rss - before < LIMIT
    assert model_calls(client, IRIS) == calls
    at_most(1, took)


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_c10_a_compressed_table_is_never_unpacked(
    client: httpx.Client, either_server: Server, codec: str
) -> None:
    (worker,) = either_server.workers()
    process = psutil.Process(worker)
    post(client, IRIS, of_rows(IRIS.examples))
    before = process.memory_info().rss
    zeros = pa.Array.from_buffers(
        pa.float64(), 50_000_000, [None, pa.py_buffer(bytes(400_000_000))]
    )
    body = stream(pa.table({"sepal_length": zeros}), compression=codec)
    assert len(body) < LIMIT

    problem = assert_problem(post(client, IRIS, body), 400, "invalid_json")

    assert "compressed" in problem["detail"]
    assert process.memory_info().rss - before <= 2 * LIMIT + 2**20


@pytest.mark.parametrize("kind", ["dictionary", "views"])
def test_c10_one_long_text_in_a_thousand_rows_is_counted_a_thousand_times(
    client: httpx.Client, either_server: Server, kind: str
) -> None:
    (worker,) = either_server.workers()
    process = psutil.Process(worker)
    post(client, SPAM, of_rows(SPAM.examples))
    before, length = process.memory_info().rss, LIMIT // 2
    column = pa.DictionaryArray.from_arrays(
        pa.array([0] * 1000, pa.int8()), pa.array(["x" * length])
    )
    if kind == "views":
        view = struct.pack("<i4sii", length, b"xxxx", 0, 0)
        buffers = [None, pa.py_buffer(view * 1000), pa.py_buffer(b"x" * length)]
        column = pa.Array.from_buffers(pa.string_view(), 1000, buffers)
    body = stream(pa.table({"text": column}))

    assert_problem(post(client, SPAM, body), 413, "payload_too_large")

    assert process.memory_info().rss - before <= 4 * LIMIT


def test_c10_a_body_over_the_limit_is_413(client: httpx.Client) -> None:
    body = of_rows(IRIS.examples).ljust(LIMIT + 1, b"\0")

    try:
        answer = post(client, IRIS, body)
    except httpx.TransportError:
        return  # closed while we still send
    assert_problem(answer, 413, "payload_too_large")


def test_c11_a_type_made_of_a_pickle_is_not_read(
    client: httpx.Client, tmp_path: Path
) -> None:
    """pyarrow of long ago made extension types by unpickling what the schema said."""
    canary = tmp_path / "sung"
    named = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Canary(canary)),
    }
    fields = [pa.field(name, pa.float64(), metadata=named) for name in IRIS.examples[0]]
    table = pa.Table.from_pylist(IRIS.examples, pa.schema(fields))

    assert_problem(post(client, IRIS, stream(table)), 422, "validation_failed")

    assert not canary.exists()


def test_c05_every_type_that_no_field_has_is_refused_by_name(
    client: httpx.Client,
) -> None:
    odd: list[Any] = [
        pa.array([[1.0]] * 2, pa.list_(pa.float64())),
        pa.array([[1.0]] * 2, pa.list_view(pa.float64())),
        pa.array([{"a": 1}] * 2),
        pa.array([1, 2], pa.duration("s")),
        pa.array([b"1", b"2"]),
        pa.nulls(2),
        pa.array([1.0, 2.0]).dictionary_encode(),
        pa.RunEndEncodedArray.from_arrays([1, 2], [1.0, 2.0]),
    ]
    table = pa.Table.from_pylist(IRIS.examples)

    for column in odd:
        place = table.schema.get_field_index("sepal_width")
        changed = table.set_column(place, "sepal_width", column)
        problem = assert_problem(
            post(client, IRIS, stream(changed)), 422, "validation_failed"
        )
        locs = [one["loc"] for one in problem["errors"]]
        assert locs == [["rows", 0, "sepal_width"], ["rows", 1, "sepal_width"]]
        assert {one["code"] for one in problem["errors"]} == {"float_type"}
