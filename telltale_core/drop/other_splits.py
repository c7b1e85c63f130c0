"""Rows of the splits that are not read, carried into the drop beside its samples: read and checked, never judged.

Each split is read as it would be alone, by the columns and classes of the split that is judged, and its rows lie in a
file of its own.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from pathlib import Path

from telltale_core.drop.decode_pass import Job, Plan
from telltale_core.drop.formats import open_reader
from telltale_core.drop.manifest import OtherSplit
from telltale_core.drop.readers.base import Batch, Reader, Values
from telltale_core.drop.source import Source
from telltale_core.drop.split_names import CARRIED, REASON
from telltale_core.drop.splits import choose_split
from telltale_core.drop.values import Answer
from telltale_core.drop.writers import ParquetStream
from telltale_core.errors import BadInput
from telltale_core.modality.reasons import bad, shown

MOST_SPLITS = 16
"""Each is a reading of the drop of its own."""
LEAVE = 'set drop.other_splits = "leave"'


def copied(source: Source) -> Source:
    """Return the same drop with lists of its own of what is read and what is ignored."""
    twin = copy.copy(source)
    twin.files, twin.ignored = dict(source.files), {reason: list(keys) for reason, keys in source.ignored.items()}
    return twin


def carry_others(whole: Source, source: Source, job: Job, plan: Plan, folder: Path) -> list[OtherSplit]:
    """Return the other splits of a drop, each written to a file in ``folder``.

    ``whole`` is the drop with all its splits, ``source`` the part that was read: its account of files is completed.
    A row that cannot be read is left out and counted by its reason; a label that is no class becomes null.
    """
    by_file = {reason.removeprefix(REASON) for reason in source.ignored if reason.startswith(REASON)}
    names = sorted(by_file | set(plan.aside))
    if len(names) > MOST_SPLITS:
        raise bad(
            "split_unclear", f"{len(names)} other splits are more than {MOST_SPLITS} that can be carried: {LEAVE}"
        )
    carried = []
    for number, name in enumerate(names):
        reader = _reader(whole, name, job)
        entry = _write(reader, name, job, plan, folder / f"split-{number:03d}.parquet")
        carried.append(entry)
        for key in [key for key in source.ignored.get(REASON + name, []) if key in reader.read_files]:
            source.ignored[REASON + name].remove(key)
            source.ignored.setdefault(REASON + name + CARRIED, []).append(key)
    source.ignored = {reason: keys for reason, keys in source.ignored.items() if keys}
    return carried


def _reader(whole: Source, name: str, job: Job) -> Reader:
    """Return a reader of one split, with the roles of the one that is judged."""
    view, roles = copied(whole), job.reader.roles
    config = job.config.replace(split=name, format=job.reader.format)
    choose_split(view, config)
    reader = open_reader(view, config)
    columns = {column.name for column in reader.columns()}
    if missing := sorted({*roles.inputs, *roles.values} - columns):
        raise bad("schema_mismatch", f"the split {shown(name)} has no column {shown(missing[0])}: {LEAVE}")
    reader.assign(
        dataclasses.replace(
            roles, wanted=name, split=roles.split if roles.split in columns else None,
            id=roles.id if roles.id in columns else None,
        )
    )  # fmt: skip
    return reader


def _write(reader: Reader, name: str, job: Job, plan: Plan, path: Path) -> OtherSplit:
    for _ in reader.batches():  # the first of two passes, after which a reader knows the types of all columns
        job.clock.check_drop(1)
    rows, unlabelled, left_out, stream = 0, 0, Counter[str](), ParquetStream(path)
    try:
        for batch in reader.batches():
            positions, numbers = _checked(batch, job, plan, left_out)
            rows, unlabelled = rows + len(positions), unlabelled + numbers.count(None)
            job.clock.check_drop(rows + left_out.total())
            if positions:
                stream.add(reader.payload(batch, positions, _values(plan, numbers)))
        if not rows:
            why = ", ".join(f"{code}: {count:,}" for code, count in sorted(left_out.items())) or "it has none"
            raise bad("split_unclear", f"no row of the split {shown(name)} can be carried ({why}): {LEAVE}")
        stream.close()
    finally:
        stream.abandon()
    return OtherSplit(
        split=name, file=path.name, rows=rows, unlabelled=unlabelled, left_out=dict(sorted(left_out.items()))
    )


def _checked(batch: Batch, job: Job, plan: Plan, left_out: Counter[str]) -> tuple[list[int], list[Answer | None]]:
    """Return the positions of the rows that can be read, as those of samples are, and their answers."""
    positions, numbers = list[int](), list[Answer | None]()
    for position, row in enumerate(batch.rows):
        if row.aside is not None:
            continue
        started = job.clock.now_s()
        try:
            if row.fault is not None:
                raise row.fault
            if row.media is None:
                raise bad("media_missing", "the row has no media")
            sample, _ = job.decoder.examined(row.media, plan.packing)
            if not isinstance(row.media, bytes):
                row.media = job.decoder.portable(row.media, sample)
            job.clock.check_sample(started)
            numbers.append(_answer(row.value, plan))
        except BadInput as error:
            left_out[error.code] += 1
            continue
        positions.append(position)
    return positions, numbers


def _answer(value: object, plan: Plan) -> Answer | None:
    """Return a row's answer; None where it is none that the judged split knows, as test splits often have."""
    try:
        return plan.task.number(value)
    except BadInput:
        if plan.task.several:
            raise
        return None


def _values(plan: Plan, numbers: list[Answer | None]) -> Values:
    task = plan.task
    published = None if task.name == "regression" or task.flags else task.classes.published
    return Values(numbers=numbers, label_names=task.label_names, task=task.name, published=published)
