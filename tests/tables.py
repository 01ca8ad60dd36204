"""Arrow streams for tests: made of rows, mutated, and read as the JSON answer they stand for."""

import io
import random
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pyarrow as pa

from benchmarks.dialects import nested
from ekiben.use_cases.use_case import UseCase

ARROW = "application/vnd.apache.arrow.stream"


def stream(table: Any, batch_rows: int | None = None, **options: Any) -> bytes:
    """Return *table* as a stream, with pyarrow's *options* for writing."""
    sink = io.BytesIO()
    written = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(sink, table.schema, options=written) as writer:
        writer.write_table(table, batch_rows)
    return sink.getvalue()


def of_rows(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the stream of *rows*, types as pyarrow infers them."""
    return stream(pa.Table.from_pylist(rows))


def cast(table: Any, **types: Any) -> Any:
    """Return *table* with the named columns in other types."""
    for name, kind in types.items():
        place = table.schema.get_field_index(name)
        column = table.column(place)
        other = column.dictionary_encode() if kind is dict else column.cast(kind)
        table = table.set_column(place, name, other)
    return table


def as_json(body: bytes) -> list[dict[str, Any]]:
    """Return what the JSON answer with the same predictions holds."""
    return [nested(row) for row in pa.ipc.open_stream(body).read_all().to_pylist()]


def post(
    client: httpx.Client, use_case: UseCase, body: bytes, **headers: str
) -> httpx.Response:
    return client.post(
        f"/v1/{use_case.name}/predict",
        content=body,
        headers={"Content-Type": ARROW, **headers},
    )


NUMBERS = (0, 1, 2**31 - 1, 2**31, 2**32 - 1)
BYTES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)


def mutated(body: bytes, chance: random.Random) -> bytes:
    """Return *body* cut off, or with a few bits, bytes, or aligned numbers changed."""
    if chance.random() < 0.1:
        return body[: chance.randrange(len(body))]
    changed = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at, way = chance.randrange(len(body)), chance.random()
        if way < 0.4:
            changed[at] ^= 1 << chance.randrange(8)
        elif way < 0.7:
            changed[at] = chance.choice(BYTES)
        else:
            at &= ~3
            number = chance.choice((*NUMBERS, len(body), 2 * len(body)))
            changed[at : at + 4] = number.to_bytes(4, "little")
    return bytes(changed)
