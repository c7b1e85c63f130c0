"""Reading the tables of a version back, each verified against its digest."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.errors import Corrupt
from telltale_core.publish.manifest import Blob, Version


def read_table(version: Version, blob: Blob) -> pa.Table:
    """Return one blob as a table; raises :class:`Corrupt` unless its bytes and row count are what the manifest says."""
    data = version.store.read_verified(blob.path, blob.sha256)
    where = version.store.url(blob.path)
    try:
        table = pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
    except pa.ArrowException as error:
        raise Corrupt(f"{where} is not a readable Parquet file ({type(error).__name__})") from error
    if table.num_rows != blob.rows:
        raise Corrupt(f"{where} has {table.num_rows} rows, the manifest states {blob.rows}")
    return table


def read_tables(version: Version, name: str) -> pa.Table | None:
    """Return all tables of one of the manifest's lists as one, or None if the list is empty."""
    tables = [read_table(version, blob) for blob in version.blobs(name)]
    return pa.concat_tables(tables) if tables else None
