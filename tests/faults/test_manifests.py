"""What is rolled out on Kubernetes: every rule holds for our manifests, and refuses a bad sample."""

import copy
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest
import yaml

from ekiben.packaging.manifest_rules import ROWS_METRIC, RULES, STOP_SECONDS, broken
from ekiben.packaging.manifests import Manifests
from ekiben.serving import metrics, supervisor
from ekiben.settings import Settings
from tests import kustomize
from tests.servers import PROJECT

FOLDER = PROJECT / "deploy" / "kubernetes"
OVERLAYS = ("staging", "production")
OLDEST = "1.31"
"""The oldest Kubernetes whose schemas the manifests are checked against."""
DIGEST = f"registry.example/ekiben@sha256:{'0' * 64}"

Documents = list[dict[str, Any]]
Change = Callable[[Documents], object]


@pytest.fixture(scope="module")
def production() -> Documents:
    return kustomize.render(FOLDER / "overlays" / "production")


def one(documents: Documents, kind: str) -> Any:
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


def deployment(documents: Documents) -> Any:
    return one(documents, "Deployment")["spec"]


def pod(documents: Documents) -> Any:
    return deployment(documents)["template"]["spec"]


def container(documents: Documents) -> Any:
    return pod(documents)["containers"][0]


def policy(documents: Documents) -> Any:
    return one(documents, "NetworkPolicy")["spec"]


def without(kind: str) -> Change:
    return lambda documents: documents.remove(one(documents, kind))


def image(name: str) -> Change:
    return lambda documents: container(documents).update(image=name)


def probe(kind: str, **changed: Any) -> Change:
    return lambda documents: container(documents)[f"{kind}Probe"].update(changed)


def secured(**changed: Any) -> Change:
    return lambda documents: container(documents)["securityContext"].update(changed)


def settings(**changed: str) -> Change:
    return lambda documents: one(documents, "ConfigMap")["data"].update(changed)


def plain(name: str) -> Change:
    return lambda documents: container(documents)["env"].append(
        {"name": name, "value": "postgresql://user:password@host/ledger"}
    )


BAD: dict[str, tuple[str, Change]] = {
    "no startup probe": (
        "the startup probe asks nothing",
        lambda d: container(d).pop("startupProbe"),
    ),
    "no readiness probe": (
        "the readiness probe asks nothing",
        lambda d: container(d).pop("readinessProbe"),
    ),
    "no liveness probe": (
        "the liveness probe asks nothing",
        lambda d: container(d).pop("livenessProbe"),
    ),
    "alive only when ready": (
        "the liveness probe asks /readyz",
        probe("liveness", httpGet={"path": "/readyz", "port": "http"}),
    ),
    "ready when alive": (
        "the readiness probe asks /livez",
        probe("readiness", httpGet={"path": "/livez", "port": "http"}),
    ),
    "a start of six seconds": (
        "the startup probe gives less",
        probe("startup", failureThreshold=3),
    ),
    "no resources": (
        "has no requests of cpu",
        lambda d: container(d).pop("resources"),
    ),
    "memory without end": (
        "has no limits of memory",
        lambda d: container(d)["resources"].pop("limits"),
    ),
    "no preStop": ("no preStop hook", lambda d: container(d).pop("lifecycle")),
    "preStop that only sleeps": (
        "no preStop hook",
        lambda d: container(d)["lifecycle"]["preStop"].update(
            exec={"command": ["sleep", "5"]}
        ),
    ),
    "grace of 25 seconds": (
        "grace of 25 s",
        lambda d: pod(d).update(terminationGracePeriodSeconds=25),
    ),
    "grace left out": (
        "grace of 30 s",
        lambda d: (
            pod(d).pop("terminationGracePeriodSeconds"),
            settings(EKIBEN_DRAIN_SECONDS="15")(d),
        ),
    ),
    "one pod may be missing": (
        "maxUnavailable is not 0",
        lambda d: deployment(d)["strategy"]["rollingUpdate"].update(maxUnavailable=1),
    ),
    "all are replaced at once": (
        "the strategy is Recreate",
        lambda d: deployment(d).update(strategy={"type": "Recreate"}),
    ),
    "no budget": ("no PodDisruptionBudget", without("PodDisruptionBudget")),
    "a budget of others": (
        "no PodDisruptionBudget",
        lambda d: one(d, "PodDisruptionBudget")["spec"].update(
            selector={"matchLabels": {"app.kubernetes.io/name": "other"}}
        ),
    ),
    "a budget of all": (
        "has maxUnavailable 100%",
        lambda d: one(d, "PodDisruptionBudget")["spec"].update(maxUnavailable="100%"),
    ),
    "a budget that no node can leave": (
        "has maxUnavailable 0",
        lambda d: one(d, "PodDisruptionBudget")["spec"].update(maxUnavailable=0),
    ),
    "a setting that is none": ("EKIBEN_MODLES is no", settings(EKIBEN_MODLES="iris")),
    "not spread": (
        "not spread over topology.kubernetes.io/zone",
        lambda d: pod(d).pop("topologySpreadConstraints"),
    ),
    "no autoscaler": (
        "no HorizontalPodAutoscaler",
        without("HorizontalPodAutoscaler"),
    ),
    "one replica": (
        "one pod is allowed",
        lambda d: one(d, "HorizontalPodAutoscaler")["spec"].update(minReplicas=1),
    ),
    "scaled by processor time only": (
        f"does not look at {ROWS_METRIC}",
        lambda d: one(d, "HorizontalPodAutoscaler")["spec"]["metrics"].pop(),
    ),
    "a bare pod": (
        "a Pod is among",
        lambda d: d.append({"kind": "Pod", "metadata": {"name": "debug"}}),
    ),
    "root": ("may run as root", lambda d: pod(d)["securityContext"].clear()),
    "uid 0": ("may run as root", secured(runAsUser=0)),
    "more privileges": ("gain privileges", secured(allowPrivilegeEscalation=True)),
    "privileged": ("is privileged", secured(privileged=True)),
    "a writable root": ("may write", secured(readOnlyRootFilesystem=False)),
    "capabilities": ("keeps capabilities", secured(capabilities={"add": ["NET_RAW"]})),
    "no seccomp": ("no seccomp", secured(seccompProfile={"type": "Unconfined"})),
    "the node's network": ("hostNetwork", lambda d: pod(d).update(hostNetwork=True)),
    "an init container as it comes": (
        "migrate may run as root|migrate may gain",
        lambda d: pod(d).update(initContainers=[{"name": "migrate", "image": DIGEST}]),
    ),
    "the node's files": (
        "is the node's",
        lambda d: pod(d)["volumes"].append({"name": "h", "hostPath": {"path": "/"}}),
    ),
    "no /tmp": (
        "/tmp is in no emptyDir",
        lambda d: container(d)["volumeMounts"].pop(0),
    ),
    "no place for metrics": (
        "/var/ekiben/server is in no emptyDir",
        lambda d: container(d)["volumeMounts"].pop(1),
    ),
    "scratch space without end": (
        "has no sizeLimit",
        lambda d: pod(d)["volumes"][0].update(emptyDir={}),
    ),
    "no network policy": ("bounds ingress", without("NetworkPolicy")),
    "a way in only": (
        "bounds egress",
        lambda d: policy(d).update(policyTypes=["Ingress"]),
    ),
    "a way out only": (
        "bounds ingress",
        lambda d: policy(d).update(policyTypes=["Egress"]),
    ),
    "everybody may come": (
        "ingress be anybody",
        lambda d: policy(d)["ingress"].append({}),
    ),
    "everywhere may be gone to": (
        "egress be anybody",
        lambda d: policy(d)["egress"].append(
            {
                "to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}],
                "ports": [{"port": 443, "protocol": "TCP"}],
            }
        ),
    ),
    "an image by tag": ("not named by its digest", image("registry.example/ekiben:1")),
    "an image by name": ("not named by its digest", image("ekiben")),
    "latest": ("says latest", image("registry.example/ekiben:latest")),
    "latest before a digest": (
        "says latest",
        image(DIGEST.replace("ekiben@", "ekiben:latest@")),
    ),
    "a token": (
        "token of the service account is mounted",
        lambda d: pod(d).update(automountServiceAccountToken=True),
    ),
    "everybody's account": (
        "default service account",
        lambda d: pod(d).pop("serviceAccountName"),
    ),
    "an account that mounts its token": (
        "ekiben mounts its token",
        lambda d: one(d, "ServiceAccount").pop("automountServiceAccountToken"),
    ),
    "a secret in plain": ("stands in plain", plain("EKIBEN_DATABASE_URL")),
    "a pepper in the settings": ("stands in plain", settings(EKIBEN_KEY_PEPPER="x")),
    "a Secret in the repository": (
        "a Secret is among",
        lambda d: d.append({"kind": "Secret", "metadata": {"name": "ekiben-secrets"}}),
    ),
}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_c86_our_manifests_keep_every_rule(overlay: str) -> None:
    documents = kustomize.render(FOLDER / "overlays" / overlay)

    assert broken(Manifests(documents)) == []


@pytest.mark.parametrize(("reason", "spoil"), BAD.values(), ids=BAD)
def test_c86_a_bad_sample_is_refused(
    production: Documents, reason: str, spoil: Change
) -> None:
    documents = copy.deepcopy(production)
    spoil(documents)

    found = broken(Manifests(documents))

    assert any(part in line for line in found for part in reason.split("|")), found


def test_c86_every_rule_has_a_bad_sample(production: Documents) -> None:
    refusing = set()
    for _, spoil in BAD.values():
        documents = copy.deepcopy(production)
        spoil(documents)
        refusing |= {rule for rule in RULES if list(rule(Manifests(documents)))}

    assert refusing == set(RULES)


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_c86_the_manifests_fit_the_schemas_of_the_api(
    overlay: str, version: str
) -> None:
    documents = kustomize.render(FOLDER / "overlays" / overlay)
    ours = [one for one in documents if one["kind"] != "PodMonitor"]

    assert len(ours) == len(documents) - 1
    for document in ours:
        kubernetes_validate.validate(document, version, strict=True)


def test_c86_the_schemas_refuse_a_field_that_is_none(production: Documents) -> None:
    documents = copy.deepcopy(production)
    container(documents)["readinessProbes"] = {}

    with pytest.raises(kubernetes_validate.ValidationError, match="readinessProbes"):
        kubernetes_validate.validate(one(documents, "Deployment"), OLDEST, strict=True)


def test_c86_no_document_at_all_is_refused() -> None:
    assert broken(Manifests.read("")) == ["there is no Deployment"]
    assert "form" in "".join(
        broken(Manifests([{"kind": "Deployment", "metadata": {}, "spec": "x"}]))
    )


def test_what_the_rules_know_of_the_server_is_true() -> None:
    assert STOP_SECONDS == supervisor.STOP_SECONDS
    (gauge,) = metrics.rows_in_flight.describe()
    assert gauge.name == ROWS_METRIC


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_settings_are_such_that_a_server_starts(overlay: str) -> None:
    manifests = Manifests(kustomize.render(FOLDER / "overlays" / overlay))
    (server,) = manifests.servers

    settings = Settings.from_env(manifests.environment(server))

    assert settings.releases == "pinned"
    assert settings.drain_seconds + STOP_SECONDS < 60


def test_the_autoscaler_acts_before_a_worker_refuses(production: Documents) -> None:
    (asked,) = [
        metric["pods"]["target"]["averageValue"]
        for metric in one(production, "HorizontalPodAutoscaler")["spec"]["metrics"]
        if metric["type"] == "Pods"
    ]
    assert int(asked) <= Settings().rows_in_flight / 4


def test_the_pod_monitor_asks_where_the_metrics_are(production: Documents) -> None:
    spec = one(production, "PodMonitor")["spec"]
    (endpoint,) = spec["podMetricsEndpoints"]

    assert spec["selector"]["matchLabels"].items() <= (
        deployment(production)["template"]["metadata"]["labels"].items()
    )
    ports = {port["name"] for port in container(production)["ports"]}
    assert (endpoint["path"], endpoint["port"] in ports) == ("/metrics", True)


@pytest.fixture(scope="module")
def kubectl() -> str:
    """The program; without it a test skips, but never in CI."""
    found = shutil.which("kubectl")
    if found:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("kubectl is not installed")
    pytest.skip("kubectl is not installed")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_c86_kubectl_renders_what_the_rules_were_asked_about(
    overlay: str, kubectl: str
) -> None:
    folder = FOLDER / "overlays" / overlay
    done = subprocess.run(
        [kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    rendered = list(yaml.safe_load_all(done.stdout))
    assert broken(Manifests(rendered)) == []
    assert kustomize.settled(rendered) == kustomize.settled(kustomize.render(folder))
