"""C-88: what BentoML and servers like it were broken by, tried on the built image."""

import pickle
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.criteria_plugin import Figure
from tests.e2e.boxes import Box
from tests.servers import Server
from tests.timing import at_most, measures_time

CANARY = "/var/ekiben/canary"
LISTENS = re.compile(r"^\s*\d+: ([0-9A-F]{8}):([0-9A-F]{4}) 00000000:0000 0A ", re.M)
LOOPBACK = "0100007F"
BODY = {"rows": [{"text": "free prize, call now"}]}
OLD_PICKLES = (
    "application/vnd.bentoml+pickle",
    "application/vnd.bentoml+pickle; charset=utf-8",
    "application/pickle",
    "application/octet-stream",
    "application/x-python-serialize",
)


class Opened:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return open, (CANARY, "w")


def there(box: Box, path: str) -> bool:
    return (
        box.execute("sh", "-c", f"test -e {path} && echo yes || echo no").strip()
        == "yes"
    )


def ports(box: Box) -> dict[str, set[int]]:
    """Return the ports on which anything listens, by address as the kernel writes it."""
    found: dict[str, set[int]] = {}
    for table in ("tcp", "tcp6"):
        for address, port in LISTENS.findall(box.execute("cat", f"/proc/net/{table}")):
            found.setdefault(address, set()).add(int(port, 16))
    return found


def ask_inside(box: Box, port: int, content: bytes) -> None:
    """Send *content* to a port that only the container itself can reach."""
    network = f"--net=/proc/{box.container.pid}/ns/net"
    sending = f"cat >/dev/tcp/127.0.0.1/{port}"
    subprocess.run(
        ["nsenter", network, "timeout", "3", "bash", "-c", sending],
        input=content,
        capture_output=True,
        check=False,
    )


def test_c88_only_the_servers_port_is_open_to_others(box: Box) -> None:
    open_ports = ports(box)
    open_ports.pop(LOOPBACK, None)

    assert set().union(*open_ports.values()) == {3000}


@pytest.mark.parametrize("kind", OLD_PICKLES)
def test_c88_no_pickle_is_opened_on_any_route(
    box: Box, client: httpx.Client, kind: str
) -> None:
    for path in ("/v1/iris/predict", "/v1/spam/predict", "/", "/predict_iris"):
        answer = client.post(
            path,
            content=pickle.dumps(Opened()),
            headers={"Content-Type": kind, "Payload-Container": "NdarrayContainer"},
        )
        assert answer.status_code in (404, 405, 415), path

    assert not there(box, CANARY)


def test_c88_no_pickle_is_opened_on_any_port(box: Box, client: httpx.Client) -> None:
    for port in sorted(set().union(*ports(box).values())):
        ask_inside(box, port, pickle.dumps(Opened()))
    time.sleep(0.5)

    assert not there(box, CANARY)
    assert client.post("/v1/spam/predict", json=BODY).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "{{ 7 * 7 }}{% include '/etc/passwd' %}",
        "${jndi:ldap://127.0.0.1/x} $(touch /var/ekiben/canary)",
    ],
)
def test_c88_an_address_or_a_template_is_only_a_text(
    box: Box, client: httpx.Client, text: str
) -> None:
    answer = client.post("/v1/spam/predict", json={"rows": [{"text": text}]})

    assert answer.status_code == 200
    assert set(answer.json()[0]) >= {"label", "probability"}
    assert "root:" not in answer.text
    assert not there(box, CANARY)


@measures_time
@pytest.mark.parametrize("boundary", ["x", "-" * 60, "x" * 2000])
def test_c88_a_multipart_bomb_is_not_parsed(
    client: httpx.Client, boundary: str
) -> None:
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    began = time.monotonic()

    answer = client.post(
        "/v1/iris/predict",
        content=part * 2000 + f"--{boundary}--\r\n",
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )

    took = time.monotonic() - began
    assert answer.status_code == 415
    at_most(5, took)


def test_c88_paths_lead_to_no_file(client: httpx.Client) -> None:
    for path in (
        "/docs/assets/../../../../etc/passwd",
        "/docs/assets/%2e%2e/%2e%2e/etc/passwd",
        "/docs/assets/..%2f..%2fbento.yaml",
        "/static_content/../bento.yaml",
    ):
        answer = client.get(path)
        assert answer.status_code in (400, 404), path
        assert "root:" not in answer.text


IMPORT = """
import io, os, subprocess, tarfile
os.environ["BENTOML_HOME"] = "/tmp/home"
with tarfile.open("/tmp/evil.bento", "w:gz") as tar:
    def add(name, content=b"x", **kind):
        one = tarfile.TarInfo(name); one.size = len(content)
        for key, value in kind.items(): setattr(one, key, value)
        tar.addfile(one, io.BytesIO(content))
    add("bento.yaml", b"service: s:s\\nname: evil\\nversion: '1'\\nbentoml_version: 1.4.39\\n"
        b"creation_time: '2026-01-01T00:00:00+00:00'\\n")
    add("../../../../../../var/ekiben/canary")
    add("/var/ekiben/canary")
    add("link", b"", type=tarfile.SYMTYPE, linkname="/var/ekiben")
    add("link/canary")
subprocess.run(["bentoml", "import", "/tmp/evil.bento"], capture_output=True)
print(os.path.lexists("/var/ekiben/canary"))
"""


def test_c88_an_imported_archive_writes_nothing_outside_of_its_place(box: Box) -> None:
    assert box.execute("python", "-c", IMPORT).strip() == "False"


def test_c88_the_server_still_answers(
    box: Box, either_server: Server, figure: Figure
) -> None:
    with either_server.client() as asking:
        assert asking.post("/v1/spam/predict", json=BODY).status_code == 200
        assert asking.get("/readyz").status_code == 200
    peak = box.memory_peak()
    if peak is not None:
        figure("most memory of five use cases, MB", round(peak / 2**20))


def test_c88_the_image_holds_no_route_that_takes_files(client: httpx.Client) -> None:
    document = client.get("/openapi.json").text

    assert "multipart/form-data" not in document
    assert '"format":"binary"' not in document.replace(" ", "")


def test_c88_the_scripts_of_the_image_start_nothing_by_a_shell() -> None:
    scripts = Path(__file__).parents[2] / "ekiben" / "packaging"

    assert [
        one.name for one in scripts.rglob("*.py") if "shell=True" in one.read_text()
    ] == []
