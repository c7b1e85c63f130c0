"""Reading the tables of a version back, each verified against its digest, whole or a row group at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.errors import Corrupt
from telltale_core.publish.manifest import Blob, Version


def read_groups(version: Version, blob: Blob, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield one blob's row groups, which are of bounded size decoded; ``columns`` that it lacks are left out.

    Raises :class:`Corrupt` unless the blob's bytes and row count are what the manifest says.
    """
    data = version.store.read_verified(blob.path, blob.sha256)
    where = version.store.url(blob.path)
    with readable(where), pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        if file.metadata.num_rows != blob.rows:
            raise Corrupt(f"{where} has {file.metadata.num_rows} rows, the manifest states {blob.rows}")
        names = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=names, use_threads=False)


def read_schema(version: Version, blob: Blob) -> pa.Schema:
    """Return one blob's schema; raises :class:`Corrupt` unless its bytes are what the manifest says."""
    data = version.store.read_verified(blob.path, blob.sha256)
    with readable(version.store.url(blob.path)):
        return pq.read_schema(pa.BufferReader(data))


def read_table(version: Version, blob: Blob, columns: Sequence[str] | None = None) -> pa.Table:
    """Return one blob as a table, at most a shard; raises as :func:`read_groups` does."""
    groups = list(read_groups(version, blob, columns))
    return pa.concat_tables(groups) if groups else read_schema(version, blob).empty_table()


def read_tables(version: Version, name: str, columns: Sequence[str] | None = None) -> pa.Table | None:
    """Return all tables of one of the manifest's lists as one, or None if the list is empty."""
    tables = [read_table(version, blob, columns) for blob in version.blobs(name)]
    return pa.concat_tables(tables) if tables else None


@contextlib.contextmanager
def readable(where: str) -> Iterator[None]:
    """Turn what pyarrow raises for a damaged file into :class:`Corrupt`."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise Corrupt(f"{where} is not a readable Parquet file ({type(error).__name__})") from error
