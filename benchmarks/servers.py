"""The servers that race: what each is, how it is started and how it is asked."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.dialects import NAMED, PLAIN, TABLE, V2, Dialect

ROOT = Path(__file__).parent.parent
PEERS = ROOT / "var" / "peers"
"""Where each peer has a virtual environment of its own."""

BENTOML = ("-m", "bentoml", "serve")
UVICORN = ("-m", "uvicorn", "--factory", "--no-access-log", "--log-level", "warning")
IN_C = ("--loop", "uvloop", "--http", "httptools")


@dataclass(frozen=True)
class Server:
    """One way to serve the same versions, with one worker."""

    name: str
    title: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    asks_for_key: bool = False
    dialect: Dialect = PLAIN
    peer: str = ""
    """Whose environment it needs, a name in PEERS; empty: this process's own."""
    is_limit: bool = False
    """What no server can surpass, since it does only a part of the work."""
    in_process: bool = False
    """It has no port: the command measures by itself."""

    @property
    def absent(self) -> str:
        """Why it cannot run here; empty when it can."""
        if not self.peer or Path(self.python).exists():
            return ""
        return f"not installed: make {(PEERS / self.peer).relative_to(ROOT)}/installed"

    @property
    def python(self) -> str:
        """The interpreter that runs it."""
        return (
            str(PEERS / self.peer / "bin" / "python") if self.peer else sys.executable
        )

    def command(self, port: int) -> list[str]:
        """Return the command that serves on *port* of the loopback address."""
        address = ("--host", "127.0.0.1", "--port", str(port))
        return [self.python, *self.arguments, *address]


SERVERS = (
    # As it is shipped for a network: a key on every request, guard, metrics and log on.
    Server(
        "ekiben",
        "Ekiben",
        (*BENTOML, "service:Ekiben"),
        {"EKIBEN_AUTH": "required"},
        asks_for_key=True,
    ),
    # The same server, asked with tables.
    Server(
        "arrow",
        "Ekiben, Arrow",
        (*BENTOML, "service:Ekiben"),
        {"EKIBEN_AUTH": "required"},
        asks_for_key=True,
        dialect=TABLE,
    ),
    Server(
        "bento-path",
        "Ekiben via BentoML",
        (*BENTOML, "service:Ekiben"),
        {"EKIBEN_FAST_ROUTE": "false"},
    ),
    Server(
        "tuned",
        "FastAPI tuned",
        (*UVICORN, *IN_C, "benchmarks.baselines.tuned:make_app"),
    ),
    Server(
        "tutorial",
        "FastAPI tutorial",
        (*UVICORN, "benchmarks.baselines.tutorial:make_app"),
    ),
    Server(
        "stock",
        "BentoML as it is",
        (*BENTOML, "benchmarks.baselines.stock:Stock"),
    ),
    Server(
        "litserve",
        "LitServe",
        ("-m", "benchmarks.peers.litserve_app"),
        dialect=NAMED,
        peer="litserve",
    ),
    Server(
        "mlserver",
        "MLServer",
        ("-m", "benchmarks.peers.mlserver_app"),
        dialect=V2,
        peer="mlserver",
    ),
    Server(
        "ray",
        "Ray Serve",
        ("-m", "benchmarks.peers.ray_app"),
        peer="ray",
    ),
    Server(
        "asgi",
        "limit: ASGI, no model",
        (*UVICORN, *IN_C, "--lifespan", "off", "benchmarks.baselines.asgi:make_app"),
        is_limit=True,
    ),
    Server(
        "in-process",
        "limit: model, no HTTP",
        ("-m", "benchmarks.alone"),
        is_limit=True,
        in_process=True,
    ),
)
BY_NAME = {one.name: one for one in SERVERS}
RACED = tuple(one.name for one in SERVERS if one.name != "bento-path")
"""Who races unless told otherwise: BentoML's own path is Ekiben again, in slow."""
