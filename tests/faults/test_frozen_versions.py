"""C-53: a version that was frozen out of the garbage collector's sight is freed when it is let go."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from ekiben.predictor import load_predictor
from ekiben.registry.store import Store
from ekiben.use_cases.catalog import USE_CASES, get_use_case
from tests.tiny import productions

pytestmark = pytest.mark.server


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


class Cycle:
    """What a version must not be: an object that holds itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("name", [one.name for one in USE_CASES])
def test_c53_a_frozen_version_needs_no_collection_to_be_freed(
    home: Path, name: str
) -> None:
    tag = productions(home)[name].tag
    predictor = load_predictor(Store.at(home), get_use_case(name), tag)
    seen = weakref.ref(predictor)
    scorer = weakref.ref(predictor.score)
    gc.freeze()

    del predictor

    assert seen() is None
    assert scorer() is None


@pytest.mark.usefixtures("no_collector")
def test_c53_a_frozen_cycle_is_never_freed_so_the_test_above_can_fail() -> None:
    one = Cycle()
    seen = weakref.ref(one)
    gc.freeze()

    del one
    gc.collect()

    assert seen() is not None
