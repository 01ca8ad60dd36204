"""Ray Serve over the same versions, as its documentation shows it, with batching on.

One replica behind one proxy, on a Ray of its own. In its favour: no dashboard, no FastAPI
inside, no access log, a batch never waits to be filled, and requests enough on their way
to fill one. Its proxy, controller and object store are processes of their own, which
share the server's processor.
"""

import signal
import sys
import time
from typing import Any

import orjson
import ray
from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.peers.arguments import address
from benchmarks.peers.models import Models, answer_mixed
from ekiben.use_cases.use_case import Fields

BATCH_REQUESTS = 64
ON_THEIR_WAY = 512
OBJECT_STORE_BYTES = 100 * 1024 * 1024


@serve.deployment(num_replicas=1, max_ongoing_requests=ON_THEIR_WAY)
class Deployment:
    """The five models."""

    def __init__(self) -> None:
        self.models = Models()

    @serve.batch(max_batch_size=BATCH_REQUESTS, batch_wait_timeout_s=0.0)
    async def answer(
        self, batch: list[tuple[str, list[dict[str, Any]]]]
    ) -> list[list[Fields]]:
        """Answer a batch of requests."""
        return answer_mixed(self.models, batch)

    async def __call__(self, request: Request) -> Response:
        """Answer one request by way of the next batch."""
        if request.url.path == "/readyz":
            return Response("ready")
        _, _, use_case, _ = request.url.path.split("/")
        rows = orjson.loads(await request.body())["rows"]
        answers = await self.answer((use_case, rows))
        return Response(orjson.dumps(answers), media_type="application/json")


def main() -> None:
    """Serve until the process is asked to end."""
    host, port = address(__doc__)
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
    )
    serve.start(http_options={"host": host, "port": port})
    logs = LoggingConfig(enable_access_log=False, log_level="WARNING")
    made = Deployment.options(logging_config=logs)  # type: ignore[attr-defined]
    serve.run(made.bind(), route_prefix="/")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while True:
            time.sleep(1)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
