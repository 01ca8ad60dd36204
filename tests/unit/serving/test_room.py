"""What a control group says of the memory that is left, in both of its versions."""

from pathlib import Path

import pytest

from ekiben.serving.room import memory_left

MEGABYTE = 2**20


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def group(directory: Path, limit: str, used: int, **stat: int) -> None:
    """Make a group of version 1 below a folder "memory", else of version 2."""
    directory.mkdir(parents=True, exist_ok=True)
    first = "memory" in directory.parts
    names = (
        ("memory.limit_in_bytes", "memory.usage_in_bytes")
        if first
        else ("memory.max", "memory.current")
    )
    (directory / names[0]).write_text(f"{limit}\n")
    (directory / names[1]).write_text(f"{used}\n")
    lines = [f"{name} {value}" for name, value in stat.items()]
    (directory / "memory.stat").write_text("\n".join(lines) + "\n")


def test_what_is_left_is_the_limit_less_what_cannot_be_given_back(
    tmp_path: Path, own: Path
) -> None:
    own.write_text("0::/\n")
    group(
        tmp_path,
        str(512 * MEGABYTE),
        300 * MEGABYTE,
        anon=250 * MEGABYTE,
        inactive_file=40 * MEGABYTE,
    )

    assert memory_left(tmp_path, own) == 252 * MEGABYTE


def test_the_group_of_a_process_outside_a_container_is_found_by_its_path(
    tmp_path: Path, own: Path
) -> None:
    own.write_text("0::/system.slice/ekiben.service\n")
    group(tmp_path / "system.slice" / "ekiben.service", str(100), 60)

    assert memory_left(tmp_path, own) == 40


@pytest.mark.parametrize("path", ["/libpod/1", "/not/seen/here"])
def test_version_one_is_read_too(tmp_path: Path, own: Path, path: str) -> None:
    own.write_text(f"9:name=systemd:/\n8:cpu,cpuacct:/\n4:memory:{path}\n")
    where = tmp_path / "memory" / ("libpod/1" if path == "/libpod/1" else "")
    group(where, str(1000), 700, total_inactive_file=100, inactive_file=1)

    assert memory_left(tmp_path, own) == 400


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096)])
def test_without_a_limit_there_is_nothing_to_say(
    tmp_path: Path, own: Path, limit: str
) -> None:
    own.write_text("0::/\n" if limit == "max" else "4:memory:/\n")
    group(tmp_path if limit == "max" else tmp_path / "memory", limit, 5)

    assert memory_left(tmp_path, own) is None


def test_where_there_are_no_groups_there_is_nothing_to_say(
    tmp_path: Path, own: Path
) -> None:
    assert memory_left(tmp_path, own) is None
    own.write_text("0::/\n")
    assert memory_left(tmp_path, own) is None
