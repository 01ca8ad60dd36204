"""C-89: no dependency is older than the version that closed a hole."""

from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.version import Version

FLOORS = {
    "starlette": "0.47.2",  # parsing multipart bodies blocked the event loop
    "python-multipart": "0.0.18",  # a crafted boundary took all of a core
    "h11": "0.16",  # lenient chunk ends let requests be smuggled
    "httptools": "0.6.3",
    "uvicorn": "0.30",
    "fsspec": "2024.6",
}


@pytest.mark.parametrize("name", FLOORS)
def test_c89_a_dependency_is_recent_enough(name: str) -> None:
    try:
        installed = version(name)
    except PackageNotFoundError:
        return  # what is not installed has no hole

    assert Version(installed) >= Version(FLOORS[name])


def test_c89_bentoml_is_the_pinned_version() -> None:
    assert version("bentoml") == "1.4.39"
