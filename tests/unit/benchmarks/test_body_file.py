"""Bodies keep every byte in the file that the clients read."""

from pathlib import Path

from benchmarks import body_file


def test_bodies_with_line_ends_and_none_at_all_survive(tmp_path: Path) -> None:
    bodies = [b"one\ntwo", b"", b"\x00\n3\n"]

    body_file.write(tmp_path / "bodies", bodies)

    assert body_file.read(tmp_path / "bodies") == bodies
