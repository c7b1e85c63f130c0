"""The decoding pass: each row is decoded once, then kept with an id or rejected with a reason."""

from __future__ import annotations

import dataclasses
from array import array
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core.digest import sha256_bytes
from telltale_core.drop.budget import Clock
from telltale_core.drop.config import DropConfig
from telltale_core.drop.readers.base import Batch, Reader, Row, Values
from telltale_core.drop.record import REJECTED, samples_schema
from telltale_core.drop.rejected_rows import RejectedRows
from telltale_core.drop.values import Answer, Task, clean_id
from telltale_core.drop.writers import DropWriter, table_of
from telltale_core.errors import BadInput
from telltale_core.modality.information_loss import Loss
from telltale_core.modality.layout_spec import Packing
from telltale_core.modality.parts import Decoder, Media
from telltale_core.modality.reasons import bad
from telltale_core.questions import Question


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Who reads the drop: its format's reader with roles assigned, its modality's decoder, and the settings."""

    reader: Reader
    decoder: Decoder
    config: DropConfig
    clock: Clock

    def decoded(self, media: Media, packing: Packing) -> tuple[NDArray[Any], Loss, bytes]:
        """Return a packed sample, what it does not hold of its media, and these in a portable form."""
        started = self.clock.now_s()
        sample, loss = self.decoder.examined(media, packing)
        portable = media if isinstance(media, bytes) else self.decoder.portable(media, sample)
        self.clock.check_sample(started)
        return sample, loss, portable


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the first pass found out: everything that the second pass does by, and what a person must decide of it.

    ``fitting`` of the ``rows`` rows have an input that can be decoded as far as its header shows. ``split`` is the one
    that is read, ``aside`` the rows of others. ``doubts`` are shown to a person, who need not decide.
    """

    rows: int
    fitting: int
    task: Task
    packing: Packing
    questions: tuple[Question, ...] = ()
    split: str | None = None
    aside: Mapping[str, int] = dataclasses.field(default_factory=dict)
    doubts: tuple[str, ...] = ()


@dataclasses.dataclass(slots=True)
class Tally:
    """What became of the rows; ``values`` are the labels that occur, ``different`` up to two answers.

    ``losses`` holds of every kept row, in order, what its packed sample does not hold (:class:`Loss`).
    """

    kept_rows: int = 0
    rejected_rows: int = 0
    same_content: int = 0
    longest_id: int = 0
    by_reason: Counter[str] = dataclasses.field(default_factory=Counter)
    values: set[int] = dataclasses.field(default_factory=set)
    different: set[Answer] = dataclasses.field(default_factory=set)
    losses: array[int] = dataclasses.field(default_factory=lambda: array("i"))

    @property
    def rows(self) -> int:
        """Kept and rejected rows together."""
        return self.kept_rows + self.rejected_rows


class Identities:
    """Gives every kept row its unique id, and knows which ids and contents came before."""

    def __init__(self, config: DropConfig, *, has_ids: bool) -> None:
        self._config, self._has_ids = config, has_ids
        self._by_id: dict[str, str] = {}
        self._contents: Counter[str] = Counter()

    def name(self, row: Row, signature: str) -> str:
        """Return the id of a row with this signature (of bytes and value), or raise why it gets none.

        An id that was given before is rejected: ``duplicate_id`` for the same signature, else ``id_conflict``. Without
        an id column the signature is the id, and repeats of it are numbered ``-2``, ``-3``.
        """
        if not self._has_ids:
            count = self._contents[signature] + 1
            return signature if count == 1 else f"{signature}-{count}"
        sample_id = clean_id(row.id, self._config.limits.max_id_chars)
        earlier = self._by_id.get(sample_id)
        if earlier == signature:
            raise bad("duplicate_id", "an earlier row has this id, with the same bytes and value")
        if earlier is not None:
            raise bad("id_conflict", "an earlier row has this id, with other bytes or another value")
        return sample_id

    def admit(self, sample_id: str, signature: str) -> bool:
        """Note a row as kept; return whether its content came before. ``duplicate_content`` if that is not allowed."""
        repeated = signature in self._contents
        if repeated and self._config.duplicates == "reject":
            raise bad("duplicate_content", "an earlier row has the same bytes and value")
        self._contents[signature] += 1
        if self._has_ids:
            self._by_id[sample_id] = signature
        return repeated


@dataclasses.dataclass(frozen=True, slots=True)
class _PackedRow:
    """One row that passed: its record, its packed sample, and its media in a portable form."""

    record: dict[str, Any]
    sample: np.ndarray
    media: bytes


class Packer:
    """Turns batches into the files of a drop."""

    def __init__(self, job: Job, plan: Plan, writer: DropWriter) -> None:
        self._job, self._writer = job, writer
        self._task, self._packing = plan.task, plan.packing
        self._has_ids = job.reader.roles.id is not None
        self._identities = Identities(job.config, has_ids=self._has_ids)
        self._rejections = RejectedRows(job.reader, job.config)
        self._value = "target" if plan.task.name == "regression" else "label"
        self.tally = Tally()

    def add(self, batch: Batch) -> None:
        """Decode, validate and write the rows of a batch."""
        self._job.clock.check_drop(self.tally.rows)
        positions: list[int] = []
        records: list[dict[str, Any]] = []
        rejected: list[dict[str, Any]] = []
        for position, row in enumerate(batch.rows):
            if row.aside is not None:
                continue
            try:
                accepted = self._keep(row)
            except BadInput as error:
                rejected.append(self._reject(batch, position, error))
                continue
            positions.append(position)
            records.append(accepted.record)
            self._writer.inputs.add(accepted.sample)
            row.media = accepted.media
        if records:
            numbers = [record[self._value] for record in records]
            task = self._task
            respelt = None if self._value == "target" or task.flags else task.classes.published
            values = Values(numbers=numbers, label_names=task.label_names, task=task.name, published=respelt)
            self._writer.samples.add(table_of(samples_schema(several=self._task.several), records))
            self._writer.payload.add(self._job.reader.payload(batch, positions, values))
        if rejected:
            self._writer.rejected.add(table_of(REJECTED, rejected))

    def _keep(self, row: Row) -> _PackedRow:
        row_media = row.found_media()
        number = self._task.number(row.value)
        sample, loss, media = self._job.decoded(row_media, self._packing)
        content = sha256_bytes(media)
        name = self._named(number)
        signature = sha256_bytes(f"{content} {name}".encode())
        sample_id = self._identities.name(row, signature)
        repeated = self._identities.admit(sample_id, signature)
        self.tally.same_content += repeated
        self.tally.kept_rows += 1
        self.tally.longest_id = max(self.tally.longest_id, len(sample_id))
        self.tally.losses.append(int(loss))
        if self._value == "label":
            self.tally.values.update(_labels(number))
        if len(self.tally.different) < 2:
            self.tally.different.add(number)
        record = {"sample_id": sample_id, self._value: number, "source": row.source, "content_sha256": content}
        return _PackedRow(record, sample, media)

    def _named(self, number: Answer) -> str:
        names = self._task.label_names
        if names is None or self._task.name == "regression":
            return repr(number)
        return " ".join(names[label] for label in _labels(number))

    def _reject(self, batch: Batch, position: int, error: BadInput) -> dict[str, Any]:
        record = self._rejections.record(batch, position, error, self.tally.rows)
        self.tally.rejected_rows += 1
        self.tally.by_reason[error.code] += 1
        return record


def _labels(number: Answer) -> tuple[int, ...]:
    """Return a label, or the labels of a set, as a tuple."""
    return tuple(int(label) for label in number) if isinstance(number, tuple) else (int(number),)
