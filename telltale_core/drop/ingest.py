"""Stage 1: a drop of files becomes validated, packed samples with stable ids, and rejected rows with reasons."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import logging
import math
import re
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from telltale_core.config import to_dict
from telltale_core.digest import sha256_file
from telltale_core.drop.accounting import account
from telltale_core.drop.ambiguous_columns import doubts
from telltale_core.drop.budget import FULL, Clock, Space, explained, require_memory
from telltale_core.drop.config import Declared, DropConfig, check_settings, declared_by_toml, stated_fields
from telltale_core.drop.decode_pass import Job, Packer, Plan, Tally
from telltale_core.drop.drop_toml import (
    Reading,
    beyond,
    find_roles_named,
    find_task_named,
    followed,
    obeying,
    open_requests,
)
from telltale_core.drop.formats import data_files, open_reader
from telltale_core.drop.record import DROP, FILES, NOTES, Drop, check_counts, drop_digest, samples_schema, verify_drop
from telltale_core.drop.sample_notes import take_notes
from telltale_core.drop.source import Source, open_source, public_source
from telltale_core.drop.unread_columns import find_unread
from telltale_core.drop.values import ValueSurvey
from telltale_core.drop.writers import DropWriter
from telltale_core.errors import BadInput, OverBudget, TelltaleError
from telltale_core.modality.reasons import bad
from telltale_core.questions import as_record
from telltale_core.records import write_whole
from telltale_core.storage.work import unusable

log = logging.getLogger(__name__)
DEFAULTS = DropConfig()
LEFT_OVER_S = 24 * 3600


def ingest(source: str, drops_dir: Path, config: DropConfig = DEFAULTS) -> Drop:
    """Return the drop behind a local path or URL as a folder ``drops_dir/<digest>``, which is written whole.

    The source is read twice: a survey of values and media headers, then one decoding pass. The same rows always give
    the same digest and the same data files; a folder that stands already is reused, and the returned drop still has
    the name, source and settings of this call. Raises :class:`BadInput` when the drop as a whole cannot be accepted;
    single bad rows are rejected and recorded instead. What a person must decide is in the manifest's ``questions``.
    """
    with _workspace(drops_dir) as space, explained(space, public_source(source)):
        opened, folder = open_source(source, config.limits, scratch=space.path / "source"), space.path / "drop"
        stated = declared_by_toml(opened.toml())
        job, plan = _read(opened, config, stated)
        with job.decoder.session():
            _check_packing(plan, space, config)
            tally = _pack(job, plan, folder)
        for name, data in plan.packing.files.items():
            (folder / name).write_bytes(data)
        manifest = _manifest(opened, job, plan, tally)
        manifest |= _statements(folder, opened, manifest["columns"], plan, config=config, stated=stated)
        notes = take_notes(Drop(path=folder, manifest=manifest), np.array(tally.losses, dtype=np.int32), config)
        manifest |= {"lost": notes.losses, "repeats": notes.repeats}
        manifest["questions"] += as_record(notes.questions)
        accounted = account(opened, job.reader, config, plan.rows)
        manifest |= {"accounting": accounted.record}
        manifest["questions"] += as_record(accounted.questions)
        note_files = [NOTES] if (folder / NOTES).exists() else []
        manifest["files"] = {name: sha256_file(folder / name) for name in (*FILES, *note_files, *plan.packing.files)}
        manifest["digest"] = drop_digest(manifest)
        drop = _move_into_place(folder, drops_dir / manifest["digest"], manifest)
    counts = manifest["counts"]
    log.info(
        "ingest %s: %d rows = %d kept + %d rejected", drop.name, counts["seen"], counts["kept"], counts["rejected"]
    )
    return drop


def fingerprint(source: str, config: DropConfig = DEFAULTS) -> str:
    """Return a cheap identity of the source's bytes for cache keys, 64 hex digits; it does not depend on the path."""
    return open_source(source, config.limits).fingerprint()


@contextlib.contextmanager
def _workspace(drops_dir: Path) -> Iterator[Space]:
    """Give a folder for one ingest's unfinished work, which is gone afterwards; sweeps what killed ingests left.

    Raises :class:`StorageError` before anything is read where the work area cannot be written.
    """
    space = Space(drops_dir / f".tmp-{secrets.token_hex(8)}", drops_dir)
    with contextlib.ExitStack() as stack:
        try:
            _sweep(drops_dir)
            (space.path / "drop").mkdir(parents=True)
            stack.callback(shutil.rmtree, space.path, ignore_errors=True)
            lock = stack.enter_context((space.path / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)  # the system frees it when the process dies
        except OSError as error:
            raise (space.full(error) if error.errno in FULL else unusable(drops_dir, error)) from error
        yield space


def _check_packing(plan: Plan, space: Space, config: DropConfig) -> None:
    """Raise :class:`OverBudget` where one packed sample, or all of them, would be too large, before any is made."""
    packing, limit = plan.packing, config.limits.max_sample_bytes
    row_bytes = math.prod(packing.shape) * np.dtype(packing.dtype).itemsize
    if row_bytes > limit:
        raise OverBudget(
            f"one packed sample takes {row_bytes:,} bytes ({packing.rule}), more than limits.max_sample_bytes={limit:,}"
            ": pack smaller ones (image_size, sample_rate, max_seconds, max_tokens), or raise the limit"
        )
    space.require(plan.fitting, row_bytes)


def _sweep(drops_dir: Path) -> None:
    """Remove the unfinished copies of ingests that were killed over a day ago: nobody's data, the sources have it all.

    Only our own temporary names; a folder whose ingest still runs, however long, holds its lock and stays.
    """
    for space in drops_dir.glob(".tmp-*"):
        with contextlib.suppress(OSError):  # somebody else sweeps, too; or it is not ours to remove
            if not re.fullmatch(r"\.tmp-[0-9a-f]{16}", space.name) or space.is_symlink():
                continue
            if time.time() - space.stat().st_mtime < LEFT_OVER_S:
                continue
            with (space / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(space)
                log.info("removed %s, the unfinished copy of an ingest that was killed", space)


def _read(source: Source, config: DropConfig, stated: Declared) -> tuple[Job, Plan]:
    """Return how the drop is read: by the operator's settings and what is inferred, the contributor naming things.

    Where it cannot be read like that, it is read as ``drop.toml`` asks, and the plan holds a question for each setting.
    """
    try:
        return _plan_for(source, config, stated)
    except BadInput as error:
        if not beyond(stated, config):
            raise
        log.info("not readable without what drop.toml says beyond names: %s", error)
        job, plan = _plan_for(source, obeying(config, stated), Declared())
        questions = [*followed(stated, config, error), *plan.questions]
        return job, dataclasses.replace(plan, questions=tuple(questions))


def _plan_for(source: Source, config: DropConfig, stated: Declared) -> tuple[Job, Plan]:
    reader = open_reader(source, config)
    columns = reader.columns()
    roles, questions = find_roles_named(columns, config, stated)
    reader.assign(roles)
    check_settings(config, roles.modality)
    job = Job(reader=reader, decoder=reader.modality.decoder(config), config=config, clock=Clock(config.limits))
    with job.decoder.session():
        plan = _survey(job, stated)
    questions += [*plan.questions, *doubts(columns, roles, config)]
    reading = Reading(
        format=reader.format,
        files=data_files(source, reader.format),
        roles=roles,
        task=plan.task,
        packing=plan.packing,
    )
    return job, dataclasses.replace(plan, questions=(*questions, *open_requests(stated, config, reading)))


def _survey(job: Job, stated: Declared) -> Plan:
    """Return the plan after a pass over all rows that decodes nothing."""
    values = ValueSurvey(job.config.limits.max_classes)
    probes: Counter[Any] = Counter()
    reasons: Counter[str] = Counter()
    row_count = 0
    for batch in job.reader.batches():
        row_count += len(batch.rows)
        job.clock.check_drop(row_count)
        for row in batch.rows:
            started = job.clock.now_s()
            try:
                if row.fault is not None:
                    raise row.fault
                if row.media is None:
                    raise bad("media_missing", "the row has no media")
                probe = job.decoder.probe(row.media)
                job.clock.check_sample(started)
                probes[probe] += 1
                values.add(row.value)
            except BadInput as error:
                reasons[error.code] += 1
    if row_count == 0:
        raise bad("drop_empty", "the drop holds no rows")
    if not probes:
        raise _none_kept(row_count, reasons)
    task, questions = find_task_named(values, job.reader.roles, job.config, stated)
    packing = job.decoder.plan(probes)
    return Plan(rows=row_count, fitting=probes.total(), task=task, packing=packing, questions=tuple(questions))


def _none_kept(row_count: int, reasons: Counter[str]) -> BadInput:
    listed = ", ".join(f"{code}: {count}" for code, count in reasons.most_common(6))
    return bad("no_row_kept", f"all {row_count} rows were rejected ({listed})")


def _pack(job: Job, plan: Plan, folder: Path) -> Tally:
    """Return the counts after the decoding pass, with the data files written to ``folder``."""
    with DropWriter(folder, plan.packing, plan.rows, samples_schema(several=plan.task.several)) as writer:
        packer = Packer(job, plan, writer)
        for batch in job.reader.batches():
            packer.add(batch)
        tally = packer.tally
        if tally.kept_rows == 0:
            raise _none_kept(tally.rows, tally.by_reason)
        if len(tally.different) < 2:
            only = next(iter(tally.different))
            raise bad("nothing_to_learn", f"all {tally.kept_rows} kept rows have the same label or target, {only!r}")
    require_memory(
        f"{tally.kept_rows:,} ids of up to {tally.longest_id} characters",
        4 * tally.kept_rows * tally.longest_id,
        "lower limits.max_id_chars, which rejects rows with longer ids, or split the drop",
    )
    check_counts(plan.rows, tally.kept_rows, tally.rejected_rows)
    return tally


def _manifest(source: Source, job: Job, plan: Plan, tally: Tally) -> dict[str, Any]:
    """Return the manifest without what the data files say: their hashes, and the digest."""
    task, packing = plan.task, plan.packing
    config, roles, columns = job.config, job.reader.roles, job.reader.payload_columns()
    value = "target" if task.name == "regression" else "label"
    manifest: dict[str, Any] = {
        "format": DROP.format,
        "name": config.name or public_source(source.url).rsplit("/", 1)[-1],
        "source": public_source(source.url),
        "modality": roles.modality,
        "task": task.name,
        "columns": {"id": columns["id"], "input": columns["input"], value: columns["value"]},
        "label_names": None if task.label_names is None else list(task.label_names),
        "num_classes": task.num_classes,
        "counts": {
            "seen": plan.rows,
            "kept": tally.kept_rows,
            "rejected": tally.rejected_rows,
            "by_reason": dict(sorted(tally.by_reason.items())),
            "same_content": tally.same_content,
        },
        "input": {"file": "inputs.npy", "shape": [tally.kept_rows, *packing.shape], "dtype": packing.dtype},
        "packing": {"shape": list(packing.shape), "rule": packing.rule, **packing.settings},
        "metadata_left_out": dict(job.reader.skipped_metadata),
        "absent_classes": [label for label in range(task.num_classes or 0) if label not in tally.values],
        "inferred": {
            "format": job.reader.format,
            "modality": roles.modality,
            "task": task.name,
            "id_column": roles.id,
            "input_column": roles.named,
            f"{value}_column": roles.values_named,
            "num_classes": task.num_classes,
        },
        "spellings": list(task.classes.folded),
        "config": to_dict(config),
    }
    operator_fields = {key for key, setting in manifest["config"].items() if setting is not None}
    manifest["inferred"] = {key: value for key, value in manifest["inferred"].items() if key not in operator_fields}
    return manifest


def _statements(
    folder: Path, source: Source, columns: dict[str, Any], plan: Plan, *, config: DropConfig, stated: Declared
) -> dict[str, Any]:
    """Return what the manifest says besides: the contributor's words, unread columns, what a person must decide.

    ``config`` are the operator's settings alone: who names a column there has decided about its rivals.
    """
    words = stated_fields(stated)
    own = {name: value for name, value in words.items() if name in {"name", "description"}}
    return {
        "description": config.description or own.get("description"),
        "stated": {name: list(value) if isinstance(value, tuple) else value for name, value in words.items()},
        "unread": [
            dataclasses.asdict(column)
            for column in find_unread(folder / "payload.parquet", columns, config, source.files)
        ],
        "questions": as_record([*plan.questions, *plan.task.classes.questions()]),
        **({} if config.name or "name" not in own else {"name": own["name"]}),
    }


def _move_into_place(folder: Path, final: Path, manifest: dict[str, Any]) -> Drop:
    """Return the drop at its final place; the files that stand there under the same digest win, unless broken.

    The manifest that stands says where the first ingest found the rows; the returned drop says it of this one.
    """
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=True)
    write_whole(folder / DROP.file, text.encode() + b"\n")
    mine = Drop.open(folder)
    if final.exists():
        try:
            return verify_drop(final).with_origin(mine.origin)
        except TelltaleError:
            final.rename(final.with_name(f".broken-{secrets.token_hex(8)}"))
    try:
        folder.rename(final)
    except OSError:
        if not final.exists():  # else somebody else has put the same drop there meanwhile
            raise
    return Drop.open(final).with_origin(mine.origin)
