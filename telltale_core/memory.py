"""How much memory this process can still take: what the machine has, and what its container allows."""

from __future__ import annotations

import contextlib
from pathlib import Path


def available_bytes() -> int | None:
    """Return the bytes of host memory that can still be taken; None where the system does not tell."""
    limits = [limit for limit in (_meminfo(), _cgroup()) if limit is not None]
    return min(limits) if limits else None


def _meminfo() -> int | None:
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
    return None


def _cgroup() -> int | None:
    root = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # "max", or no cgroup v2: no limit there
        limit = int((root / "memory.max").read_text(encoding="ascii"))
        return max(0, limit - int((root / "memory.current").read_text(encoding="ascii")))
    return None
