"""What a modality may know of a drop and of its settings, as protocols: the drop's own classes stand above it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telltale_core.label_sets import LabelSets
from telltale_core.records import Ids


class Limits(Protocol):
    """Bounds that hold before anything is decoded; units are in the names."""

    @property
    def max_columns(self) -> int: ...  # noqa: D102
    @property
    def max_pixels(self) -> int: ...  # noqa: D102
    @property
    def max_side(self) -> int: ...  # noqa: D102
    @property
    def max_media_bytes(self) -> int: ...  # noqa: D102
    @property
    def max_text_chars(self) -> int: ...  # noqa: D102
    @property
    def max_word_chars(self) -> int: ...  # noqa: D102
    @property
    def max_decoded_row_bytes(self) -> int: ...  # noqa: D102
    @property
    def max_audio_s(self) -> int: ...  # noqa: D102
    @property
    def max_channels(self) -> int: ...  # noqa: D102
    @property
    def max_sample_rate(self) -> int: ...  # noqa: D102
    @property
    def max_audio_values(self) -> int: ...  # noqa: D102


class DropSettings(Protocol):
    """What a decoder may be told; ``None`` means that it finds out. :class:`telltale_core.drop.DropConfig` is one."""

    @property
    def limits(self) -> Limits: ...  # noqa: D102
    @property
    def image_size(self) -> int | None: ...  # noqa: D102
    @property
    def largest_image(self) -> int | None: ...  # noqa: D102
    @property
    def sample_rate(self) -> int | None: ...  # noqa: D102
    @property
    def max_seconds(self) -> float | None: ...  # noqa: D102
    @property
    def max_tokens(self) -> int | None: ...  # noqa: D102
    @property
    def vocabulary(self) -> int | None: ...  # noqa: D102


class PackedDrop(Protocol):
    """Packed samples and how they are packed; ``inputs`` (N, ...)."""

    @property
    def path(self) -> Path: ...  # noqa: D102
    @property
    def inputs(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def packing(self) -> dict[str, Any]: ...  # noqa: D102


class TrainingSet(PackedDrop, Protocol):
    """What training needs of a drop; :class:`telltale_core.drop.Drop` is one."""

    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def modality(self) -> str: ...  # noqa: D102
    @property
    def task(self) -> str: ...  # noqa: D102
    @property
    def num_classes(self) -> int | None: ...  # noqa: D102
    @property
    def sample_ids(self) -> Ids: ...  # noqa: D102
    @property
    def labels(self) -> NDArray[np.int64] | None: ...  # noqa: D102
    @property
    def targets(self) -> NDArray[np.float64] | None: ...  # noqa: D102
    @property
    def label_sets(self) -> LabelSets | None: ...  # noqa: D102


class Numbered(Protocol):
    """Cohorts of samples that are compared with each other: ``number`` (N,) int64."""

    @property
    def number(self) -> NDArray[np.int64]: ...  # noqa: D102


class ViewedDrop(PackedDrop, Protocol):
    """What a viewer may look at: packed samples, and the rows as they came."""

    @property
    def manifest(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def cohorts(self) -> Numbered | None: ...  # noqa: D102
    def payload_rows(self, rows: NDArray[np.int64], columns: Sequence[str] | None = None) -> Iterator[pa.Table]: ...  # noqa: D102
