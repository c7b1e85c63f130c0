"""What Parquet files state in their footers: one schema for the drop, within limits; sizes stated there are bounds."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from telltale_core.drop.budget import Clock
from telltale_core.drop.config import Limits
from telltale_core.drop.layout import class_names_of
from telltale_core.drop.readers.cells import check_places, plain_field
from telltale_core.drop.readers.column_chunks import check_chunks
from telltale_core.drop.source import Source, SourceFile
from telltale_core.drop.split_names import SplitCells
from telltale_core.errors import BadInput
from telltale_core.modality.reasons import bad, shown

MAGIC = b"PAR1"
MAX_FOOTER_BYTES = 16 << 20
MAX_METADATA_BYTES = 4 << 20  # of the schema's metadata, which stands in each published file
MOST_LEFT_OUT = 100
LONGEST_TEXT = 64  # bytes of a text that may name a split
MAX_FOOTER_ITEMS = 20_000  # schema elements, row groups, columns of a row group
CELLS = 1 << 14  # of a column of splits at a time
READ_BYTES = 1 << 20  # of a column chunk at a time; without it Arrow loads all of it


@contextlib.contextmanager
def open_file(source: Source, file: SourceFile) -> Iterator[BinaryIO]:
    """Give a file of the drop; what pyarrow raises meanwhile is ``file_corrupt``."""
    try:
        with source.open(file) as handle:
            yield handle
    except BadInput:
        raise
    except (pa.ArrowException, OSError, ValueError, UnicodeDecodeError) as error:
        raise bad(
            "file_corrupt", f"{shown(file.key)} is not a sound Parquet file ({shown(str(error), 160)})"
        ) from error


@contextlib.contextmanager
def open_parquet(
    handle: BinaryIO, metadata: pq.FileMetaData | None = None, dictionaries: tuple[int, ...] | list[int] = ()
) -> Iterator[pq.ParquetFile]:
    """Give the file opened for reading, some columns as dictionaries; the handle stays open."""
    with pq.ParquetFile(
        handle,
        metadata=metadata,
        read_dictionary=list(dictionaries),
        buffer_size=READ_BYTES,
        page_checksum_verification=True,
        thrift_string_size_limit=MAX_FOOTER_BYTES,
        thrift_container_size_limit=MAX_FOOTER_ITEMS,
    ) as parquet:
        yield parquet


_NARROW = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}


def shared_schema(source: Source, files: list[SourceFile], limits: Limits) -> tuple[pa.Schema, dict[str, str]]:
    """Return the schema that all files share, and which keys of its metadata are left out and why.

    Row counts and sizes in the footers are checked first.
    """
    skipped: dict[str, str] = {}
    first: tuple[SourceFile, pa.Schema] | None = None
    rows = 0
    for file in files:
        with open_file(source, file) as handle, open_parquet(handle) as parquet:
            rows += parquet.metadata.num_rows
            if rows > limits.max_rows:
                raise bad("too_many_rows", f"{rows} rows up to {shown(file.key)}, more than {limits.max_rows}")
            check_chunks(handle, parquet.schema)
            _check_footer(parquet.metadata, file, limits.max_row_group_bytes)
            _check_single(handle, parquet.metadata, file)
            schema = parquet.schema_arrow
        if len(set(schema.names)) != len(schema.names) or len(schema.names) > limits.max_columns:
            raise bad("columns_unclear", f"column names must be unique and at most {limits.max_columns}")
        schema = pa.schema([plain_field(field, top=True) for field in schema], schema.metadata)
        first = first or (file, schema)
        if (shared := _unified(first[1], schema)) is not None:
            first = (first[0], shared)
        else:
            pairs = f"{shown(first[0].key)} and {shown(file.key)}"
            raise bad("schema_mismatch", f"{pairs} have different columns: {_difference(first[1], schema)}")
        _check_class_names(*first, file, schema)
        _note_differences(first[1].metadata or {}, schema.metadata or {}, skipped)
    if first is None:
        raise bad("drop_empty", "the drop holds no Parquet file")
    schema = first[1]
    return schema.with_metadata(_fitting(schema.metadata or {}, skipped) or None), skipped


def _unified(ours: pa.Schema, theirs: pa.Schema) -> pa.Schema | None:
    """Return what holds the rows of both: files may differ in what may be null, in widths of texts, in empty columns.

    None where columns differ otherwise.
    """
    if theirs.equals(ours):
        return ours
    if ours.names != theirs.names:
        return None
    fields = []
    for mine, yours in zip(ours, theirs, strict=True):
        kind = yours.type if pa.types.is_null(mine.type) else mine.type
        if not pa.types.is_null(yours.type) and _NARROW.get(kind, kind) != _NARROW.get(yours.type, yours.type):
            return None
        fields.append(mine.with_type(kind).with_nullable(mine.nullable or yours.nullable))
    return pa.schema(fields, ours.metadata)


def _note_differences(first: dict[bytes, bytes], other: dict[bytes, bytes], skipped: dict[str, str]) -> None:
    """Note which keys of a later file are not passed on: the first file speaks for all."""
    for key, value in other.items():
        if first.get(key) != value and len(skipped) < MOST_LEFT_OUT:
            reason = "differs from the first file's, which is kept" if key in first else "not in the first file"
            skipped[shown(key)] = reason


def _fitting(metadata: dict[bytes, bytes], skipped: dict[str, str]) -> dict[bytes, bytes]:
    """Return the schema's metadata, Hugging Face's first, as far as it fits ``MAX_METADATA_BYTES``."""
    spare_bytes, fitting_keys = MAX_METADATA_BYTES, set()
    for key in sorted(metadata, key=lambda key: (key != b"huggingface", len(metadata[key]))):
        if len(key) + len(metadata[key]) <= spare_bytes:
            spare_bytes -= len(key) + len(metadata[key])
            fitting_keys.add(key)
        elif len(skipped) < MOST_LEFT_OUT:
            skipped[shown(key)] = f"{len(metadata[key])} bytes, all metadata may have {MAX_METADATA_BYTES}"
    return {key: value for key, value in metadata.items() if key in fitting_keys}


def _check_footer(metadata: pq.FileMetaData, file: SourceFile, limit: int) -> None:
    for group in range(metadata.num_row_groups):
        chunks = [metadata.row_group(group).column(index) for index in range(metadata.num_columns)]
        stated = sum(max(chunk.total_uncompressed_size, chunk.num_values * 4) for chunk in chunks)
        check_group(stated, group, file, limit)


def _check_single(handle: BinaryIO, metadata: pq.FileMetaData, file: SourceFile) -> None:
    """Raise where another file ends between rows and footer: the last footer would be read to the first rows."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(metadata.num_columns)]
    end = max((_first_page(chunk) + chunk.total_compressed_size for chunk in chunks), default=len(MAGIC))
    footer = handle.seek(0, io.SEEK_END) - metadata.serialized_size - 4 - len(MAGIC)
    handle.seek(end)
    before = b""
    while data := handle.read(min(READ_BYTES, max(0, footer - handle.tell()))):
        if 2 * MAGIC in before + data:
            raise bad("file_corrupt", f"{shown(file.key)} is several Parquet files in one: keep each a file of its own")
        before = data[1 - 2 * len(MAGIC) :]


def _first_page(chunk: pq.ColumnChunkMetaData) -> int:
    return int(chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset)


def check_group(unpacked: int, group: int, file: SourceFile, limit: int) -> None:
    """Raise ``file_corrupt`` for a row group that unpacks to more bytes than the limit."""
    if unpacked > limit:
        raise bad(
            "file_corrupt",
            f"{shown(file.key)}: row group {group} unpacks to {unpacked} bytes, over max_row_group_bytes={limit}: "
            "write it in smaller row groups, or raise the limit",
        )


def _check_class_names(first: SourceFile, ours: pa.Schema, other: SourceFile, theirs: pa.Schema) -> None:
    """Raise where two files give one label column other class names: label 0 would mean two things."""
    mine, yours = class_names_of(ours.metadata), class_names_of(theirs.metadata)
    for name in sorted(mine.keys() & yours.keys()):
        if mine[name] != yours[name]:
            raise bad(
                "schema_mismatch",
                f"the classes of {shown(name)} are called {_difference_of_names(mine[name], yours[name])} in "
                f"{shown(first.key)} and {shown(other.key)}: write the files with one list of names",
            )


def _difference_of_names(ours: tuple[str, ...], theirs: tuple[str, ...]) -> str:
    """Return the first class that two lists call differently, with both spellings."""
    for label, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if one != other:
            return f"{shown(one)} and {shown(other)} (label {label})"
    return f"{len(ours)} and {len(theirs)} names"


def _difference(first: pa.Schema, other: pa.Schema) -> str:
    ours, theirs = {f.name: str(f.type) for f in first}, {f.name: str(f.type) for f in other}
    for name in [*ours, *theirs]:
        if ours.get(name) != theirs.get(name):
            return f"{shown(name)} is {shown(ours.get(name, 'absent'))} and {shown(theirs.get(name, 'absent'))}"
    return "their order differs"


def add_splits(handle: BinaryIO, cells: SplitCells, clock: Clock, *, text: bool) -> None:
    """Take the cells of a file's column of splits; a long text is no split.

    Texts are read as a dictionary: a small file may name one large text many times.
    """
    with open_parquet(handle) as parquet:
        leaves = [parquet.metadata.schema.column(place).path for place in range(parquet.metadata.num_columns)]
        if not parquet.metadata.num_row_groups or cells.column not in leaves:
            return
    with open_parquet(handle, dictionaries=[leaves.index(cells.column)] if text else []) as parquet:
        count = 0
        for batch in parquet.iter_batches(CELLS, columns=[cells.column], use_threads=False):
            column, count = batch.column(0), count + batch.num_rows
            clock.check_drop(count)
            if text:
                check_places(column)
            if text and (pc.max(pc.binary_length(column.dictionary)).as_py() or 0) > LONGEST_TEXT:
                long = pc.fill_null(pc.greater(pc.binary_length(column.dictionary), LONGEST_TEXT), False)
                column = pa.DictionaryArray.from_arrays(
                    column.indices, pc.if_else(long, "." * (LONGEST_TEXT + 1), column.dictionary)
                )
            for value, rows in zip(*pc.value_counts(column).flatten(), strict=True):
                cells.add(value.as_py(), rows.as_py())
