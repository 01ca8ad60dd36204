"""`ekiben deploy --kubernetes`: what is rendered, applied, undone, and told to the ledger."""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from ekiben.cli.kubernetes import (
    Cluster,
    deploy_to_kubernetes,
    roll_back_on_kubernetes,
)
from ekiben.errors import BuildRefused, ClusterRefused, ManifestsRefused
from ekiben.packaging.kubernetes import release_of
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from ekiben.settings import Settings
from tests.servers import PROJECT
from tests.tiny import ledger_url, productions, promote, register, trained

IMAGE = "registry.example/team/ekiben@sha256:" + "ab" * 32
OTHER = "registry.example/team/ekiben@sha256:" + "cd" * 32
STAGING = Cluster("staging", seconds=5)


@pytest.fixture
def real_kubectl() -> str:
    """The program; without it a test skips, but never in CI."""
    found = shutil.which("kubectl")
    if found:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("kubectl is not installed")
    pytest.skip("kubectl is not installed")


class FakeCluster:
    """A cluster in a file; see fake_kubectl.py."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def state(self) -> Any:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def set(self, **changed: object) -> None:
        self.path.write_text(json.dumps(self.state() | changed))

    @property
    def answering(self) -> Any:
        return self.state()["revisions"][-1]["document"]["spec"]["template"]

    def asked(self) -> list[str]:
        return [" ".join(one) for one in self.state().get("asked", [])]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with our manifests, which a test may change, and nothing else."""
    folder = tmp_path / "project"
    shutil.copytree(PROJECT / "deploy", folder / "deploy")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def cluster(
    project: Path, real_kubectl: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeCluster:
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    fake = Path(__file__).with_name("fake_kubectl.py")
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {fake} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("REAL_KUBECTL", real_kubectl)
    monkeypatch.setenv("FAKE_CLUSTER", str(tmp_path / "cluster.json"))
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return FakeCluster(tmp_path / "cluster.json")


def bento(folder: Path, version: str, models: Mapping[str, str]) -> Path:
    """Make as much of a Bento as is read of it."""
    path = folder / "bentos" / version
    (path / "src").mkdir(parents=True)
    told = {
        "name": "ekiben-server",
        "version": version,
        "labels": {},
        "services": [{"models": [{"tag": tag} for tag in models.values()]}],
    }
    (path / "bento.yaml").write_text(yaml.safe_dump(told))
    return path


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return bento(tmp_path, "first", {"iris": "iris:a", "spam": "spam:a"})


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return bento(tmp_path, "second", {"iris": "iris:b", "spam": "spam:a"})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home in which iris:b followed iris:a as production."""
    home = tmp_path / "home"
    store = Store.at(home)
    for minutes, version in enumerate(("a", "b")):
        promote(home, register(store, version=version, make_card=trained(minutes)))
    return Settings(home=home, actor="ada")


def test_what_is_rendered_names_image_bento_and_models(
    cluster: FakeCluster, first: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy_to_kubernetes(first, IMAGE, STAGING, render=True)

    rendered = list(yaml.safe_load_all(capsys.readouterr().out))
    (found,) = [one for one in rendered if one["kind"] == "Deployment"]
    template = found["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == IMAGE
    assert template["metadata"]["annotations"] == {
        "kubectl.kubernetes.io/default-container": "ekiben",
        "ekiben/bento": "ekiben-server:first",
        "ekiben/model.iris": "iris:a",
        "ekiben/model.spam": "spam:a",
    }
    assert {one["metadata"].get("namespace") for one in rendered} == {
        None,
        "ekiben-staging",
    }
    assert cluster.asked() == []


def test_the_canary_of_the_page_shares_no_pod_with_production(
    cluster: FakeCluster,
    project: Path,
    first: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (PROJECT / "docs" / "kubernetes.md").read_text()
    (block,) = re.findall(
        r"```yaml\n(resources: \[\.\./production\].*?)```", page, re.S
    )
    folder = project / "deploy" / "kubernetes" / "overlays" / "canary"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(block)
    found = {}
    for overlay in ("production", "canary"):
        deploy_to_kubernetes(first, IMAGE, Cluster(overlay), render=True)
        found[overlay] = {
            one["kind"]: one for one in yaml.safe_load_all(capsys.readouterr().out)
        }

    stable, canary = found["production"], found["canary"]
    pods = canary["Deployment"]["spec"]["template"]
    assert pods["spec"]["containers"][0]["image"] == IMAGE
    labels = pods["metadata"]["labels"]
    selectors: dict[str, Callable[[Any], Any]] = {
        "Service": lambda spec: spec["selector"],
        "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
        "Deployment": lambda spec: spec["selector"]["matchLabels"],
    }
    for kind, of in selectors.items():
        assert of(canary[kind]["spec"]).items() <= labels.items(), kind
        assert not of(stable[kind]["spec"]).items() <= labels.items(), kind
    scaled = canary["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"]
    assert scaled == canary["Deployment"]["metadata"]["name"] == "ekiben-canary"


def test_a_roll_out_is_applied_and_waited_for(
    cluster: FakeCluster, first: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy_to_kubernetes(first, IMAGE, STAGING, as_json=True)

    assert json.loads(capsys.readouterr().out) == {
        "namespace": "ekiben-staging",
        "bento": "ekiben-server:first",
        "image": IMAGE,
        "models": {"iris": "iris:a", "spam": "spam:a"},
        "ledger_not_told": {},
    }
    assert [one.split()[0] for one in cluster.asked()] == [
        "version",
        "get",
        "apply",
        "rollout",
        "get",
    ]


def test_pods_that_do_not_get_ready_are_undone(
    cluster: FakeCluster, first: Path, second: Path
) -> None:
    deploy_to_kubernetes(first, IMAGE, STAGING)
    cluster.set(breaks=True)

    with pytest.raises(ClusterRefused, match=r"undone, ekiben-server:first answers"):
        deploy_to_kubernetes(second, OTHER, STAGING)

    assert cluster.answering["spec"]["containers"][0]["image"] == IMAGE


def test_the_first_roll_out_has_nothing_to_be_undone_to(
    cluster: FakeCluster, first: Path
) -> None:
    cluster.set(breaks=True)

    with pytest.raises(ClusterRefused, match="the first roll-out, so nothing"):
        deploy_to_kubernetes(first, IMAGE, STAGING)
    assert not [one for one in cluster.asked() if "undo" in one]


def test_what_changes_no_pod_undoes_none(cluster: FakeCluster, first: Path) -> None:
    """The revision before would be another release, which nobody asked to go back to."""
    deploy_to_kubernetes(first, IMAGE, STAGING)
    state = cluster.state()
    state["revisions"][-1]["broken"] = True
    cluster.set(**state)

    with pytest.raises(ClusterRefused, match="the pods are those of before"):
        deploy_to_kubernetes(first, IMAGE, STAGING)
    assert not [one for one in cluster.asked() if "undo" in one]


def test_c87_a_rollback_brings_image_models_and_ledger_back(
    cluster: FakeCluster,
    first: Path,
    second: Path,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deploy_to_kubernetes(first, IMAGE, STAGING)
    deploy_to_kubernetes(second, OTHER, STAGING)
    assert productions(settings.home)["iris"].tag == "iris:b"
    capsys.readouterr()

    roll_back_on_kubernetes(STAGING, settings, as_json=True)

    assert json.loads(capsys.readouterr().out) == {
        "namespace": "ekiben-staging",
        "bento": "ekiben-server:first",
        "image": IMAGE,
        "models": {"iris": "iris:a", "spam": "spam:a"},
        "ledger_not_told": {},
    }
    assert cluster.answering["spec"]["containers"][0]["image"] == IMAGE
    assert productions(settings.home)["iris"].tag == "iris:a"
    with LedgerDatabase.opened(ledger_url(settings.home)) as database:
        told = database.verified().history("iris")[-1]
    assert (told.action, told.actor) == ("rollback", "ada")
    assert "from ekiben-server:second to ekiben-server:first" in told.reason


def test_pods_that_follow_the_ledger_have_nothing_to_tell_it(
    cluster: FakeCluster,
    project: Path,
    first: Path,
    second: Path,
    settings: Settings,
) -> None:
    file = project / "deploy" / "kubernetes" / "base" / "kustomization.yaml"
    file.write_text(file.read_text().replace("=pinned", "=follow"))
    deploy_to_kubernetes(first, IMAGE, STAGING)
    deploy_to_kubernetes(second, OTHER, STAGING)

    roll_back_on_kubernetes(STAGING, settings)

    assert cluster.answering["spec"]["containers"][0]["image"] == IMAGE
    assert productions(settings.home)["iris"].tag == "iris:b"


def test_c87_the_ledger_is_told_last_and_not_of_what_did_not_happen(
    cluster: FakeCluster, first: Path, second: Path, settings: Settings
) -> None:
    deploy_to_kubernetes(second, OTHER, STAGING)

    with pytest.raises(ClusterRefused, match="no rollout history"):
        roll_back_on_kubernetes(STAGING, settings)
    assert productions(settings.home)["iris"].tag == "iris:b"


def test_c87_what_somebody_moved_since_is_left_and_told(
    cluster: FakeCluster,
    first: Path,
    second: Path,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deploy_to_kubernetes(first, IMAGE, STAGING)
    deploy_to_kubernetes(second, OTHER, STAGING)
    third = register(Store.at(settings.home), version="c", make_card=trained(2))
    promote(settings.home, third)

    with pytest.raises(typer.Exit):
        roll_back_on_kubernetes(STAGING, settings)

    assert productions(settings.home)["iris"].tag == "iris:c"
    assert "not told of iris: production is iris:c" in (capsys.readouterr().err)


def test_without_a_cluster_it_is_refused_in_one_line(
    cluster: FakeCluster, project: Path, first: Path
) -> None:
    cluster.set(away=True)

    with pytest.raises(ClusterRefused) as refused:
        deploy_to_kubernetes(first, IMAGE, STAGING)

    assert "no cluster answers" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (project / "var" / "kubernetes" / "staging" / "kustomization.yaml").is_file()
    assert len(cluster.asked()) == 1


def test_kubectl_itself_says_that_there_is_no_cluster(
    project: Path,
    real_kubectl: str,
    first: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(ClusterRefused, match=r"no cluster answers: kubectl version"):
        deploy_to_kubernetes(first, IMAGE, STAGING)


def test_without_kubectl_it_is_refused_in_one_line(
    project: Path, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(ClusterRefused, match="kubectl is not installed"):
        deploy_to_kubernetes(first, IMAGE, STAGING)


@pytest.mark.parametrize(
    "image",
    [
        None,
        "registry.example/ekiben",
        "registry.example/ekiben:latest",
        "registry.example/ekiben@sha256:abc",
        f"registry.example/ekiben@sha256:{'0' * 64}",
        f"registry.example/ekiben\nx@sha256:{'ab' * 32}",
        f"{{{{ x }}}}@sha256:{'ab' * 32}",
    ],
)
def test_an_image_that_is_no_digest_is_refused(
    image: str | None, project: Path, first: Path
) -> None:
    with pytest.raises(BuildRefused, match="NAME@sha256:DIGEST"):
        deploy_to_kubernetes(first, image, STAGING)


def test_an_overlay_that_breaks_a_rule_is_not_applied(
    cluster: FakeCluster, project: Path, first: Path
) -> None:
    file = project / "deploy" / "kubernetes" / "base" / "deployment.yaml"
    file.write_text(file.read_text().replace("maxUnavailable: 0", "maxUnavailable: 1"))

    with pytest.raises(ManifestsRefused, match="maxUnavailable is not 0"):
        deploy_to_kubernetes(first, IMAGE, STAGING)
    assert cluster.asked() == []


def test_an_overlay_that_is_not_there_is_told(
    cluster: FakeCluster, first: Path
) -> None:
    with pytest.raises(BuildRefused, match=r"no kustomization\.yaml"):
        deploy_to_kubernetes(first, IMAGE, Cluster("prodcution"))


@pytest.mark.parametrize("tag", ["iris:a\nx", "iris:{{ x }}", "iris", "../x:y"])
def test_a_bento_whose_models_are_no_tags_is_refused(tmp_path: Path, tag: str) -> None:
    with pytest.raises(BuildRefused):
        release_of(bento(tmp_path, "odd", {"iris": tag}), IMAGE)
