"""What pods may not do, be given or be reached by: rules for manifests."""

import re
from pathlib import Path

from ekiben.packaging.manifests import Document, Manifests, Reasons

BY_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
LATEST = re.compile(r":latest(@|$)")
SECRET_SETTINGS = ("EKIBEN_DATABASE_URL", "EKIBEN_KEY_PEPPER")
EVERYWHERE = ("0.0.0.0/0", "::/0")
OTHER_PODS = ("Pod", "CronJob", "ReplicationController", "ReplicaSet")


def known_kinds(manifests: Manifests) -> Reasons:
    """Pods come from kinds that the other rules look into."""
    for kind in OTHER_PODS:
        yield from (f"a {kind} is among the manifests" for _ in manifests.of(kind))


def confined(manifests: Manifests) -> Reasons:
    """What the `restricted` Pod Security Standard asks, and a read-only root."""
    for workload in manifests.workloads:
        shared = workload.pod.get("securityContext") or {}
        for name in ("hostNetwork", "hostPID", "hostIPC"):
            if workload.pod.get(name):
                yield f"{name} is set"
        for container in workload.containers:
            own = container.get("securityContext") or {}
            for reason in _unconfined({**shared, **own}):
                yield f"{container['name']} {reason}"


def _unconfined(context: Document) -> Reasons:
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
        yield "may run as root"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("privileged"):
        yield "is privileged"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may write to its root file system"
    capabilities = context.get("capabilities") or {}
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield "keeps capabilities"
    if (context.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"


def volumes(manifests: Manifests) -> Reasons:
    """Only memory and scratch space are written to, each of a bounded size."""
    for workload in manifests.workloads:
        declared = {one["name"]: one for one in workload.pod.get("volumes") or []}
        for one in declared.values():
            if "hostPath" in one:
                yield f"volume {one['name']} is the node's"
            if "emptyDir" in one and not (one["emptyDir"] or {}).get("sizeLimit"):
                yield f"volume {one['name']} has no sizeLimit"
        for container in workload.servers:
            scratch = [
                Path(one["mountPath"])
                for one in container.get("volumeMounts") or []
                if "emptyDir" in declared.get(one["name"], {})
            ]
            run = manifests.environment(container).get("EKIBEN_RUN_DIR", "/tmp")
            for path in dict.fromkeys(("/tmp", run)):
                if not any(Path(path).is_relative_to(one) for one in scratch):
                    yield f"{path} is in no emptyDir"


def network(manifests: Manifests) -> Reasons:
    """Who may come and where a pod may go is listed, both ways."""
    for workload in manifests.workloads:
        policies = [
            one["spec"]
            for one in manifests.of("NetworkPolicy")
            if workload.selected_by(one["spec"].get("podSelector"))
        ]
        ways = {way for one in policies for way in one.get("policyTypes") or []}
        for way, peers in (("Ingress", "from"), ("Egress", "to")):
            if way not in ways:
                yield f"no NetworkPolicy bounds {way.lower()}"
            for spec in policies:
                for rule in spec.get(way.lower()) or []:
                    if not rule.get("ports") or _anybody(rule.get(peers)):
                        yield f"a NetworkPolicy lets {way.lower()} be anybody's"


def _anybody(peers: list[Document] | None) -> bool:
    """Whether *peers* leave out nobody."""
    return not peers or any(
        not any(peer.values()) or (peer.get("ipBlock") or {}).get("cidr") in EVERYWHERE
        for peer in peers
    )


def image_by_digest(manifests: Manifests) -> Reasons:
    """A tag may be moved; what was scanned and tried is a digest."""
    for container in manifests.containers:
        image = container.get("image", "")
        if not BY_DIGEST.fullmatch(image):
            yield f"image {image!r} is not named by its digest"


def no_latest(manifests: Manifests) -> Reasons:
    """`latest` says nothing about what runs, even before a digest."""
    for container in manifests.containers:
        if LATEST.search(container.get("image", "")):
            yield f"image {container['image']!r} says latest"


def no_token(manifests: Manifests) -> Reasons:
    """A pod holds no credentials for the cluster, and no account that others use."""
    for workload in manifests.workloads:
        name = workload.pod.get("serviceAccountName", "default")
        if workload.pod.get("automountServiceAccountToken") is not False:
            yield "the token of the service account is mounted"
        if name == "default":
            yield "the pods share the namespace's default service account"
        for one in manifests.of("ServiceAccount"):
            mounts = one.get("automountServiceAccountToken") is not False
            if one["metadata"]["name"] == name and mounts:
                yield f"service account {name} mounts its token"


def secrets(manifests: Manifests) -> Reasons:
    """No secret stands in a manifest, where everybody who may look reads it."""
    for _ in manifests.of("Secret"):
        yield "a Secret is among the manifests"
    for container in manifests.containers:
        plain = manifests.environment(container)
        yield from (f"{one} stands in plain" for one in SECRET_SETTINGS if one in plain)
