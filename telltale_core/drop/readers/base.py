"""What every reader yields: rows with their raw values, in batches, and the payload columns of those that are kept."""

from __future__ import annotations

import abc
import base64
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from telltale_core.drop.layout import Column, Roles
from telltale_core.drop.reasons import shown
from telltale_core.drop.values import Answer
from telltale_core.errors import BadInput
from telltale_core.modality import Modality, modality_named

Media = bytes | np.ndarray | list[Any] | str | float | dict[str, Any]


@dataclasses.dataclass(slots=True, kw_only=True)
class Row:
    """One raw row: where it stands, its id and value as found, its media, or the fault that the reader met."""

    source: str
    id: object = None
    value: object = None
    media: Media | None = None
    path: str | None = None
    extra: dict[str, Any] | None = None
    fault: BadInput | None = None

    def raw(self, max_bytes: int) -> bytes:
        """Return the row as evidence for a reviewer, at most ``max_bytes``: its media, else its values as JSON."""
        if isinstance(self.media, bytes):
            return self.media[:max_bytes]
        if isinstance(self.media, np.ndarray) and self.media.dtype != object:
            return self.media.tobytes()[:max_bytes]
        if isinstance(self.media, str):
            return self.media.encode("utf-8", "replace")[:max_bytes]
        inline = self.media if isinstance(self.media, dict) else {}
        values = {"id": self.id, "value": self.value, **inline, **(self.extra or {})}
        short = {name: _short(value, max_bytes) for name, value in values.items()}
        return json.dumps(short, ensure_ascii=True).encode()[:max_bytes]


def _short(value: object, max_chars: int) -> object:
    if isinstance(value, str):
        return value[:max_chars]
    if isinstance(value, bytes):
        return base64.b64encode(value[:max_chars]).decode()
    return value if value is None or isinstance(value, bool | int | float) else shown(value, 1000)


@dataclasses.dataclass(slots=True, kw_only=True)
class Batch:
    """Consecutive rows; ``table`` holds their columns as they came where the payload is passed through."""

    rows: list[Row]
    table: pa.RecordBatch | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What the kept rows of a batch were validated to: their labels or targets, and the class names if known.

    ``published`` takes a label as it stands to how it is published: what is judged as one class is one there, too.
    """

    numbers: Sequence[Answer]
    label_names: tuple[str, ...] | None
    task: str
    published: Callable[[object], object] | None = None


class Reader(abc.ABC):
    """A format. ``batches`` may be called twice: for the survey and for the packing, with equal rows both times."""

    format: str
    roles: Roles

    @property
    def modality(self) -> Modality:
        """The kind of data that the roles name."""
        return modality_named(self.roles.modality)

    def assign(self, roles: Roles) -> None:
        """Fix which column is what; to be called before rows are read."""
        self.roles = roles

    @abc.abstractmethod
    def columns(self) -> list[Column]:
        """Return the columns that roles are chosen from."""

    @abc.abstractmethod
    def batches(self) -> Iterator[Batch]:
        """Yield the rows in order; raises :class:`BadInput` when a whole file cannot be read."""

    @abc.abstractmethod
    def payload_columns(self) -> dict[str, Any]:
        """Return the payload's column names of ``id``, ``input`` (a list if there are several) and ``value``."""

    @abc.abstractmethod
    def payload(self, batch: Batch, kept: list[int], values: Values) -> pa.Table:
        """Return the payload columns of the rows at the positions ``kept``, in one schema for the whole drop."""
