"""What one ingest may take: processor time, and disk space in the work area, with errors that say the cure."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from telltale_core.drop.config import Limits
from telltale_core.errors import OverBudget, StorageError
from telltale_core.memory import available_bytes
from telltale_core.modality.reasons import bad, shown

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SPARE_BYTES = 1 << 20
"""What the small files of a drop take beside its samples."""
TICK_S = 0.1
"""How old a reading of the processor time may be: the system is not asked anew for every row."""


class Clock:
    """Counts the processor time of this thread: neither a busy machine nor a slow disk makes a sample too slow.

    No thread computes for longer than has passed, so the system is asked only where ``TICK_S`` have passed.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits, self._start_s = limits, time.thread_time()
        self._read_s, self._asked_s = 0.0, time.perf_counter()

    def now_s(self) -> float:
        """Return the processor time so far, at most ``TICK_S`` too little."""
        passed_s = time.perf_counter()
        if passed_s - self._asked_s >= TICK_S:
            self._read_s, self._asked_s = time.thread_time() - self._start_s, passed_s
        return self._read_s

    def check_sample(self, since_s: float) -> None:
        """Raise ``sample_too_slow`` if this row took more than its limit; what runs in a library is not cut short."""
        took, limit = self.now_s() - since_s, self._limits.max_sample_cpu_s
        if took > limit:
            raise bad(
                "sample_too_slow",
                f"reading the sample took {took:.0f} s of processor time, {max_text(limit, 'sample')}",
            )

    def check_drop(self, rows: int) -> None:
        """Raise :class:`OverBudget` if the drop as a whole took more than its limit."""
        took, limit = self.now_s(), self._limits.max_drop_cpu_s
        if took > limit:
            raise OverBudget(
                f"reading the drop took {took:.0f} s of processor time up to row {rows:,}, {max_text(limit, 'drop')}: "
                "split the drop, or raise the limit"
            )


def max_text(limit: int, what: str) -> str:
    """Return a limit of processor time in words."""
    return f"more than limits.max_{what}_cpu_s={limit}"


class Unpacking:
    """What all that a drop unpacks may take together, archives, arrays and Arrow files: counted before it is."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.bytes_left, self._members_left = limits.max_drop_bytes, limits.max_files

    def take(self, place: str, size_bytes: int, members: int = 1) -> None:
        """Count what is unpacked next; ``drop_too_large`` where it is more than is left."""
        self.bytes_left -= size_bytes
        self._members_left -= members
        if self.bytes_left < 0 or self._members_left < 0:
            raise bad(
                "drop_too_large",
                f"the drop unpacks to more than max_drop_bytes={self._limits.max_drop_bytes} or "
                f"max_files={self._limits.max_files}, in {place}: split it, or raise the limit",
            )


class Space:
    """One ingest's folder for unfinished work, and how many bytes it will need there."""

    def __init__(self, path: Path, drops_dir: Path) -> None:
        self.path, self._drops_dir = path, drops_dir
        self.needed_bytes = 0

    def require(self, rows: int, row_bytes: int) -> None:
        """Note what the packed samples need; raise :class:`OverBudget` now if the disk has less."""
        self.needed_bytes = rows * row_bytes + SPARE_BYTES
        free = shutil.disk_usage(self.path).free
        if self.needed_bytes > free:
            raise OverBudget(
                f"{rows:,} packed samples of {row_bytes:,} bytes need {self.needed_bytes:,} bytes below "
                f"{self._drops_dir}, {free:,} are free: make room, choose another work area, or pack smaller samples"
            )

    def full(self, error: OSError) -> OverBudget:
        """Return the error for a disk or a quota that is full."""
        written = sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())
        try:
            free = f"{shutil.disk_usage(self._drops_dir).free:,} bytes are free there"
        except OSError:
            free = "how much is free cannot be told"
        limit = "" if error.errno != errno.EFBIG else " (the limit of a file's size, see ulimit -f)"
        return OverBudget(
            f"cannot write the drop below {self._drops_dir}: {os.strerror(error.errno or 0)}{limit}; {written:,} bytes "
            f"were written, at least {max(self.needed_bytes, written + SPARE_BYTES):,} are needed, {free}: make room "
            "or choose another work area, then run again"
        )


@contextlib.contextmanager
def explained(space: Space, source: str) -> Iterator[None]:
    """Turn what the system says of a full disk, a file that cannot be read, or memory that ran out into our errors."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise space.full(error) from error
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise StorageError(
            f"reading {source} or writing {space.path.parent} failed: {reason}; check both, then run again"
        ) from error
    except pa.ArrowNotImplementedError as error:
        raise bad(
            "columns_unclear",
            f"a column of {source} is of a type that cannot be copied ({shown(str(error), 160)}): leave it out",
        ) from error
    except MemoryError as error:
        raise OverBudget(
            f"memory ran out while {source} was read: use a larger machine, or lower limits.max_decoded_row_bytes and "
            "limits.max_row_group_bytes"
        ) from error


def require_memory(what: str, needed_bytes: int, cure: str) -> None:
    """Raise :class:`OverBudget` if later stages would need more than half of the memory that is there for this."""
    free = available_bytes()
    if free is not None and needed_bytes > free // 2:
        raise OverBudget(f"{what} take {needed_bytes:,} bytes of memory, {free:,} are available: {cure}")
