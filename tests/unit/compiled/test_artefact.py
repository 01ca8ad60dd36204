"""The files of a compiled model: what is written is read back, and nothing else is read."""

import io
from pathlib import Path

import numpy as np
import pytest

from ekiben.compiled.artefact import (
    DESCRIPTION,
    Artefact,
    Malformed,
    in_order,
    pack,
    read_artefact,
    unpack,
)

ARTEFACT = Artefact(
    "tree", (False, True), {"depth": 3}, {"one.npz": b"\x00\x01", "two.txt": b"text"}
)


class Trap:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, note: Path) -> None:
        self.note = note

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.note,)


def test_what_was_rendered_is_read_back() -> None:
    files = {**ARTEFACT.render(), "saved_model.pkl": b"of another reader"}

    assert read_artefact(files) == ARTEFACT


def test_the_files_lie_in_a_folder_of_their_own() -> None:
    assert set(ARTEFACT.render()) == {
        "compiled/form.json",
        "compiled/one.npz",
        "compiled/two.txt",
    }


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b'{"form": "tree", "facts": {}}', id="no-classes"),
        pytest.param(b'{"form": "tree", "classes": 3, "facts": {}}', id="a-number"),
        pytest.param(b"\xff\xfe", id="not-text"),
    ],
)
def test_what_is_no_description_is_refused(content: bytes | None) -> None:
    files = {} if content is None else {DESCRIPTION: content}

    with pytest.raises(Malformed, match=r"form\.json cannot be read"):
        read_artefact(files)


def test_arrays_are_read_back_to_the_last_bit() -> None:
    arrays = {"a": np.array([0.1, -0.0, 1e-320]), "b": np.arange(6).reshape(2, 3)}

    found = unpack(pack(arrays))

    assert set(found) == {"a", "b"}
    for name, one in arrays.items():
        assert found[name].tobytes() == one.tobytes()
        assert (found[name].dtype, found[name].shape) == (one.dtype, one.shape)


def test_arrays_cut_anywhere_are_refused() -> None:
    content = pack({"a": np.arange(20.0), "b": np.arange(3)})

    for end in range(len(content)):
        with pytest.raises(Malformed):
            unpack(content[:end])


def test_an_array_of_objects_is_refused_and_never_unpickled(tmp_path: Path) -> None:
    note = tmp_path / "sprung"
    file = io.BytesIO()
    np.savez(file, a=np.array([Trap(note)], dtype=object))

    with pytest.raises(Malformed, match="allow_pickle"):
        unpack(file.getvalue())

    assert not note.exists()


def test_the_trap_springs_where_unpickling_is_allowed(tmp_path: Path) -> None:
    note = tmp_path / "sprung"
    file = io.BytesIO()
    np.savez(file, a=np.array([Trap(note)], dtype=object))

    with np.load(io.BytesIO(file.getvalue()), allow_pickle=True) as loaded:
        _ = loaded["a"]

    assert note.exists()


def test_columns_are_put_into_the_order_that_is_asked_for() -> None:
    def score(_: object) -> np.ndarray:
        return np.array([[0.1, 0.2, 0.7]])

    assert in_order(score, "abc", "abc") is score
    assert in_order(score, "abc", "cab")(None).tolist() == [[0.7, 0.1, 0.2]]
    with pytest.raises(ValueError, match="classes"):
        in_order(score, "abc", "abd")
