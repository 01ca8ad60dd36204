"""Which libraries differ."""

import platform

import pytest

from ekiben.registry.libraries import (
    differing_libraries,
    running_libraries,
    running_platform,
)


@pytest.mark.parametrize(
    ("recorded", "differs"),
    [
        pytest.param("1.9.1", False, id="same"),
        pytest.param("1.9.7", False, id="other-patch"),
        pytest.param("1.9", False, id="no-patch"),
        pytest.param("1.8.1", True, id="other-minor"),
        pytest.param("2.9.1", True, id="other-major"),
        pytest.param("1.10.1", True, id="longer-minor"),
    ],
)
def test_only_major_and_minor_version_count(recorded: str, differs: bool) -> None:
    found = differing_libraries({"numpy": recorded}, {"numpy": "1.9.1"})

    assert found == ({"numpy": (recorded, "1.9.1")} if differs else {})


def test_a_library_that_one_side_lacks_is_not_compared() -> None:
    assert differing_libraries({"xgboost": "1.0"}, {"numpy": "2.0"}) == {}


def test_the_running_libraries_are_those_that_numbers_depend_on() -> None:
    running = running_libraries()

    assert sorted(running) == ["lightgbm", "numpy", "python", "scikit-learn"]
    assert running["python"] == platform.python_version()


def test_the_platform_is_system_machine_and_c_library() -> None:

    words = running_platform().split()
    assert words[:2] == [platform.system(), platform.machine()]
    assert "  " not in running_platform()
