"""Files of metrics have all their blocks, those that prometheus_client makes too."""

import os
import subprocess
import sys
from pathlib import Path

from ekiben.serving.metric_files import ReservedDict, fill, reserve_grown_files

MAKES_A_GAUGE = """
import ekiben.serving.metrics
from prometheus_client import Gauge
Gauge("late", "Made late.", multiprocess_mode="all").set(1)
"""


def blocks(path: Path) -> int:
    """Return how many bytes of *path* are on the disk."""
    return path.stat().st_blocks * 512


def test_every_file_that_a_worker_makes_has_its_blocks(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", MAKES_A_GAUGE], env=environment, check=True)

    made = list(tmp_path.glob("*.db"))

    assert any(path.name.startswith("gauge_all") for path in made)
    assert all(blocks(path) >= path.stat().st_size > 0 for path in made)


def test_a_file_that_grew_gets_the_blocks_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "counter_7.db"
    path.write_bytes(b"kept")
    os.truncate(path, 2**20)
    assert blocks(path) < 2**20

    reserve_grown_files(tmp_path, 7)

    assert blocks(path) >= 2**20
    assert path.read_bytes()[:4] == b"kept"


def test_what_is_reserved_reads_as_prometheus_client_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "counter_7.db"
    numbers = ReservedDict(str(path))
    numbers.write_value("one", 1.5, 0.0)  # type: ignore[no-untyped-call]
    numbers.close()  # type: ignore[no-untyped-call]
    fill(path, 2**17)

    found = ReservedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]

    assert [(key, value) for key, value, *_ in found] == [("one", 1.5)]
