"""The Deployment of deploy/kubernetes, run as a pod by `podman kube play`."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml

from ekiben.packaging.containers import Engine
from tests import kustomize
from tests.servers import PROJECT, free_port

OVERLAY = PROJECT / "deploy" / "kubernetes" / "overlays" / "production"
NAME = "ekiben-kube-play"
SECRETS = {"database-url": "sqlite:////tmp/ledger.db", "key-pepper": "k" * 40}
START_SECONDS = 300.0
FLOWER = {
    "sepal_length": 5.1,
    "sepal_width": 3.5,
    "petal_length": 1.4,
    "petal_width": 0.2,
}


def podman(*arguments: str) -> str:
    done = subprocess.run(
        ["podman", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Pod:
    """A pod that runs, and where it answers on this host."""

    url: str
    container: str

    def execute(self, *command: str) -> str:
        return podman("exec", self.container, *command)

    def inspected(self) -> Any:
        return json.loads(podman("container", "inspect", self.container))[0]


def wanted(image: str, port: int) -> list[dict[str, Any]]:
    """Return our ConfigMap and Deployment for one host: with a port of it, and our image."""
    documents = kustomize.settled(kustomize.render(OVERLAY))
    deployment = documents["Deployment", "ekiben"]
    deployment["metadata"]["name"] = NAME
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["image"] = image
    container["ports"][0] |= {"hostPort": port, "hostIP": "127.0.0.1"}
    # podman makes of it a health check that runs curl inside, which the image has not.
    del container["livenessProbe"]
    return [documents["ConfigMap", "ekiben-settings"], deployment]


@contextlib.contextmanager
def secret() -> Iterator[None]:
    """Give podman what a cluster has as Secret ekiben-secrets, in the form that it takes."""
    values = {
        name: base64.b64encode(value.encode()).decode()
        for name, value in SECRETS.items()
    }
    subprocess.run(
        ["podman", "secret", "create", "ekiben-secrets", "-"],
        input=json.dumps(values).encode(),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    try:
        yield
    finally:
        podman("secret", "rm", "ekiben-secrets")


@pytest.fixture(scope="module")
def pod(
    engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pod]:
    """Our Deployment, run by podman; ready at its begin."""
    if engine.name != "podman":
        pytest.skip(f"only podman plays Kubernetes manifests; here is {engine.name}")
    needed = [one for one in ("podman", "catatonit") if not shutil.which(one)]
    if needed:
        reason = f"not installed: {', '.join(needed)}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    digest = podman("image", "inspect", "--format={{index .RepoDigests 0}}", image)
    port = free_port()
    file = tmp_path_factory.mktemp("kube-play") / "pod.yaml"
    file.write_text(yaml.safe_dump_all(wanted(digest.strip(), port)))
    with secret():
        try:
            podman("kube", "play", str(file))
            running = Pod(f"http://127.0.0.1:{port}", f"{NAME}-pod-0-ekiben")
            wait_until_ready(running)
            yield running
        finally:
            podman("kube", "play", "--down", str(file))


def wait_until_ready(pod: Pod) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{pod.url}/readyz", timeout=2).status_code == 200:
                return
        time.sleep(0.2)
    raise AssertionError(podman("logs", pod.container))


def test_the_pod_answers_a_prediction(pod: Pod) -> None:
    asked = ("ekiben", "keys", "create", "--scope", "predict", "--json")
    key = json.loads(pod.execute(*asked))["key"]
    assert (
        httpx.post(f"{pod.url}/v1/iris/predict", json={"rows": [FLOWER]}).status_code
        == 401
    )

    for _ in range(600):
        answer = httpx.post(
            f"{pod.url}/v1/iris/predict",
            json={"rows": [FLOWER]},
            headers={"Authorization": f"Bearer {key}"},
        )
        if answer.status_code != 401:  # the server reads its keys twice a second
            break
        time.sleep(0.1)

    assert answer.status_code == 200, answer.text
    assert answer.json()[0]["species"] == "setosa"


def test_the_pod_is_confined_as_the_manifest_says(pod: Pod) -> None:
    found = pod.inspected()

    assert found["HostConfig"]["ReadonlyRootfs"] is True
    assert not found["EffectiveCaps"]
    assert "no-new-privileges" in found["HostConfig"]["SecurityOpt"]
    assert found["Config"]["User"].split(":")[0] != "0"
    mounted = {one["Destination"] for one in found["Mounts"] if one["RW"]}
    assert mounted == {"/tmp", "/var/ekiben"}


def test_the_hook_before_the_stop_drains(pod: Pod) -> None:
    (deployment,) = [one for one in wanted("", 0) if one["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    hook = container["lifecycle"]["preStop"]["exec"]["command"]
    try:
        assert "is draining" in pod.execute(*hook)

        answer = httpx.get(f"{pod.url}/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "draining")
    finally:
        pod.execute(*hook, "--undo")
    assert httpx.get(f"{pod.url}/livez").status_code == 200
