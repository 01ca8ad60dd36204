"""LitServe over the same versions, as its documentation shows it, with batching on.

One worker, which answers all use cases under one route: of several routes each would
have a worker. In its favour: a batch never waits to be filled, uvloop and httptools are
there for its uvicorn, no access log.
"""

from typing import Any

import litserve

from benchmarks.peers.arguments import address
from benchmarks.peers.models import Models, answer_mixed
from ekiben.use_cases.use_case import Fields

Request = tuple[str, list[dict[str, Any]]]
BATCH_REQUESTS = 64


class Api(litserve.LitAPI):
    """The five models behind one route."""

    def setup(self, device: str) -> None:
        """Load what is in production."""
        self.models = Models()

    def decode_request(self, request: dict[str, Any]) -> Request:
        """Return use case and rows."""
        return request["use_case"], request["rows"]

    def batch(self, inputs: list[Request]) -> list[Request]:
        """Leave the requests side by side."""
        return inputs

    def predict(self, batch: list[Request]) -> list[list[Fields]]:
        """Answer a batch of requests."""
        return answer_mixed(self.models, batch)

    def unbatch(self, output: list[list[Fields]]) -> list[list[Fields]]:
        """Leave the answers side by side."""
        return output

    def encode_response(self, output: list[Fields]) -> list[Fields]:
        """Leave the answer as it is: it is made JSON by LitServe."""
        return output


def main() -> None:
    """Serve until the process is ended."""
    host, port = address(__doc__)
    api = Api(max_batch_size=BATCH_REQUESTS, batch_timeout=0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host=host,
        port=port,
        num_api_servers=1,
        generate_client_file=False,
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
