"""Folders called ``label=cat``: columns that Hive, Spark and pyarrow keep in the names of folders."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import unquote

import pyarrow as pa

from telltale_core.drop.split_names import EMPTY

Partition = dict[str, str | None]


def partitions_of(keys: Sequence[str], columns: Collection[str]) -> dict[str, Partition]:
    """Return by file the columns that its folders state; none where files differ in them, or have such columns."""
    partitions = {key: _partition(key) for key in keys}
    names = {tuple(partition) for partition in partitions.values()}
    if len(names) != 1 or set(next(iter(names))) & set(columns):
        return {key: {} for key in keys}
    return partitions


def _partition(key: str) -> Partition:
    pairs = (part.split("=", 1) for part in key.split("/")[:-1] if "=" in part)
    return {name: None if value == EMPTY else unquote(value) for name, value in pairs if name}


def with_partitions(batch: pa.RecordBatch, partition: Partition) -> pa.RecordBatch:
    """Return the rows with the columns that their file's folders state."""
    if not partition:
        return batch
    arrays = [pa.array([value] * batch.num_rows, pa.string()) for value in partition.values()]
    return pa.RecordBatch.from_arrays([*batch.columns, *arrays], names=[*batch.schema.names, *partition])
