"""Files that stand whole or not at all: written beside the final name, flushed to the disk, then renamed."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.digest import canonical_json
from telltale_core.errors import OverBudget, StorageError

TEMPORARY_PREFIX = ".part-"
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def whole(path: Path, size_bytes: int) -> Iterator[IO[bytes]]:
    """Yield a file to write; a reader, or a kill at any moment, finds the old one at ``path`` or the new, never a part.

    Raises :class:`OverBudget` when the disk is full and :class:`StorageError` when the folder cannot be written; both
    name the path and the bytes needed. A write that fails leaves no temporary file behind.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if not isinstance(error, OSError):
            raise
        reason = f"cannot write {path} ({size_bytes:,} bytes needed): {error.strerror or error}"
        if error.errno in _FULL:
            raise OverBudget(f"{reason}; free space or choose another work area, then run again") from error
        raise StorageError(f"{reason}; check that the folder exists and may be written") from error


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all."""
    with whole(path, len(data)) as file:
        file.write(data)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON values in their canonical form, whole or not at all."""
    write_whole(path, canonical_json(values) + b"\n")


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet with a checksum a page, whole or not at all."""
    with whole(path, table.nbytes) as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)


def write_tables(path: Path, tables: Iterator[pa.Table], size_bytes: int) -> None:
    """Write tables of one schema as one Parquet file, a row group each, as :func:`write_table` does; memory holds one.

    ``size_bytes`` is about what they take.
    """
    first = next(tables)
    with (
        whole(path, size_bytes) as file,
        pq.ParquetWriter(file, first.schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for table in itertools.chain([first], tables):
            writer.write_table(table)


def sweep_temporaries(folder: Path) -> None:
    """Remove what a killed writer left half-written in ``folder``, if anything."""
    if folder.is_dir():
        for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
            path.unlink(missing_ok=True)
