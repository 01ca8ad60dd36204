"""Every server is asked for the same rows."""

import json

from benchmarks.dialects import NAMED, PLAIN, TABLE, V2


def test_each_dialect_carries_the_rows() -> None:
    rows = [{"a": 1}, {"a": 2}]

    assert json.loads(PLAIN.encode("iris", rows)) == {"rows": rows}
    assert json.loads(NAMED.encode("iris", rows)) == {"use_case": "iris", "rows": rows}
    (tensor,) = json.loads(V2.encode("iris", rows))["inputs"]
    assert [json.loads(one) for one in tensor["data"]] == rows
    assert tensor["shape"] == [2]


def test_texts_are_read_as_rows() -> None:
    body = b'{"outputs": [{"data": ["{\\"p\\": 0.5}"]}]}'

    assert V2.decode(body) == [{"p": 0.5}]


def test_tables_carry_the_rows_and_objects_come_back_whole() -> None:
    rows = [{"a": 1.5, "p": "x"}, {"a": 2.5, "p": "y"}]
    flat = [{"label": "x", "p.x": 0.25, "p.y": 0.75}]

    assert TABLE.decode(TABLE.encode("iris", rows)) == rows
    assert TABLE.decode(TABLE.encode("iris", flat)) == [
        {"label": "x", "p": {"x": 0.25, "y": 0.75}}
    ]
