"""Samples of a version by what a person has: an id or its beginning, a file's name; all of them with their verdicts."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from telltale_core.errors import ConfigError, NotFound
from telltale_core.publish.history import Dataset, as_store, log, read_numbered
from telltale_core.publish.manifest import Blob, Version
from telltale_core.publish.tables import read_groups, readable
from telltale_core.storage.beside import written_beside

Form = Literal["csv", "parquet"]
LEAST_CHARS = 4
"""Characters of an id's beginning."""
FIRST = 3
COLUMNS = ("sample_id", "decision", "reason", "suspicion", "cluster", "file", "row")


def full_id(version: Version, text: str) -> str | None:
    """Return the one id of a judged sample that begins with ``text``, or whose media file is called so.

    None where there is none; :class:`NotFound` names some where there are several.
    """
    matches: list[str] = []
    if len(text) >= LEAST_CHARS:
        for blob in version.blobs("index"):
            for table in read_groups(version, blob, ("sample_id",)):
                matches += table.filter(pc.starts_with(table["sample_id"], text))["sample_id"].to_pylist()
    matches = matches or [row["sample_id"] for table in verdicts(version) for row in _called(table, text).to_pylist()]
    if len(set(matches)) > 1:
        names = ", ".join(repr(name) for name in matches[:FIRST])
        raise NotFound(f"{text!r} may be any of {len(matches):,} samples of version {version.number}, such as {names}")
    return matches[0] if matches else None


def _called(table: pa.Table, name: str) -> pa.Table:
    paths = table["media_path"]
    return table.filter(pc.or_(pc.equal(paths, name), pc.ends_with(paths, f"/{name}")))


def verdicts(version: Version) -> Iterator[pa.Table]:
    """Yield every judged sample with its verdict and ``media_path``, the name of its media file as the drop had it."""
    paths = {blob.path: _media_paths(version, blob) for blob in version.blobs("files", "quarantine")}
    for blob in version.blobs("index"):
        for table in read_groups(version, blob, COLUMNS):
            places = zip(table["file"].to_pylist(), table["row"].to_pylist(), strict=True)
            named = [paths[file][row].as_py() if file in paths else None for file, row in places]
            yield table.append_column("media_path", pa.array(named, pa.string()))


def export(dataset: Dataset, path: Path, form: Form, number: int | None = None) -> int:
    """Write the verdicts of version ``number``, or the newest one, as a file of this form; return their count.

    The file takes its name once it is whole. :class:`ConfigError` where the name is taken, be it by a link to nothing:
    nothing is overwritten.
    """
    version = read_numbered(as_store(dataset), number) if number is not None else latest(dataset)
    rows, tables = 0, verdicts(version)
    first = next(tables, None)
    if first is None:
        raise NotFound(f"version {version.number} holds no judged sample")
    with new_file(path) as file, _writer(file, first.schema, form) as out:
        for table in itertools.chain([first], tables):
            out.write_table(_harmless(table) if form == "csv" else table)
            rows += table.num_rows
    return rows


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file that takes its name once it is whole; raises :class:`ConfigError` where it is taken or cannot be."""
    path = path.expanduser()
    if os.path.lexists(path):
        raise ConfigError(f"{path} is there already: choose another name")
    try:
        with written_beside(path.parent.resolve(), path.name) as file:
            yield file
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}; choose another place") from error


def _writer(file: BinaryIO, schema: pa.Schema, form: Form) -> pacsv.CSVWriter | pq.ParquetWriter:
    return pacsv.CSVWriter(file, schema) if form == "csv" else pq.ParquetWriter(file, schema)


def _harmless(table: pa.Table) -> pa.Table:
    """Return a table none of whose texts a spreadsheet takes for a formula: they come from strangers."""
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            plain = pc.replace_substring_regex(table.column(place), pattern=r"^([=+\-@\t\r])", replacement=r"'\1")
            table = table.set_column(place, field, plain)
    return table


def latest(dataset: Dataset) -> Version:
    """Return the newest version; :class:`NotFound` where nothing is published."""
    versions = log(dataset)
    if not versions:
        raise NotFound("the dataset holds no published version")
    return versions[-1]


def _media_paths(version: Version, blob: Blob) -> pa.Array | pa.ChunkedArray:
    """Return the names of a shard's media files, in the order of its rows; its media are not read."""
    data = version.store.read_verified(blob.path, blob.sha256)
    with readable(version.store.url(blob.path)), pq.ParquetFile(pa.BufferReader(data)) as file:
        column = next((f.name for f in file.schema_arrow if pa.types.is_struct(f.type) and _has_path(f.type)), None)
        if column is None:
            return pa.nulls(file.metadata.num_rows, pa.string())
        media = file.read(columns=[f"{column}.path"], use_threads=False)[column]
        return pc.struct_field(media, "path")


def _has_path(kind: pa.DataType) -> bool:
    return bool(kind.get_field_index("path") >= 0 and kind.get_field_index("bytes") >= 0)
