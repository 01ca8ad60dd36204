"""The libraries that a model's numbers depend on: which run here, which made a version."""

import platform
from collections.abc import Mapping
from importlib.metadata import version

LIBRARIES = ("lightgbm", "numpy", "scikit-learn")
PLATFORM = "platform"
"""What a model card calls, beside its libraries, the machine and system it was made on."""


def running_libraries() -> dict[str, str]:
    """Return the versions of Python and of LIBRARIES in this process."""
    found = {name: version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **found}


def running_platform() -> str:
    """Return system, machine and C library: the last bits of a number depend on them."""
    words = (platform.system(), platform.machine(), *platform.libc_ver())
    return " ".join(word for word in words if word)


def differing_libraries(
    recorded: Mapping[str, str], running: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Return name -> (recorded, running) where major or minor version differ.

    Only names in both are compared.
    """
    return {
        name: (recorded[name], running[name])
        for name in sorted(recorded.keys() & running.keys())
        if recorded[name].split(".")[:2] != running[name].split(".")[:2]
    }
