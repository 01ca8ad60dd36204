"""How much memory the control group of this process leaves: what a container's limit is made of."""

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Limit, what is used, and what of it the kernel gives back at once: version 2, then 1."""
UNLIMITED = 2**60
"""Version 1 says a number near 2**63 where there is no limit."""


def memory_left(root: Path = ROOT, own: Path = OWN) -> int | None:
    """Return the bytes that are left below the limit, None: there is none, or nobody says."""
    for directory in _directories(root, own):
        for limit, used, idle in FILES:
            try:
                allowed = int((directory / limit).read_text())
                taken = int((directory / used).read_text())
                told = (directory / "memory.stat").read_text()
            except (OSError, ValueError):  # another version, or "max"
                continue
            return None if allowed >= UNLIMITED else allowed - taken + _of(told, idle)
    return None


def _directories(root: Path, own: Path) -> list[Path]:
    """Return where the group may be: a container sees its own at the root."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    parts = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    found = {controllers: path.lstrip("/") for _, controllers, path in parts}
    places = [root / found[""]] if "" in found else []
    if "memory" in found:
        places += [root / "memory" / found["memory"], root / "memory"]
    return [*places, root]


def _of(told: str, name: str) -> int:
    for line in told.splitlines():
        if line.startswith(f"{name} "):
            return int(line.rpartition(" ")[2])
    return 0
