"""The client on the page of tables does what the page says."""

import re
import subprocess
import sys

import pytest

from tests.servers import PROJECT, Server

pytestmark = pytest.mark.server

PAGE = (PROJECT / "docs" / "tables.md").read_text()
(PROGRAM,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_the_client_gets_its_predictions_as_a_frame(server: Server) -> None:
    program = PROGRAM.replace("http://127.0.0.1:3000", server.url)

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    header, first, second = done.stdout.strip().splitlines()
    assert header.split() == ["species", "probabilities.virginica"]
    assert first.split()[1] == "setosa"
    assert second.split()[1] == "virginica"
