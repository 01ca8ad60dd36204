"""What HAProxy is told: its configuration as text, and the commands that change it while it runs."""

import ipaddress
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ekiben.packaging.deployments import SLOTS

SLOT_HEADER = "X-Ekiben-Slot"
"""Names the one server that is meant, at the private door."""
PRIVATE_DOOR = "trial.sock"
ADMIN = "admin.sock"

Admin = Literal["ready", "drain", "maint"]
NOWHERE = 1
"""The port of an empty place."""

TEMPLATE = """\
# Written by `ekiben deploy`; it is written again with the next change.
global
    stats socket unix@{admin} mode 600 level admin
    hard-stop-after 20s
    # Two balancers on one port would share its connections without a word.
    noreuseport
defaults
    mode http
    timeout connect 2s
    timeout http-request 10s
    # Shorter than a server's own (EKIBEN_IDLE_SECONDS): no request meets a closing door.
    timeout http-keep-alive 30s
    timeout client 60s
    # Longer than the longest deadline of a request.
    timeout server 60s
    timeout queue 5s
    timeout check 5s
    # Only what no server has taken is tried again, and then elsewhere: a request that
    # brings a server down must not bring down the next.
    retries 3
    retry-on conn-failure
    option redispatch 1
    option idle-close-on-response
    # HAProxy's own page for a request that never came: closed without a word instead.
    errorfile 408 /dev/null
    unique-id-format %[uuid(4)]
{errors}
frontend public
    bind {address}
    http-request set-header X-Forwarded-For %[src]
    default_backend live
frontend private
    bind unix@{private} mode 600
    default_backend trial
backend live
    balance leastconn
    option httpchk GET /readyz
    http-check expect status 200
    # Who refuses a connection is gone until it is found ready: a server that is started
    # again listens before that, sooner than three looks tell.
    default-server check inter 500ms fall 3 rise 1 observe layer4 error-limit 1 on-error mark-down
{live}
backend trial
    retries 0
{chosen}
{trial}
"""

ERRORS = {
    400: ("bad_request", "Bad request", "This is not a valid HTTP request."),
    500: ("internal", "Internal error", "Something went wrong on our side."),
    502: ("internal", "Internal error", "A server broke off its answer."),
    503: ("not_ready", "Not ready", "No server is ready; try again later."),
    504: (
        "deadline_exceeded",
        "Deadline exceeded",
        "No server answered in time.",
    ),
}
"""What HAProxy itself refuses, in the one body that all refusals have."""


@dataclass(frozen=True)
class Server:
    """One place of the balancer, and whether it gets requests."""

    slot: int
    port: int
    admin: Admin


def configuration(host: str, port: int, servers: Iterable[Server]) -> str:
    """Return the configuration by which HAProxy starts as it would stand now."""
    taken = {server.slot: server for server in servers}
    slots = range(1, SLOTS + 1)
    ports = {slot: taken[slot].port if slot in taken else NOWHERE for slot in slots}
    ready = {slot for slot, server in taken.items() if server.admin == "ready"}
    live = [
        f"    server r{slot} 127.0.0.1:{ports[slot]}"
        + ("" if slot in ready else " disabled")
        for slot in slots
    ]
    chosen = [
        f"    use-server r{slot} if {{ req.hdr({SLOT_HEADER}) -m str {slot} }}"
        for slot in slots
    ]
    trial = [f"    server r{slot} 127.0.0.1:{ports[slot]}" for slot in slots]
    return TEMPLATE.format(
        admin=ADMIN,
        private=PRIVATE_DOOR,
        address=bind_address(host, port),
        errors="\n".join(_error(status) for status in ERRORS),
        live="\n".join(live),
        chosen="\n".join(chosen),
        trial="\n".join(trial),
    )


def commands(servers: Sequence[Server]) -> list[str]:
    """Return the commands that bring a running HAProxy to where *servers* are.

    A place is closed before it is emptied, and filled before it is opened.
    """
    taken = {server.slot for server in servers}
    empty = [
        f"set server live/r{slot} state maint"
        for slot in range(1, SLOTS + 1)
        if slot not in taken
    ]
    return empty + [one for server in servers for one in _commands(server)]


def bind_address(host: str, port: int) -> str:
    """Return *host* and *port* as HAProxy takes them.

    Raises:
        ValueError: *host* is no IP address.
    """
    version = ipaddress.ip_address(host).version
    return f"ipv{version}@{host}:{port}"


def _commands(server: Server) -> list[str]:
    where = f"addr 127.0.0.1 port {server.port}"
    return [
        f"set server trial/r{server.slot} {where}",
        f"set server live/r{server.slot} {where}",
        f"set server live/r{server.slot} state {server.admin}",
    ]


def _error(status: int) -> str:
    code, title, detail = ERRORS[status]
    problem = {
        "type": f"urn:ekiben:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": "%[unique-id]",
    }
    retry = " hdr Retry-After 5" if status == 503 else ""
    return (
        f"    http-error status {status} content-type application/problem+json"
        f" lf-string '{json.dumps(problem)}' hdr X-Request-ID %[unique-id]{retry}"
    )
