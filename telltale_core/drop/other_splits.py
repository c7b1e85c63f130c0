"""Rows of the splits that are not read, carried into the drop beside its samples: read and checked, never judged.

A split's rows are those of its own files, or those that the column of splits names in the files that are judged: what
is judged is never in one. They are read by the columns and classes of the judged split, and lie in a file of their own.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from pathlib import Path

from telltale_core.drop.decode_pass import Job, Plan
from telltale_core.drop.formats import data_files, open_reader
from telltale_core.drop.manifest import OtherSplit
from telltale_core.drop.readers.base import Batch, Reader, Values
from telltale_core.drop.source import Source
from telltale_core.drop.split_names import CARRIED, REASON, is_whole
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
        raise _unclear(f"{len(names)} other splits are more than {MOST_SPLITS} that can be carried")
    if odd := [name for name in names if not is_whole(name)]:
        raise _unclear(f"the split {shown(odd[0])} has a name that is too long to be carried by")
    carried = []
    for number, name in enumerate(names):
        if name == plan.split:
            raise _unclear(f"the split {shown(name)} is judged, and cannot be carried unjudged as well")
        reader = _reader(whole, source, name, job, plan)
        carried.append(_write(reader, name, job, plan, folder / f"split-{number:03d}.parquet"))
        _account_for(source, name, reader.read_files - job.reader.read_files)
    return carried


def _unclear(message: str) -> BadInput:
    return bad("split_unclear", f"{message}: {LEAVE}")


def _account_for(source: Source, name: str, carried: set[str]) -> None:
    """Note the files that only this split's rows come from as carried, whether they lay among the read ones or not."""
    left = source.ignored.pop(REASON + name, [])
    if still := [key for key in left if key not in carried]:
        source.ignored[REASON + name] = still
    for key in [*(key for key in left if key in carried), *sorted(carried & source.files.keys())]:
        source.ignore(key, REASON + name + CARRIED)


def _view(whole: Source, source: Source, name: str, job: Job, plan: Plan) -> Source:
    """Return the drop with the files of one split: of those that hold rows only those that hold rows of it.

    Files of rows that belong to no split are read with the judged one, so they are in no other. Media stay.
    """
    format_ = job.reader.format
    holding = set(data_files(whole, format_))
    own, named = holding.intersection(source.ignored.get(REASON + name, [])), name in plan.aside
    if own and named:
        raise _unclear(f"the split {shown(name)} has files of its own, and rows in the files that are judged")
    if not own and not named:
        raise _unclear(f"no file of the split {shown(name)} holds rows of the format {format_!r}")
    if both := own & job.reader.read_files:
        raise _unclear(f"{shown(min(both))} is judged, and cannot be carried as of the split {shown(name)}")
    rows, view = own or set(data_files(source, format_)), copied(whole)
    choose_split(view, job.config.replace(split=name, format=format_))
    view.files = {
        key: file for key, file in whole.files.items() if key in rows or (key in view.files and key not in holding)
    }
    return view


def _reader(whole: Source, source: Source, name: str, job: Job, plan: Plan) -> Reader:
    """Return a reader of one split, with the roles of the one that is judged."""
    roles, config = job.reader.roles, job.config.replace(split=name, format=job.reader.format)
    reader = open_reader(_view(whole, source, name, job, plan), config)
    if reader.split not in {None, name}:
        raise _unclear(f"the arrays of the split {shown(name)} are not there")
    columns = {column.name for column in reader.columns()}
    if missing := sorted({*roles.inputs, *roles.values} - columns):
        raise bad("schema_mismatch", f"the split {shown(name)} has no column {shown(missing[0])}: {LEAVE}")
    reader.assign(
        dataclasses.replace(
            roles, wanted=name, splits=tuple(split for split in roles.splits if split in columns),
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
            positions, numbers = _checked(batch, name, job, plan, left_out)
            rows, unlabelled = rows + len(positions), unlabelled + numbers.count(None)
            job.clock.check_drop(rows + left_out.total())
            if positions:
                stream.add(reader.payload(batch, positions, _values(plan, numbers)))
        _check_rows(rows + left_out.total(), name, plan)
        if not rows:
            why = ", ".join(f"{code}: {count:,}" for code, count in sorted(left_out.items())) or "it has none"
            raise _unclear(f"no row of the split {shown(name)} can be carried ({why})")
        stream.close()
    finally:
        stream.abandon()
    return OtherSplit(
        split=name, file=path.name, rows=rows, unlabelled=unlabelled, left_out=dict(sorted(left_out.items()))
    )


def _check_rows(count: int, name: str, plan: Plan) -> None:
    """Raise where not exactly the rows of judged files are carried that were left out as of this split."""
    counted = plan.aside.get(name, count)
    if count != counted:
        raise _unclear(
            f"{count:,} rows are called exactly {shown(name)}, and {counted:,} were left out as of that split, some "
            "maybe by a name with characters that cannot be shown"
        )


def _checked(
    batch: Batch, name: str, job: Job, plan: Plan, left_out: Counter[str]
) -> tuple[list[int], list[Answer | None]]:
    """Return the positions of the rows that can be read, as those of samples are, and their answers.

    In judged files a row of no split is a rejected row of the judged one.
    """
    positions, numbers = list[int](), list[Answer | None]()
    for position, row in enumerate(batch.rows):
        if row.aside is not None and name not in plan.aside:
            raise _unclear(f"{shown(row.source)}, in a file of the split {shown(name)}, is of {shown(row.aside)}")
        if row.aside is not None or (name in plan.aside and row.splitless):
            continue
        try:
            _, _, row.media = job.decoded(row.found_media(), plan.packing)
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
