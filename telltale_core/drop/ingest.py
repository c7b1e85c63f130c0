"""Stage 1: a drop of files becomes validated, packed samples with stable ids, and rejected rows with reasons."""

from __future__ import annotations

import dataclasses
import logging
import math
import secrets
from pathlib import Path
from typing import Any, cast

import numpy as np

from telltale_core.config import to_dict
from telltale_core.digest import sha256_file
from telltale_core.drop.accounting import account
from telltale_core.drop.archives import unpack_archives
from telltale_core.drop.arrow_files import rewrite_arrow_files
from telltale_core.drop.budget import Space, explained, require_memory
from telltale_core.drop.config import Declared, DropConfig, declared_by_toml, stated_fields
from telltale_core.drop.decode_pass import Job, Packer, Plan, Tally
from telltale_core.drop.delta_tables import keep_delta_rows
from telltale_core.drop.formats import naming_packed_files
from telltale_core.drop.layout import Roles
from telltale_core.drop.manifest import DROP, Manifest, drop_digest
from telltale_core.drop.other_splits import carry_others, copied
from telltale_core.drop.record import FILES, NOTES, Drop, check_counts, samples_schema, verify_drop
from telltale_core.drop.refusals import NoRowKeptError, telling_why
from telltale_core.drop.sample_notes import take_notes
from telltale_core.drop.source import Source, open_source
from telltale_core.drop.source_url import public_source
from telltale_core.drop.survey import plan_reading
from telltale_core.drop.unread_columns import find_unread
from telltale_core.drop.workspace import workspace
from telltale_core.drop.writers import DropWriter
from telltale_core.errors import OverBudget, TelltaleError
from telltale_core.modality.reasons import bad, shown
from telltale_core.questions import as_record

log = logging.getLogger(__name__)
DEFAULTS = DropConfig()


def ingest(source: str, drops_dir: Path, config: DropConfig = DEFAULTS) -> Drop:
    """Return the drop behind a local path or URL as a folder ``drops_dir/<digest>``, which is written whole.

    The source is read twice: a survey of values and media headers, then one decoding pass. The same rows always give
    the same digest and the same data files; a folder that stands already is reused, and the returned drop still has
    the name, source and settings of this call. Raises :class:`BadInput` when the drop as a whole cannot be accepted;
    single bad rows are rejected and recorded instead. What a person must decide is in the manifest's ``questions``.
    """
    with workspace(drops_dir) as space, explained(space, public_source(source)):
        opened, folder = open_source(source, config.limits, scratch=space.path / "source"), space.path / "drop"
        if config.unpack:
            unpack_archives(opened, config.limits)
            rewrite_arrow_files(opened, config.limits)
            keep_delta_rows(opened, config.limits)
        stated, whole = declared_by_toml(opened.toml()), copied(opened)
        with naming_packed_files(opened, config), telling_why(drops_dir):
            job, plan = plan_reading(opened, config, stated)
            with job.decoder.session():
                _check_packing(plan, space, config)
                tally = _pack(job, plan, folder)
                others = carry_others(whole, opened, job, plan, folder) if config.other_splits == "carry" else []
        for name, data in plan.packing.files.items():
            (folder / name).write_bytes(data)
        draft = _manifest(opened, job, plan, tally)
        draft |= _statements(folder, opened, draft["columns"], job.reader.roles, plan, config=config, stated=stated)
        manifest = cast("Manifest", draft)  # whole below, and checked when it is written
        notes = take_notes(Drop(path=folder, manifest=manifest), np.array(tally.losses, dtype=np.int32), config)
        manifest["lost"], manifest["repeats"] = notes.losses, notes.repeats
        manifest["questions"] += as_record(notes.questions)
        accounted = account(opened, job.reader, config, plan)
        manifest["accounting"] = accounted.record
        manifest["questions"] += as_record(accounted.questions)
        if others:
            manifest["other_splits"] = others
        further = [*([NOTES] if (folder / NOTES).exists() else []), *(split["file"] for split in others)]
        manifest["files"] = {name: sha256_file(folder / name) for name in (*FILES, *further, *plan.packing.files)}
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


def _pack(job: Job, plan: Plan, folder: Path) -> Tally:
    """Return the counts after the decoding pass, with the data files written to ``folder``."""
    with DropWriter(folder, plan.packing, plan.rows, samples_schema(several=plan.task.several)) as writer:
        packer = Packer(job, plan, writer)
        for batch in job.reader.batches():
            packer.add(batch)
        tally = packer.tally
        if tally.kept_rows == 0:
            raise NoRowKeptError(job, tally.by_reason, plan.task, plan.packing)
        if len(tally.different) < 2:
            only = next(iter(tally.different))
            raise bad(
                "nothing_to_learn",
                f"all {tally.kept_rows} kept rows have the same label or target, {only!r}, in "
                f"{shown(job.reader.roles.values_named)}: set drop.label_column or drop.target_column to another one, "
                "or put the files into a folder for each class",
            )
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
    folder: Path,
    source: Source,
    columns: dict[str, Any],
    roles: Roles,
    plan: Plan,
    *,
    config: DropConfig,
    stated: Declared,
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
            for column in find_unread(folder / "payload.parquet", columns, config, source.files, roles.inputs)
        ],
        "questions": as_record([*plan.questions, *plan.task.classes.questions()]),
        **({} if config.name or "name" not in own else {"name": own["name"]}),
    }


def _move_into_place(folder: Path, final: Path, manifest: Manifest) -> Drop:
    """Return the drop at its final place; the files that stand there under the same digest win, unless broken.

    The manifest that stands says where the first ingest found the rows; the returned drop says it of this one.
    """
    DROP.write(folder, manifest)
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
