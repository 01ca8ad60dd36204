"""How each kind of server is asked: under which path, in which form, and what it answers."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from benchmarks.payloads import Fields, compact, encode


@dataclass(frozen=True)
class Dialect:
    """What a client has to know of a server."""

    encode: Callable[[str, Sequence[Fields]], bytes]
    """Use case and rows to the body of one predict request."""
    decode: Callable[[bytes], list[Fields]]
    """The body of an answer to one entry a row."""
    path: str = "/v1/{use_case}/predict"
    ready: str = "/readyz"
    content_type: str = "application/json"


def _plain(_: str, rows: Sequence[Fields]) -> bytes:
    return encode(rows)


def _named(use_case: str, rows: Sequence[Fields]) -> bytes:
    return compact({"use_case": use_case, "rows": list(rows)})


def _texts(_: str, rows: Sequence[Fields]) -> bytes:
    texts = [compact(row).decode() for row in rows]
    tensor = {"name": "rows", "datatype": "BYTES", "shape": [len(rows)], "data": texts}
    return compact({"inputs": [tensor]})


def _of_texts(body: bytes) -> list[Fields]:
    (output,) = json.loads(body)["outputs"]
    return [json.loads(text) for text in output["data"]]


def _table(_: str, rows: Sequence[Fields]) -> bytes:
    table = pa.Table.from_pylist(list(rows))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _of_table(body: bytes) -> list[Fields]:
    rows = pa.ipc.open_stream(body).read_all().to_pylist()
    return [nested(row) for row in rows]


def nested(row: Fields) -> Fields:
    """Return *row* with columns such as `probabilities.setosa` as one object."""
    found: Fields = {}
    for name, value in row.items():
        outer, _, inner = name.partition(".")
        if inner:
            found.setdefault(outer, {})[inner] = value
        else:
            found[outer] = value
    return found


PLAIN = Dialect(_plain, json.loads)
"""Ours, and that of every server whose routes can be chosen."""
NAMED = Dialect(_named, json.loads, path="/predict", ready="/health")
"""One route for all use cases: so LitServe answers all of them with one worker."""
TABLE = Dialect(_table, _of_table, content_type="application/vnd.apache.arrow.stream")
"""Ours, for clients that have tables."""
V2 = Dialect(
    _texts, _of_texts, path="/v2/models/{use_case}/infer", ready="/v2/health/ready"
)
"""The Open Inference Protocol, rows as JSON texts: so MLServer batches them."""
