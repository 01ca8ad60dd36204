"""What the answers that came during a rollback say of how long it took."""

import pytest

from benchmarks.load import LoadFailed
from benchmarks.undo import Undo, told


def test_the_last_answer_of_any_client_by_the_version_left_is_the_end() -> None:
    one = [(0.1, "b"), (0.7, "a"), (0.8, "a")]
    other = [(0.2, "b"), (0.75, "b"), (0.9, "a")]

    assert told(0.6, [*one, *other], "a") == Undo(command=0.6, first=0.7, last=0.75)


def test_a_version_that_does_not_answer_is_no_figure() -> None:
    with pytest.raises(LoadFailed, match="a does not answer"):
        told(0.6, [(0.1, "b")], "a")
