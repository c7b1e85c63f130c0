"""A pair of ``.npy`` files, inputs and labels (and maybe ids): headers are checked, nothing is ever unpickled."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from telltale_core.drop.config import DropConfig
from telltale_core.drop.readers.base import Batch, Reader, Row, Values
from telltale_core.drop.readers.payload_columns import build_payload, build_schema
from telltale_core.drop.source import Source, SourceFile
from telltale_core.modality import modality_named
from telltale_core.modality.columns import Column
from telltale_core.modality.reasons import bad, shown

INPUT_STEMS = {"x", "images", "inputs", "data", "features", "x_train", "train_images"}
VALUE_STEMS = {"y", "labels", "label", "targets", "target", "y_train", "train_labels"}
ID_STEMS = {"ids", "id", "sample_ids", "sample_id"}
BATCH_BYTES = 8 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class _Array:
    """A checked array on disk: read in slices, so that no header decides how much memory is taken."""

    file: SourceFile
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    offset_bytes: int

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def rows(self, source: Source, first: int, count: int) -> np.ndarray:
        with source.open(self.file) as handle:
            handle.seek(self.offset_bytes + first * self.row_bytes)
            data = handle.read(count * self.row_bytes)
        if len(data) != count * self.row_bytes:
            raise bad("file_corrupt", f"{shown(self.file.key)} became shorter while it was read")
        return np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])


class NpyReader(Reader):
    """Reads slices of both arrays side by side."""

    format = "npy"

    def __init__(self, source: Source, files: list[SourceFile], config: DropConfig) -> None:
        self._source, self._limits = source, config.limits
        self.read_files = {file.key for file in files}
        self._kind = modality_named(config.modality or "image")
        by_role = {role: _pick(files, stems) for role, stems in _STEMS.items()}
        if (
            by_role["input"] is None
            or by_role["value"] is None
            or sum(f is not None for f in by_role.values()) < len(files)
        ):
            names = shown([file.key for file in files[:9]], 200)
            raise bad("format_unclear", f"needs images.npy or x.npy, and labels.npy or y.npy; found {names}")
        self._arrays = {role: self._checked(file) for role, file in by_role.items() if file is not None}
        self._count = self._arrays["input"].shape[0]
        if self._count > self._limits.max_rows:
            raise bad("too_many_rows", f"{self._count} rows, more than max_rows={self._limits.max_rows}")
        for array in self._arrays.values():
            if array.shape[0] != self._count or (array is not self._arrays["input"] and len(array.shape) != 1):
                raise bad(
                    "schema_mismatch", f"{shown(array.file.key)} has shape {array.shape} beside {self._count} inputs"
                )
            if array.row_bytes > self._limits.max_row_bytes:
                limit = self._limits.max_row_bytes
                raise bad(
                    "drop_too_large", f"a row of {shown(array.file.key)} has more than max_row_bytes={limit} bytes"
                )

    def _checked(self, file: SourceFile) -> _Array:
        """Return the array behind a header that agrees with the size of the file; ``pickle_refused`` for objects."""
        with self._source.open(file) as handle:
            try:
                version = np.lib.format.read_magic(handle)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, fortran, dtype = read(handle)
            except (ValueError, OSError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
                raise bad("file_corrupt", f"{shown(file.key)} has no readable .npy header") from error
            offset, size = handle.tell(), os.fstat(handle.fileno()).st_size
        if dtype.hasobject:
            raise bad("pickle_refused", f"{shown(file.key)} holds pickled objects")
        if fortran or dtype.fields is not None or dtype.kind not in "iufbU" or not shape:
            raise bad("file_corrupt", f"{shown(file.key)} must be a C-ordered array of numbers or text, not {dtype}")
        stated = math.prod(shape) * dtype.itemsize
        if any(length < 0 for length in shape) or stated != size - offset:
            raise bad("file_corrupt", f"{shown(file.key)} states {stated} bytes of data and holds {size - offset}")
        return _Array(file, tuple(shape), dtype, offset)

    def columns(self) -> list[Column]:
        """Return one column a file, under the names that the payload will have."""
        real = self._arrays["value"].dtype.kind == "f"
        name = "target" if real or "target" in self._arrays["value"].file.key.lower() else "label"
        columns = [Column(name=self._kind.name, kind="numbers"), Column(name=name, kind="real" if real else "whole")]
        return [*columns, Column(name="id", kind="text")] if "id" in self._arrays else columns

    def batches(self) -> Iterator[Batch]:
        """Yield rows in the order of the arrays."""
        width = sum(array.row_bytes for array in self._arrays.values())
        step = max(1, min(1024, BATCH_BYTES // max(width, 1)))
        key = self._arrays["input"].file.key
        for first in range(0, self._count, step):
            count = min(step, self._count - first)
            parts = {role: array.rows(self._source, first, count) for role, array in self._arrays.items()}
            ids = parts["id"].tolist() if "id" in parts and self.roles.id is not None else [None] * count
            values = parts["value"].tolist()
            yield Batch(
                rows=[
                    Row(source=f"{key}#{first + i}", id=ids[i], value=values[i], media=parts["input"][i])
                    for i in range(count)
                ]
            )

    def payload_columns(self) -> dict[str, Any]:
        """Return the made columns."""
        return {"id": self.roles.id, "input": self.roles.input, "value": self.roles.values_named}

    def payload(self, batch: Batch, positions: list[int], values: Values) -> pa.Table:
        """Return id, media (an image as PNG) and value columns in the Hugging Face layout."""
        extras = {} if self.roles.id is None else {self.roles.id: "text"}
        rows = [batch.rows[index] for index in positions]
        for row in rows:
            row.extra = {} if self.roles.id is None else {self.roles.id: str(row.id)}
        return build_payload(
            rows,
            build_schema((self.roles.input, self.modality.feature), self.roles.value, extras, values),
            extras,
            values,
        )


_STEMS = {"input": INPUT_STEMS, "value": VALUE_STEMS, "id": ID_STEMS}


def _pick(files: list[SourceFile], stems: set[str]) -> SourceFile | None:
    matches = [file for file in files if Path(file.key).stem.lower() in stems]
    return matches[0] if len(matches) == 1 else None
