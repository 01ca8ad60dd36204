"""MLServer over the same versions: a custom runtime for rows as JSON, batching on.

Its documentation shows such a runtime for models that take JSON; as each row is one
element of the tensor, its adaptive batching joins the rows of several requests.
The models are called in the process that speaks HTTP, so that no request is passed on to
another; no gRPC, no metrics, no log.
"""

import asyncio

import orjson
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.peers.arguments import address
from benchmarks.peers.models import Models
from ekiben.use_cases.catalog import USE_CASES

BATCH_ROWS = 512
LONGEST_WAIT = 0.001
"""Seconds that a batch waits to be filled; without a wait it would not batch at all."""

models: list[Models] = []


class Runtime(MLModel):
    """One use case."""

    async def load(self) -> bool:
        """Load the versions, once for all use cases."""
        if not models:
            models.append(Models())
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer rows, one JSON text each, with as many JSON texts."""
        texts = StringCodec.decode_input(payload.inputs[0])
        (answers,) = models[0].answer(self.name, [list(map(orjson.loads, texts))])
        encoded = [orjson.dumps(one).decode() for one in answers]
        output = StringCodec.encode_output("predictions", encoded)
        return InferenceResponse(model_name=self.name, outputs=[output])


def main() -> None:
    """Serve until the process is ended."""
    host, port = address(__doc__)
    settings = Settings(
        host=host,
        http_port=port,
        grpc_port=0,
        metrics_endpoint=None,
        parallel_workers=0,
        debug=False,
    )
    use_cases = [
        ModelSettings(
            name=one.name,
            implementation=Runtime,
            max_batch_size=BATCH_ROWS,
            max_batch_time=LONGEST_WAIT,
        )
        for one in USE_CASES
    ]
    asyncio.run(MLServer(settings).start(use_cases))


if __name__ == "__main__":
    main()
