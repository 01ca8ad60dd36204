"""deploy/compose.yaml: pinned, hardened, healthy, wired, and without a secret in it."""

import re
from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.servers import PROJECT

DEPLOY = PROJECT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
PINNED = re.compile(r".+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?$|.+@sha256:[0-9a-f]{64}$")
GIVEN = re.compile(r"\$\{([A-Z_]+):\?[^}]+\}")
"""A variable without which nothing starts."""
OWN = "${EKIBEN_IMAGE:?the image, by digest}"
SECRET = re.compile(r"(PASSWORD|PEPPER|TOKEN|SECRET)$")


def faults(compose: dict[str, Any]) -> list[str]:
    """Return what breaks a rule, by service."""
    return [
        f"{name}: {fault}"
        for name, service in compose["services"].items()
        for fault in _faults(service, compose)
    ]


def _faults(service: dict[str, Any], compose: dict[str, Any]) -> list[str]:
    image = service["image"]
    found = {
        "image not pinned": image == OWN or PINNED.fullmatch(image),
        "no health check": image == OWN or "test" in service.get("healthcheck", {}),
        "writable root": service.get("read_only") is True,
        "capabilities": service.get("cap_drop") == ["ALL"] and "cap_add" not in service,
        "privileges": "no-new-privileges:true" in service.get("security_opt", [])
        and not service.get("privileged"),
        "no limit": {"mem_limit", "pids_limit"} <= service.keys(),
        "not started again": service.get("restart") == "unless-stopped",
        "endless log": "max-size" in service.get("logging", {}).get("options", {}),
        "open port": all(p.startswith("127.0.0.1:") for p in service.get("ports", [])),
        "the host's own": not {"network_mode", "pid", "ipc", "devices"}
        & service.keys(),
        "unknown network": set(service["networks"]) <= compose["networks"].keys(),
        "secret": all(
            _is_given(*one) for one in service.get("environment", {}).items()
        ),
        "mount": all(_is_mount(one, compose) for one in service.get("volumes", [])),
    }
    return [fault for fault, fine in found.items() if not fine]


def _is_given(name: str, value: str) -> bool:
    """Whether what is secret in a setting comes from outside."""
    address = re.search(r"://[^:]+:([^@]*)@", value)
    secret = address[1] if address else value if SECRET.search(name) else "${A:?a}"
    return GIVEN.fullmatch(secret) is not None


def _is_mount(mount: str, compose: dict[str, Any]) -> bool:
    """Whether it is a volume of ours, or a folder beside the file, to be read only."""
    source = mount.partition(":")[0]
    beside = source.startswith("./") and mount.endswith(":ro")
    return beside or source in compose["volumes"]


def test_every_service_keeps_every_rule() -> None:
    assert sorted(COMPOSE["services"]) == [
        "ekiben",
        "grafana",
        "postgres",
        "prometheus",
    ]
    assert faults(COMPOSE) == []
    template = PROJECT / "ekiben" / "packaging" / "image" / "Dockerfile.j2"
    assert "HEALTHCHECK" in template.read_text(), "compose.yaml leaves it to the image"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"image": "docker.io/library/postgres:latest"}, "image not pinned"),
        ({"image": "docker.io/library/postgres"}, "image not pinned"),
        ({"image": "docker.io/library/postgres:17"}, "image not pinned"),
        ({"healthcheck": {}}, "no health check"),
        ({"read_only": False}, "writable root"),
        ({"cap_add": ["SYS_ADMIN"]}, "capabilities"),
        ({"privileged": True}, "privileges"),
        ({"security_opt": []}, "privileges"),
        ({"restart": "no"}, "not started again"),
        ({"logging": {}}, "endless log"),
        ({"ports": ["5432:5432"]}, "open port"),
        ({"network_mode": "host"}, "the host's own"),
        ({"networks": ["elsewhere"]}, "unknown network"),
        ({"environment": {"POSTGRES_PASSWORD": "ekiben"}}, "secret"),
        ({"environment": {"POSTGRES_PASSWORD": "${P:-ekiben}"}}, "secret"),
        ({"environment": {"URL": "postgresql://a:b@postgres/c"}}, "secret"),
        ({"volumes": ["/var/run/docker.sock:/var/run/docker.sock"]}, "mount"),
        ({"volumes": ["./prometheus:/etc/prometheus"]}, "mount"),
    ],
)
def test_each_rule_finds_a_bad_service(change: dict[str, Any], fault: str) -> None:
    bad = deepcopy(COMPOSE)
    bad["services"]["postgres"] |= change

    assert f"postgres: {fault}" in faults(bad)


def test_a_service_without_a_limit_is_found() -> None:
    bad = deepcopy(COMPOSE)
    del bad["services"]["grafana"]["mem_limit"]

    assert faults(bad) == ["grafana: no limit"]


def test_it_is_wired() -> None:
    services = COMPOSE["services"]
    networks = {name: set(service["networks"]) for name, service in services.items()}

    assert (
        "@postgres/ekiben" in services["ekiben"]["environment"]["EKIBEN_DATABASE_URL"]
    )
    assert services["ekiben"]["depends_on"] == {
        "postgres": {"condition": "service_healthy"}
    }
    assert networks["ekiben"] & networks["postgres"] == {"ledger"}
    assert networks["ekiben"] & networks["prometheus"] == {"watch"}
    assert networks["grafana"] & networks["prometheus"] == {"watch"}
    assert not networks["grafana"] & networks["postgres"]
    for network in ("ledger", "watch"):
        assert COMPOSE["networks"][network] == {"internal": True}
    source = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/ekiben.yaml").read_text()
    )
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    provider = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/dashboards/ekiben.yaml").read_text()
    )
    there = provider["providers"][0]["options"]["path"]
    assert f"./grafana/dashboards:{there}:ro" in services["grafana"]["volumes"]
    assert "./prometheus:/etc/prometheus:ro" in services["prometheus"]["volumes"]


def test_the_example_names_every_variable_and_fills_in_none() -> None:
    asked = set(GIVEN.findall((DEPLOY / "compose.yaml").read_text()))
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    example = [line for line in lines if line and not line.startswith("#")]

    assert {line.partition("=")[0] for line in example} == asked
    assert all(line.endswith("=") for line in example)
    assert "deploy/.env\n" in (PROJECT / ".gitignore").read_text()
