"""How many processors this process may use, and how many of them are free: what its threads are chosen by."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def allowed() -> int:
    """Return how many processors this process may use, by its affinity and its container's quota; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else (os.cpu_count() or 1)
    quota = _quota()
    return count if quota is None else max(1, min(count, int(quota)))


def threads() -> int:
    """Return how many threads to work with: as ``OMP_NUM_THREADS`` says, else as many as processors are free."""
    stated = os.environ.get("OMP_NUM_THREADS", "")
    if stated.isdecimal() and int(stated):
        return int(stated)
    return free_threads(allowed(), os.cpu_count() or 1, load_of_others())


def load_of_others() -> float:
    """Return how many processors of the machine others keep busy, by the load of the last minute without our own."""
    try:
        load = os.getloadavg()[0]
    except (OSError, AttributeError):  # a system that does not tell
        return 0.0
    return max(0.0, load - _own_load())


def free_threads(allowed_count: int, machine_count: int, load: float) -> int:
    """Return how many threads to compute with: as many as processors are free, at least one, at most ``allowed_count``.

    Threads that wait for each other are as slow as the slowest. With one more than there are free processors, each step
    waits until the system gives that one a turn: two threads reached 14 samples a second where one alone reached 254.

    >>> [free_threads(2, 2, load) for load in (0.0, 0.4, 1.0, 7.5)], free_threads(4, 64, 62.0)
    ([2, 2, 1, 1], 2)
    """
    return max(1, min(allowed_count, machine_count - round(load)))


def _own_load() -> float:
    """Return how many processors this process has kept busy on average, over a minute at least."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        ticks, uptime_s = os.sysconf("SC_CLK_TCK"), float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        age_s = uptime_s - int(fields[19]) / ticks
        return time.process_time() / max(age_s, 60.0)
    return 0.0


def _quota() -> float | None:
    """Return the processors that the container's quota amounts to, the least of its groups; None without one."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        own = next(line for line in lines if line.startswith("0::")).removeprefix("0::").lstrip("/")
        group = CGROUPS / own
        quotas = [quota for place in (group, *group.parents) if (quota := _quota_of(place)) is not None]
        return min(quotas, default=None)
    return None


def _quota_of(group: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError):  # no such file above the root, or "max": no limit
        most, period = (group / "cpu.max").read_text(encoding="ascii").split()
        return int(most) / int(period)
    return None
