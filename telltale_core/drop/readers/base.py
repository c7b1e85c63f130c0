"""What every reader yields: rows with their raw values, in batches, and the payload columns of those that are kept."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from telltale_core.drop.layout import Roles
from telltale_core.drop.readers.quoting import Lines
from telltale_core.drop.split_names import TRAIN, of_value
from telltale_core.drop.values import Answer
from telltale_core.errors import BadInput
from telltale_core.modality import Modality, modality_named
from telltale_core.modality.columns import Column
from telltale_core.modality.parts import Media
from telltale_core.modality.reasons import bad, shown
from telltale_core.row_sizes import Sizes

BATCH_BYTES = 32 << 20
"""What the rows of a batch decode to together; a larger row is a batch of its own."""
BATCH_ROWS = 64
INLINE_ROWS = 1024
"""Rows of a batch at most, where they are read one by one: with a file of media each, and without."""


@dataclasses.dataclass(slots=True, kw_only=True)
class Row:
    """One raw row: where it stands, its id and value as found, its media, or the fault that the reader met.

    ``aside``: the split that it is of, where another one is read: such a row is counted and neither kept nor rejected.
    ``splitless``: it is of no split, though the drop has a column of splits: it is rejected, once.

    ``cells``: all of its columns as they were read, where the format has columns and they are not in the batch's table.
    """

    source: str
    id: object = None
    value: object = None
    media: Media | None = None
    path: str | None = None
    extra: dict[str, Any] | None = None
    cells: dict[str, Any] | None = None
    fault: BadInput | None = None
    aside: str | None = None
    splitless: bool = False

    def found_media(self) -> Media:
        """Return its media as found; raises the fault that the reader met, or ``media_missing``."""
        if self.fault is not None:
            raise self.fault
        if self.media is None:
            raise bad("media_missing", "the row has no media")
        return self.media


@dataclasses.dataclass(slots=True, kw_only=True)
class Batch:
    """Consecutive rows; ``table`` holds their columns as they came where the payload is passed through."""

    rows: list[Row]
    table: pa.RecordBatch | None = None
    sizes: dict[str, Sizes] = dataclasses.field(default_factory=dict)  # of the table's values, once somebody asked


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What the kept rows of a batch were validated to: their labels or targets, and the class names if known.

    A number is None in a split that is not judged, where a row has no answer.
    ``published`` takes a label as it stands to how it is published: what is judged as one class is one there, too.
    """

    numbers: Sequence[Answer | None]
    label_names: tuple[str, ...] | None
    task: str
    published: Callable[[object], object] | None = None


class Reader(abc.ABC):
    """A format. ``batches`` may be called twice: for the survey and for the packing, with equal rows both times.

    ``skipped_metadata``: keys of the schema's metadata that are not passed on, and why. ``read_files``: keys of the
    files that rows come from, media included once all rows were read. ``lines``: of text tables, after a pass.
    ``encodings``: of files of text by key. ``split``, ``rows_of_others``: where one file holds several splits.
    """

    format: str
    roles: Roles
    skipped_metadata: Mapping[str, str] = MappingProxyType({})
    read_files: set[str]
    lines: Lines | None = None
    encodings: Mapping[str, str] = MappingProxyType({})
    split: str | None = None
    rows_of_others: Mapping[str, int] = MappingProxyType({})

    @property
    def modality(self) -> Modality:
        """The kind of data that the roles name."""
        return modality_named(self.roles.modality)

    def sort_by_split(self, row: Row, cells: Sequence[object]) -> None:
        """Note on a row which split its cells in the columns of splits name, if another one is read, or none.

        Of several columns all that are filled must say train, else the first that does not names the split.
        """
        if not self.roles.splits:
            return
        named = list(filter(None, map(of_value, self.roles.splits, cells)))
        split = next((one for one in named if one != TRAIN), named[0] if named else None)
        row.aside = None if split == self.roles.wanted else split
        row.splitless = split is None
        if row.splitless and row.fault is None:
            row.fault = bad("split_missing", f"the column {shown(self.roles.splits[0])} names no split for this row")

    def assign(self, roles: Roles) -> None:
        """Fix which column is what; to be called before rows are read."""
        self.roles = roles

    @abc.abstractmethod
    def columns(self) -> list[Column]:
        """Return the columns that roles are chosen from."""

    @abc.abstractmethod
    def batches(self) -> Iterator[Batch]:
        """Yield the rows in order; raises :class:`BadInput` when a whole file cannot be read."""

    def cells(self, batch: Batch, position: int) -> dict[str, Any]:
        """Return all columns of a row as they came, without the media's bytes; for a row that is rejected."""
        row = batch.rows[position]
        if row.cells is not None:
            return row.cells
        id_cell = {} if self.roles.id is None else {self.roles.id: row.id}
        return id_cell | ({} if row.path is None else {self.roles.input: row.path}) | {self.roles.value: row.value}

    @abc.abstractmethod
    def payload_columns(self) -> dict[str, Any]:
        """Return the payload's column names of ``id``, ``input`` (a list if there are several) and ``value``."""

    @abc.abstractmethod
    def payload(self, batch: Batch, positions: list[int], values: Values) -> pa.Table:
        """Return the payload columns of the rows at the positions ``positions``, in one schema for the whole drop."""
