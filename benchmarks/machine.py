"""The facts of the machine and the libraries that a run's figures belong to."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version

from benchmarks.affinity import processors
from benchmarks.load import client_name

LIBRARIES = ("bentoml", "fastapi", "uvicorn", "pydantic", "scikit-learn", "lightgbm")


def facts() -> dict[str, str]:
    """Return what a reader needs to judge the figures."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "usable cores": str(len(processors())),
        "python": platform.python_version(),
        "load client": client_name(),
        **{name: version(name) for name in LIBRARIES},
    }


def processor() -> str:
    """Return the processor's name as the system states it, or its architecture."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def one_line(known: Mapping[str, str]) -> str:
    """Return the facts as one line of text."""
    return ", ".join(f"{name} {value}" for name, value in known.items())
