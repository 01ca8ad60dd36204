"""What manifests have to say so that a roll-out loses no request and a pod can do no harm.

Each rule is a function from manifests to the reasons why they are refused.
"""

from collections.abc import Callable

from ekiben.packaging import confinement
from ekiben.packaging.manifests import Document, Manifests, Reasons
from ekiben.settings import PREFIX, Settings

STOP_SECONDS = 20.0
"""How long a server may take to stop once it is told to; the supervisor sees to it."""
START_SECONDS = 60
"""What a start has to be given at least: imports, loading, a busy node."""

ROWS_METRIC = "ekiben_rows_in_flight"

Rule = Callable[[Manifests], Reasons]


def probes(manifests: Manifests) -> Reasons:
    """Started, ready and alive are three questions: only the second may ask for a model."""
    for container in manifests.servers:
        asked = {kind: container.get(f"{kind}Probe") or {} for kind in _PATHS}
        for kind, path in _PATHS.items():
            found = (asked[kind].get("httpGet") or {}).get("path")
            if found != path:
                yield f"the {kind} probe asks {found or 'nothing'}, not {path}"
        start = asked["startup"]
        period, failures = start.get("periodSeconds", 10), start.get("failureThreshold")
        if period * (failures or 3) < START_SECONDS:
            yield f"the startup probe gives less than {START_SECONDS} s"


_PATHS = {"startup": "/livez", "readiness": "/readyz", "liveness": "/livez"}


def resources(manifests: Manifests) -> Reasons:
    """The scheduler and the autoscaler know what a pod takes; memory has an end."""
    for container in manifests.containers:
        given = container.get("resources") or {}
        wanted = [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")]
        for kind, what in wanted:
            if what not in (given.get(kind) or {}):
                yield f"{container['name']} has no {kind} of {what}"


def drains_before_stop(manifests: Manifests) -> Reasons:
    """A pod leaves its Service before it stops taking requests."""
    for container in manifests.servers:
        hook = (container.get("lifecycle") or {}).get("preStop") or {}
        command = (hook.get("exec") or {}).get("command") or []
        if command[-2:] != ["ekiben", "drain"]:
            yield f"{container['name']} has no preStop hook that runs `ekiben drain`"


def grace(manifests: Manifests) -> Reasons:
    """The kubelet kills nobody who is still answering."""
    for workload in manifests.deployments:
        given = workload.pod.get("terminationGracePeriodSeconds", 30)
        for container in workload.servers:
            needed = _drain_seconds(manifests, container) + STOP_SECONDS
            if given <= needed:
                yield f"a grace of {given} s is not more than the {needed:g} s of drain and stop"


def keeps_capacity(manifests: Manifests) -> Reasons:
    """A new pod is ready before an old one goes."""
    for workload in manifests.deployments:
        strategy = workload.spec.get("strategy") or {}
        rolling = strategy.get("rollingUpdate") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            yield f"the strategy is {strategy['type']}"
        if rolling.get("maxUnavailable") not in (0, "0", "0%"):
            yield "maxUnavailable is not 0"


def disruption_budget(manifests: Manifests) -> Reasons:
    """Nodes can be emptied, but never of all pods at once."""
    for workload in manifests.deployments:
        budgets = [
            one["spec"]
            for one in manifests.of("PodDisruptionBudget")
            if workload.selected_by(one["spec"].get("selector"))
        ]
        if not budgets:
            yield "no PodDisruptionBudget selects the pods"
        for one in budgets:
            if one.get("maxUnavailable") in (0, "0%", "100%"):
                yield f"the PodDisruptionBudget has maxUnavailable {one['maxUnavailable']}"
            if one.get("minAvailable") in (0, "0%", "100%"):
                yield f"the PodDisruptionBudget has minAvailable {one['minAvailable']}"


def settings_exist(manifests: Manifests) -> Reasons:
    """An unknown setting stops every new pod at its start; better said before."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for container in manifests.servers:
        named = {one["name"] for one in container.get("env") or []}
        for one in sorted(named | manifests.environment(container).keys()):
            if one.startswith(PREFIX) and one not in known:
                yield f"{one} is no setting"


def spread(manifests: Manifests) -> Reasons:
    """Neither a node nor a zone holds all pods."""
    for workload in manifests.deployments:
        over = workload.pod.get("topologySpreadConstraints") or []
        keys = {one.get("topologyKey") for one in over}
        wanted = {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        yield from (f"the pods are not spread over {key}" for key in wanted - keys)


def autoscaled(manifests: Manifests) -> Reasons:
    """There are two pods at least, and more by processor time and by rows in flight."""
    for workload in manifests.deployments:
        name = workload.document["metadata"]["name"]
        found = [
            one["spec"]
            for one in manifests.of("HorizontalPodAutoscaler")
            if one["spec"]["scaleTargetRef"]["name"] == name
        ]
        if not found:
            yield f"no HorizontalPodAutoscaler follows {name}"
        for spec in found:
            if spec.get("minReplicas", 1) < 2:
                yield "one pod is allowed to be all"
            asked = spec.get("metrics") or []
            named = {(one.get("resource") or {}).get("name") for one in asked}
            pods = [(one.get("pods") or {}).get("metric") or {} for one in asked]
            for metric in (
                {"cpu", ROWS_METRIC} - named - {one.get("name") for one in pods}
            ):
                yield f"the HorizontalPodAutoscaler does not look at {metric}"


RULES: tuple[Rule, ...] = (
    probes,
    resources,
    drains_before_stop,
    grace,
    keeps_capacity,
    disruption_budget,
    settings_exist,
    spread,
    autoscaled,
    confinement.known_kinds,
    confinement.confined,
    confinement.volumes,
    confinement.network,
    confinement.image_by_digest,
    confinement.no_latest,
    confinement.no_token,
    confinement.secrets,
)


def broken(manifests: Manifests) -> list[str]:
    """Return every reason to refuse *manifests*, none if they keep all rules."""
    if not manifests.deployments:
        return ["there is no Deployment"]
    return [
        f"{rule.__name__.replace('_', ' ')}: {reason}"
        for rule in RULES
        for reason in _reasons(rule, manifests)
    ]


def _reasons(rule: Rule, manifests: Manifests) -> list[str]:
    try:
        return list(rule(manifests))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return [f"a document has not the form of its kind ({error})"]


def _drain_seconds(manifests: Manifests, container: Document) -> float:
    given = manifests.environment(container).get("EKIBEN_DRAIN_SECONDS")
    return float(given or Settings.model_fields["drain_seconds"].default)
