"""What is kept of a rejected row: its columns as JSON and its media's bytes, within a size, equal bytes once.

A value that does not fit stands as ``{"telltale_cut": <its size>, "begin": <its first part>}``; the row's ``source``
says where the whole of it is.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np

from telltale_core.digest import sha256_bytes
from telltale_core.drop.config import DropConfig
from telltale_core.drop.readers.base import Batch, Reader
from telltale_core.drop.values import clean_id
from telltale_core.errors import BadInput
from telltale_core.modality.parts import Media
from telltale_core.modality.reasons import sentence

MOST_DIGESTS = 1 << 20  # digests remembered; bytes that come again after so many others are stored again
MARGIN_BYTES = 64  # of a cut value for its size and marks
NAME_CHARS = 256


class Evidence:
    """Keeps at most ``max_bytes`` of a row's columns, and as much of its media."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._stored: set[str] = set()

    def of(self, cells: Mapping[str, object], media: Media | None) -> dict[str, str | bytes | None]:
        """Return ``columns``, ``raw`` and ``raw_sha256`` of a row; ``raw`` only for bytes that no earlier row has."""
        raw = _bytes_of(media, self._max_bytes)
        digest = None if raw is None else sha256_bytes(raw)
        first = digest not in self._stored
        if digest is not None and len(self._stored) < MOST_DIGESTS:
            self._stored.add(digest)
        return {"columns": as_json(cells, self._max_bytes), "raw": raw if first else None, "raw_sha256": digest}


class RejectedRows:
    """Makes the records of rejected rows, in the schema of ``rejected.parquet``."""

    def __init__(self, reader: Reader, config: DropConfig) -> None:
        self._reader, self._max_id_chars = reader, config.limits.max_id_chars
        self._evidence = Evidence(config.limits.max_rejected_raw_bytes)

    def record(self, batch: Batch, position: int, error: BadInput, place: int) -> dict[str, Any]:
        """Return the record of a row; ``place`` is its number among all rows seen."""
        row = batch.rows[position]
        sample_id: str | None = None
        if self._reader.roles.id is not None and isinstance(row.id, int | str | uuid.UUID):
            with contextlib.suppress(BadInput):
                sample_id = clean_id(row.id, self._max_id_chars)
        return {
            "source": row.source,
            "row": place,
            "sample_id": sample_id,
            "reason_code": error.code,
            "reason": sentence(error),
            **self._evidence.of(self._reader.cells(batch, position), row.media),
        }


def _bytes_of(media: Media | None, most: int) -> bytes | None:
    if isinstance(media, np.ndarray) and media.dtype != object:
        return media.reshape(-1)[: most // media.itemsize + 1].tobytes()[:most]
    return media[:most] if isinstance(media, bytes) else None


def as_json(cells: Mapping[str, object], max_bytes: int) -> str:
    """Return the cells as a JSON object of about ``max_bytes`` at most; the largest values are cut first."""
    with contextlib.suppress(*UNDUMPED):
        whole = _encoded({name[:NAME_CHARS]: value for name, value in cells.items()})
        if len(whole.encode()) * (len(cells) + 1) <= max_bytes:  # each value fits its share
            return whole
        del whole
    texts = {name[:NAME_CHARS]: _dumped(value) for name, value in cells.items()}
    spare_bytes, parts = max_bytes, {}
    for rank, (name, text) in enumerate(sorted(texts.items(), key=lambda item: len(item[1]))):
        key = _dumped(name)
        share = spare_bytes // (len(texts) - rank) - len(key) - 4
        parts[name] = f"{key}: {text if len(text.encode()) <= share else _cut(text, share)}"
        spare_bytes -= len(parts[name].encode()) + 2
        if spare_bytes < 0:
            del parts[name]
            break
    return "{" + ", ".join(parts[name] for name in texts if name in parts) + "}"


def _cut(text: str, most: int) -> str:
    size = len(text.encode())
    begin = text.encode()[: max(0, most - MARGIN_BYTES) // 2].decode(errors="ignore")  # quoting can double it
    return _dumped({"telltale_cut": size, "begin": begin})


def _dumped(value: object) -> str:
    """Return a value as JSON in valid UTF-8, whatever it is."""
    try:
        return _encoded(value)
    except UNDUMPED:
        text = json.dumps(_strict(value, 0), ensure_ascii=False, default=str)
        return text.encode("utf-8", "backslashreplace").decode()


def _encoded(value: object) -> str:
    return ENCODER.encode(value).encode("utf-8", "backslashreplace").decode()


def _plain(value: object) -> object:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else str(value)


ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain)
UNDUMPED = (ValueError, TypeError, RecursionError)


def _strict(value: Any, depth: int) -> object:
    """Return a value that JSON takes: numbers that are none as text, no names but text, nothing nested without end."""
    if depth > 50:
        return "..."
    if isinstance(value, dict):
        return {str(name): _strict(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(inner, depth + 1) for inner in value]
    if isinstance(value, bytes):
        return _plain(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
