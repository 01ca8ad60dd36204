"""C-85: the contract's tests, asked of a hardened container in place of a local server."""

import inspect
from pathlib import Path
from types import ModuleType

import httpx

from tests.contract import (
    test_every_route,
    test_oracle,
    test_predict,
    test_read_routes,
)
from tests.tiny import productions

document = test_every_route.document
ASKED = {"client", "either_server"}
"""Fixtures that this folder replaces; a test with neither starts a server of its own."""

WITH_A_LEDGER = {"test_every_use_case_is_listed_with_its_production_version"}
"""A pinned server has none, and cannot say since when: its own test is below."""


def of_a_server(module: ModuleType) -> dict[str, object]:
    """Return the tests of *module* that ask whatever server they are given."""
    return {
        name: staticmethod(test)
        for name, test in vars(module).items()
        if name.startswith("test_")
        and name not in WITH_A_LEDGER
        and ASKED & set(inspect.signature(test).parameters)
    }


TestC85Predict = type("TestC85Predict", (), of_a_server(test_predict))
TestC85ReadRoutes = type("TestC85ReadRoutes", (), of_a_server(test_read_routes))
TestC85EveryRoute = type("TestC85EveryRoute", (), of_a_server(test_every_route))
TestC85Oracle = type("TestC85Oracle", (), of_a_server(test_oracle))


def test_c85_every_use_case_is_listed_with_the_version_that_the_image_holds(
    client: httpx.Client, home: Path
) -> None:
    production = {name: one.tag for name, one in productions(home).items()}

    listed = client.get("/v1/models").json()

    assert {one["use_case"]: one["production"] for one in listed} == production
    assert all(one["ready"] for one in listed)
