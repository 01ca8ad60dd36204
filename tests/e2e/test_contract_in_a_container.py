"""C-85: the contract's tests, asked of a hardened container in place of a local server."""

import inspect
from types import ModuleType

from tests.contract import (
    test_every_route,
    test_oracle,
    test_predict,
    test_read_routes,
)

document = test_every_route.document
ASKED = {"client", "either_server"}
"""Fixtures that this folder replaces; a test with neither starts a server of its own."""


def of_a_server(module: ModuleType) -> dict[str, object]:
    """Return the tests of *module* that ask whatever server they are given."""
    return {
        name: staticmethod(test)
        for name, test in vars(module).items()
        if name.startswith("test_") and ASKED & set(inspect.signature(test).parameters)
    }


TestC85Predict = type("TestC85Predict", (), of_a_server(test_predict))
TestC85ReadRoutes = type("TestC85ReadRoutes", (), of_a_server(test_read_routes))
TestC85EveryRoute = type("TestC85EveryRoute", (), of_a_server(test_every_route))
TestC85Oracle = type("TestC85Oracle", (), of_a_server(test_oracle))
