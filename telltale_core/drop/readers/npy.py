"""Arrays side by side, inputs and labels (and maybe ids): in ``.npy`` files, in one ``.npz``, in IDX files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from telltale_core.drop.config import DropConfig
from telltale_core.drop.readers.array_files import ArrayFile, arrays_in
from telltale_core.drop.readers.base import Batch, Reader, Row, Values
from telltale_core.drop.readers.payload_columns import build_payload, build_schema
from telltale_core.drop.source import Source, SourceFile
from telltale_core.drop.split_names import ALL, PARTS, TRAIN, split_named
from telltale_core.errors import BadInput
from telltale_core.modality import modality_named
from telltale_core.modality.columns import Column
from telltale_core.modality.reasons import bad, shown

STEMS = {
    "input": {"x", "images", "image", "inputs", "data", "features"},
    "value": {"y", "labels", "label", "targets", "target"},
    "id": {"ids", "id", "sample_ids", "sample_id"},
}
"""Names of arrays by what they hold, without the word of a split."""
BATCH_BYTES = 8 << 20
FEW_FEATURES = 64
"""Rows of fewer fractions are a table: an 8 x 8 picture has so many."""


class NpyReader(Reader):
    """Reads slices of the arrays side by side."""

    format = "npy"

    def __init__(self, source: Source, files: list[SourceFile], config: DropConfig) -> None:
        self._source, self._limits = source, config.limits
        self.read_files = {file.key for file in files}
        arrays = [array for file in files for array in arrays_in(source, file)]
        self._arrays, self.split, self.rows_of_others = _chosen(arrays, config)
        self._count = self._arrays["input"].shape[0]
        if self._count > self._limits.max_rows:
            raise bad("too_many_rows", f"{self._count} rows, more than max_rows={self._limits.max_rows}")
        for role, array in self._arrays.items():
            flat = len(array.shape) == 1 or (role == "value" and len(array.shape) == 2)
            if array.shape[0] != self._count or not (flat or role == "input"):
                raise bad(
                    "schema_mismatch",
                    f"{shown(array.stem)} has shape {array.shape} beside {self._count} inputs: give one label, or one "
                    "row of labels, for each of them",
                )
            if array.row_bytes > self._limits.max_row_bytes:
                limit = self._limits.max_row_bytes
                raise bad("drop_too_large", f"a row of {shown(array.stem)} has more than max_row_bytes={limit} bytes")
        self._one_hot = self._is_one_hot()
        self._kind = modality_named(config.modality or _modality(self._arrays["input"]))

    def _is_one_hot(self) -> bool:
        """Return whether every row of the labels is 0 but for a single 1."""
        array = self._arrays["value"]
        if len(array.shape) != 2 or array.shape[1] < 2 or array.dtype.kind == "U":
            return False
        step = max(1, BATCH_BYTES // max(array.row_bytes, 1))
        firsts = range(0, self._count, step)
        parts = (array.rows(self._source, first, min(step, self._count - first)) for first in firsts)
        return all(bool(((part == 1).sum(axis=1) == 1).all() and ((part == 0) | (part == 1)).all()) for part in parts)

    def columns(self) -> list[Column]:
        """Return one column an array, under the names that the payload will have."""
        values = self._arrays["value"]
        real = values.dtype.kind == "f" and not self._one_hot
        name = "target" if real or "target" in values.stem.lower() else "label"
        kind = "real" if real else "whole"
        columns = [Column(name=self._input_name(), kind="numbers"), Column(name=name, kind=kind)]
        return [*columns, Column(name="id", kind="text")] if "id" in self._arrays else columns

    def _input_name(self) -> str:
        return "features" if self._kind.name == "table" else self._kind.name

    def batches(self) -> Iterator[Batch]:
        """Yield rows in the order of the arrays."""
        width = sum(array.row_bytes for array in self._arrays.values())
        step = max(1, min(1024, BATCH_BYTES // max(width, 1)))
        key = self._arrays["input"].file.key
        for first in range(0, self._count, step):
            count = min(step, self._count - first)
            parts = {role: array.rows(self._source, first, count) for role, array in self._arrays.items()}
            ids = parts["id"].tolist() if "id" in parts and self.roles.id is not None else [None] * count
            values = self._values(parts["value"])
            yield Batch(
                rows=[
                    Row(source=f"{key}#{first + i}", id=ids[i], value=values[i], media=parts["input"][i])
                    for i in range(count)
                ]
            )

    def _values(self, values: np.ndarray) -> list[object]:
        """Return labels or targets: of a column of one the value, of one-hot rows the place of the 1, else lists."""
        if values.ndim == 2 and (self._one_hot or values.shape[1] == 1):
            values = values.argmax(axis=1) if self._one_hot else values[:, 0]
        return list(values.tolist())

    def payload_columns(self) -> dict[str, Any]:
        """Return the made columns."""
        return {"id": self.roles.id, "input": self.roles.input, "value": self.roles.values_named}

    def payload(self, batch: Batch, positions: list[int], values: Values) -> pa.Table:
        """Return id, media (an image as PNG) and value columns in the Hugging Face layout."""
        extras = {} if self.roles.id is None else {self.roles.id: "text"}
        rows = [batch.rows[index] for index in positions]
        for row in rows:
            row.extra = {} if self.roles.id is None else {self.roles.id: str(row.id)}
        media = None if self.modality.inline else (self.roles.input, self.modality.feature)
        table = build_payload(rows, build_schema(media, self.roles.value, extras, values), extras, values)
        if not self.modality.inline:
            return table
        kind = pa.float64() if self._arrays["input"].dtype.kind == "f" else pa.int64()
        features = [json.loads(row.media) if isinstance(row.media, bytes) else None for row in rows]
        return table.add_column(len(extras), self.roles.input, pa.array(features, pa.list_(kind)))


def _chosen(arrays: list[ArrayFile], config: DropConfig) -> tuple[dict[str, ArrayFile], str | None, Mapping[str, int]]:
    """Return the arrays by role, the split that they are of, and the rows of others in the same file."""
    by_split: dict[str, dict[str, ArrayFile]] = {}
    for array in arrays:
        words = [word for word in PARTS.split(array.stem.lower()) if word]
        split = next((name for word in words if (name := split_named(word))), "")
        plain = [word for word in words if not split_named(word)]
        names = {"_".join(plain), *plain[-1:]}
        role = next((role for role, stems in STEMS.items() if names & stems), None)
        if role is None or role in by_split.get(split, {}):
            raise _unclear(arrays)
        by_split.setdefault(split, {})[role] = array
    whole = {split: arrays for split, arrays in by_split.items() if {"input", "value"} <= arrays.keys()}
    if not whole:
        raise _unclear(arrays)
    if {"", TRAIN} <= whole.keys():
        counts = " and ".join(f"{len_of(whole[name]):,}" for name in ("", TRAIN))
        raise bad(
            "split_unclear",
            f"arrays that are called after no split lie beside those of train, {counts} rows: leave one of the two out "
            "(drop.files chooses .npy files), or call it after another split",
        )
    wanted = TRAIN if config.split in {None, ALL} else split_named(config.split or "") or config.split
    chosen = next((name for name in (wanted, "") if name in whole), None)
    chosen = next(iter(whole)) if chosen is None and len(whole) == 1 and config.split is None else chosen
    if chosen is None or (config.split == ALL and len(whole) > 1):
        raise bad(
            "split_unclear", f"the arrays are of the splits {shown(sorted(whole))}: set drop.split to one of them"
        )
    others = {name or TRAIN: len_of(arrays) for name, arrays in whole.items() if name != chosen}
    return whole[chosen], (chosen or TRAIN) if others else chosen or None, others


def len_of(arrays: Mapping[str, ArrayFile]) -> int:
    """Return the number of inputs."""
    return arrays["input"].shape[0]


def _unclear(arrays: list[ArrayFile]) -> BadInput:
    names = shown([array.stem for array in arrays[:9]], 200)
    return bad("format_unclear", f"needs one array of inputs (images, x) and one of labels (labels, y); found {names}")


def _modality(inputs: ArrayFile) -> str:
    """Return what kind of data rows of numbers are: a table where they are few fractions, or form no square picture."""
    if len(inputs.shape) != 2:
        return "image"
    count = inputs.shape[1]
    square = any(round((count / channels) ** 0.5) ** 2 * channels == count for channels in (1, 3))
    return "table" if not square or (inputs.dtype.kind == "f" and count < FEW_FEATURES) else "image"
