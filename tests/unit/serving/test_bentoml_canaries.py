"""Names that BentoML and uvicorn keep to themselves and that we lean on: first to fail after an upgrade."""

import asyncio
import inspect
from importlib.metadata import version
from typing import Any

import bentoml
import pytest
from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_sdk import Service
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.marshal.dispatcher import CorkDispatcher
from uvicorn.protocols.http import h11_impl, httptools_impl

from ekiben.serving.bento_service import pass_through
from ekiben.serving.edge import client_gone


class _Canary:
    @bentoml.api(batchable=True, route="/v1/canary/predict")
    async def predict(self, rows: list[int]) -> list[int]:
        return rows


Canary: Service[Any] = bentoml.service(name="canary")(_Canary)


def test_bentoml_is_the_version_that_was_measured() -> None:
    assert version("bentoml") == "1.4.39"


def test_the_service_makes_its_app_by_a_factory_we_can_make_ourselves() -> None:
    source = inspect.getsource(Service.to_asgi)

    assert "self.inject_config()" in source
    assert "ServiceAppFactory(self, is_main=is_main)" in source


def test_the_factory_keeps_a_dispatcher_per_batchable_endpoint_under_its_name() -> None:
    Canary.inject_config()

    factory = ServiceAppFactory(Canary, is_main=True)

    assert list(factory.dispatchers) == ["predict"]
    assert isinstance(factory.dispatchers["predict"], CorkDispatcher)


def test_a_dispatcher_takes_the_batch_function_and_gives_back_one_for_a_request() -> (
    None
):
    source = inspect.getsource(ServiceAppFactory.batch_infer)

    assert "self.dispatchers[name](" in source
    assert ")(value)" in source

    async def double(batches: Any) -> list[list[int]]:
        return [[2 * n for n in batch] for batch in batches]

    async def one_request() -> Any:
        return await pass_through(double)([1, 2])

    assert asyncio.run(one_request()) == [2, 4]


def test_a_service_lists_the_models_that_a_bento_packs() -> None:
    assert Canary.models == []
    assert callable(Service.__attrs_post_init__)


def test_an_endpoint_knows_its_route_and_its_function() -> None:
    endpoint = Canary.apis["predict"]

    assert endpoint.route == "/v1/canary/predict"
    assert list(inspect.signature(endpoint.func).parameters) == ["self", "rows"]


def test_an_instance_knows_its_service() -> None:
    assert "instance.bento_service = self" in inspect.getsource(Service.__call__)


def test_the_container_knows_where_the_models_are() -> None:
    assert BentoMLContainer.model_store.get()._path.name == "models"


@pytest.mark.parametrize("protocol", [h11_impl, httptools_impl])
def test_uvicorn_keeps_a_flag_on_the_request_whose_method_receive_is(
    protocol: Any,
) -> None:
    cycle = protocol.RequestResponseCycle.__new__(protocol.RequestResponseCycle)
    cycle.disconnected = False
    gone = client_gone(cycle.receive)

    assert not gone()
    cycle.disconnected = True

    assert gone()
    assert "self.cycle.disconnected = True" in inspect.getsource(protocol)
