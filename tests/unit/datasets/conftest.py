"""A tiny data set and a loopback server for its public file."""

import hashlib
import socket
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pandas as pd
import pandera.pandas as pa
import pytest

from ekiben.datasets import Dataset, PublicFile, columns, downloads
from ekiben.datasets.reading import reader

PUBLIC_TEXT = "Weight,kind\n" + "".join(
    f"{weight}.5,{kind}\n" for kind in ("pear", "plum") for weight in range(12)
)


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and writes no log."""

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


def sample_fruit() -> pd.DataFrame:
    """Return twenty fruits."""
    return pd.DataFrame(
        {"weight": [float(n) for n in range(20)], "kind": ["pear", "plum"] * 10}
    )


def fruit_at(url: str, content: str = PUBLIC_TEXT) -> Dataset:
    """Return a data set whose public file is *content* at *url*."""
    return Dataset(
        name="fruit",
        target="kind",
        labels=("pear", "plum"),
        table=lambda: pa.DataFrameSchema(
            {
                "weight": columns.number(0, 100),
                "kind": columns.choice(("pear", "plum")),
            },
            strict=True,
        ),
        read=reader({"Weight": "weight"}),
        sample=sample_fruit,
        sample_kind="sample",
        sample_source="generator of fruit",
        public=PublicFile(
            name="fruit.csv",
            url=url,
            sha256=hashlib.sha256(content.encode()).hexdigest(),
            bytes=len(content),
        ),
        note="Not to be eaten.",
    )


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the loopback server directly, whatever the machine's proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dataset]:
    """The data set with its public file on a loopback server, which may take its time."""
    monkeypatch.setattr(downloads, "CONNECT_SECONDS", 60.0)
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "fruit.csv").write_text(PUBLIC_TEXT)
    handler = partial(QuietHandler, directory=str(folder))
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield fruit_at(f"http://127.0.0.1:{server.server_port}/fruit.csv")
        server.shutdown()


@pytest.fixture
def unreachable() -> Dataset:
    """The data set with its public file at a port where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return fruit_at(f"http://127.0.0.1:{port}/fruit.csv")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty folder for downloads, not made yet."""
    return tmp_path / "cache" / "data"
