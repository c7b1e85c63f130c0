"""The media of Parquet rows: bytes or values that a cell embeds, or files and ``data:`` URLs that its text names."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from telltale_core.drop.config import Limits
from telltale_core.drop.layout import arrow_kind
from telltale_core.drop.readers.base import BATCH_BYTES, BATCH_ROWS, Row
from telltale_core.drop.readers.cells import Unreadable, value_of
from telltale_core.drop.readers.media_paths import MediaPaths, Named
from telltale_core.drop.readers.payload_columns import MEDIA_TYPE
from telltale_core.drop.source import SourceFile
from telltale_core.errors import BadInput
from telltale_core.modality.reasons import bad

LONGEST_EXAMPLE = 4096
"""Bytes of a text by which it is told what it names."""


def beginnings(column: pa.Array) -> list[str | None]:
    """Return the beginnings of the texts of a column, of which nothing else is decoded."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        values = beginnings(column.dictionary)
        return [None if place is None else values[place] for place in column.indices.to_pylist()]
    texts = pc.binary_slice(column.cast(pa.large_binary()), 0, LONGEST_EXAMPLE).to_pylist()
    return [None if text is None else text.decode(errors="replace") for text in texts]


def named_by(paths: MediaPaths, column: pa.Array, folder: str | None) -> list[Named]:
    """Return what the first cells of a column of texts name, as many as are read at a time, or why one does not."""
    media, media_bytes = list[Named](), 0
    for text in column.slice(0, BATCH_ROWS):
        try:
            media.append(paths.medium(value_of(text), folder))
        except (BadInput, Unreadable) as error:
            media.append(error if isinstance(error, BadInput) else bad("media_missing", f"the cell is {error}"))
        media_bytes += media[-1].size_bytes if isinstance(media[-1], SourceFile) else 0
        if media_bytes >= BATCH_BYTES:
            break
    return media


def take_named(paths: MediaPaths, rows: Sequence[Row], media: Sequence[Named]) -> None:
    """Give rows the media that their cells name."""
    files: list[tuple[Row, SourceFile]] = []
    for row, one in zip(rows, media, strict=True):
        if row.fault is not None or row.aside is not None:
            continue
        if isinstance(one, SourceFile):
            row.path = one.key
            files.append((row, one))
        elif isinstance(one, BadInput):
            row.fault = one
        else:
            row.media = one
    paths.read(files)


def take_embedded(rows: Sequence[Row], media: pa.Array, limits: Limits, *, inline: bool) -> None:
    """Give rows the media that their cells embed; an empty file is none."""
    if isinstance(media, pa.ExtensionArray):
        media = media.storage
    if pa.types.is_dictionary(media.type):
        media = media.dictionary_decode()
    if pa.types.is_struct(media.type) and media.type.get_field_index("bytes") >= 0:
        media = pc.struct_field(media, "bytes")
    if arrow_kind(media.type) in {"bytes", "text"}:
        media = media.cast(pa.large_binary())
    for row, scalar in zip(rows, media, strict=True):
        if row.fault is not None:
            continue
        try:
            row.media = _embedded(scalar, limits, inline=inline)
        except BadInput as error:
            row.fault = error
            continue
        if row.media is None:
            row.fault = bad("media_missing", "the row embeds no media bytes")


def _embedded(scalar: pa.Scalar, limits: Limits, *, inline: bool) -> np.ndarray | bytes | None:
    if not isinstance(scalar, pa.LargeBinaryScalar) or not scalar.is_valid:
        try:
            return value_of(scalar)  # type: ignore[no-any-return]
        except Unreadable as error:
            raise bad("values_invalid", f"the input is {error}") from error
    buffer = scalar.as_buffer()
    if buffer.size > limits.max_media_bytes:
        limit = limits.max_media_bytes
        raise bad("media_too_large", f"the media has {buffer.size} bytes, more than {limit}")
    return buffer.to_pybytes() or (b"" if inline else None)


def with_media(table: pa.Table, column: str, rows: Sequence[Row], media: tuple[str, str | None]) -> pa.Table:
    """Return a table with its rows' media and their paths, by column name and Hugging Face type.

    They stand where ``column`` named them, or behind the others where that column is needed as it is.
    """
    name, feature = media
    field, cells = pa.field(name, MEDIA_TYPE), [{"bytes": row.media, "path": row.path} for row in rows]
    if name == column:
        table = table.set_column(table.column_names.index(column), field, pa.array(cells, MEDIA_TYPE))
    else:
        table = table.append_column(field, pa.array(cells, MEDIA_TYPE))
    metadata = dict(table.schema.metadata or {})
    try:
        record = json.loads(metadata[b"huggingface"])
        record["info"]["features"][name] = {"_type": feature}
    except (ValueError, KeyError, TypeError, RecursionError):
        return table
    return table.replace_schema_metadata(metadata | {b"huggingface": json.dumps(record).encode()})
