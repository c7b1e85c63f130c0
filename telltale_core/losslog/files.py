"""Files that stand whole or not at all: written beside the final name, flushed to the disk, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from telltale_core.digest import canonical_json
from telltale_core.errors import OverBudget, StorageError

TEMPORARY_PREFIX = ".part-"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``: a reader, or a kill at any moment, finds the old file or the new one, never a part.

    Raises :class:`OverBudget` when the disk is full and :class:`StorageError` when the folder cannot be written; both
    name the path and the bytes needed, and leave no temporary file behind.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{secrets.token_hex(4)}")
    with _explained(path, len(data)):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def write_json(path: Path, record: dict[str, object]) -> None:
    """Write a record as canonical JSON, whole or not at all."""
    write_whole(path, canonical_json(record) + b"\n")


def sweep_temporaries(folder: Path) -> None:
    """Remove what a killed writer left half-written in ``folder``, if anything."""
    if folder.is_dir():
        for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(path: Path, size_bytes: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = f"cannot write {path} ({size_bytes:,} bytes needed): {error.strerror}"
        if error.errno in _FULL:
            raise OverBudget(f"{reason}; free space or choose another work area, then run again") from error
        raise StorageError(f"{reason}; check that the folder exists and may be written") from error
