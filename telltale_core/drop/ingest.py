"""Stage 1: a drop of files becomes validated, packed samples with stable ids, and rejected rows with reasons."""

from __future__ import annotations

import contextlib
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
from telltale_core.drop.budget import FULL, Clock, Space, explained, require_memory, unusable
from telltale_core.drop.config import Declared, DropConfig, check_settings, combined, declared_by_toml
from telltale_core.drop.formats import open_reader
from telltale_core.drop.layout import find_roles
from telltale_core.drop.packer import Job, Packer, Plan, Tally
from telltale_core.drop.readers.base import Reader
from telltale_core.drop.readers.parquet import difference_of_names
from telltale_core.drop.reasons import bad, shown
from telltale_core.drop.record import FILES, FORMAT, Drop, check_counts, drop_digest, samples_schema, verify_drop
from telltale_core.drop.source import Source, open_source, public_source
from telltale_core.drop.values import ValueSurvey, decide_task
from telltale_core.drop.writing import DropWriter
from telltale_core.errors import BadInput, OverBudget, TelltaleError

log = logging.getLogger(__name__)
DEFAULTS = DropConfig()
LEFT_OVER_S = 24 * 3600


def ingest(source: str, drops_dir: Path, config: DropConfig = DEFAULTS) -> Drop:
    """Return the drop behind a local path or URL as a folder ``drops_dir/<digest>``, which is written whole.

    The source is read twice: a survey of values and media headers, then one decoding pass. The same rows always give
    the same digest and the same data files; a folder that stands already is reused, and the returned drop still has
    the name, source and settings of this call. Raises :class:`BadInput` when the drop as a whole cannot be accepted;
    single bad rows are rejected and recorded instead.
    """
    with _workspace(drops_dir) as space, explained(space, public_source(source)):
        opened = open_source(source, config.limits, scratch=space.path / "source")
        toml = opened.toml()
        stated, settled = declared_by_toml(toml or b""), config.label_names is not None
        config = combined(config, stated)
        reader = open_reader(opened, config)
        reader.assign(find_roles(reader.columns(), config))
        check_settings(config, reader.roles.modality)
        if not settled:
            _check_class_names(reader, stated)
        clock = Clock(config.limits)
        job = Job(reader=reader, decoder=reader.modality.decoder(config), config=config, clock=clock)
        folder = space.path / "drop"
        with job.decoder.session():
            plan = _survey(job)
            _check_packing(plan, space, config)
            tally = _pack(job, plan, folder)
        for name, data in plan.packing.files.items():
            (folder / name).write_bytes(data)
        manifest = _manifest(opened, job, plan, tally)
        manifest["files"] = {name: sha256_file(folder / name) for name in (*FILES, *plan.packing.files)}
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


def _check_class_names(reader: Reader, declared: Declared) -> None:
    """Raise where ``drop.toml`` calls the classes otherwise than the drop's metadata: label 0 would mean two things.

    A setting of the caller wins over both. Names of folders have no order that means anything.
    """
    stated, given = reader.roles.class_names, declared.label_names
    if reader.format == "parquet" and stated is not None and given is not None and stated != given:
        raise bad(
            "schema_mismatch",
            f"drop.toml and the metadata of the column {shown(reader.roles.value)} call a class "
            f"{difference_of_names(given, stated)}: correct one of them, or give label_names as a setting",
        )


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


def _survey(job: Job) -> Plan:
    """Return the plan after a pass over all rows that decodes nothing."""
    values = ValueSurvey(job.config.limits.max_classes)
    probes: Counter[Any] = Counter()
    reasons: Counter[str] = Counter()
    seen = 0
    for batch in job.reader.batches():
        seen += len(batch.rows)
        job.clock.check_drop(seen)
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
    if seen == 0:
        raise bad("drop_empty", "the drop holds no rows")
    if not probes:
        raise _none_kept(seen, reasons)
    task = decide_task(values, job.reader.roles, job.config)
    return Plan(seen=seen, fitting=probes.total(), task=task, packing=job.decoder.plan(probes))


def _none_kept(seen: int, reasons: Counter[str]) -> BadInput:
    listed = ", ".join(f"{code}: {count}" for code, count in reasons.most_common(6))
    return bad("no_row_kept", f"all {seen} rows were rejected ({listed})")


def _pack(job: Job, plan: Plan, folder: Path) -> Tally:
    """Return the counts after the decoding pass, with the data files written to ``folder``."""
    with DropWriter(folder, plan.packing, plan.seen, samples_schema(several=plan.task.several)) as writer:
        packer = Packer(job, plan, writer)
        for batch in job.reader.batches():
            packer.add(batch)
        tally = packer.tally
        if tally.kept == 0:
            raise _none_kept(tally.seen, tally.by_reason)
        if len(tally.different) < 2:
            only = next(iter(tally.different))
            raise bad("nothing_to_learn", f"all {tally.kept} kept rows have the same label or target, {only!r}")
    require_memory(
        f"{tally.kept:,} ids of up to {tally.longest_id} characters",
        4 * tally.kept * tally.longest_id,
        "lower limits.max_id_chars, which rejects rows with longer ids, or split the drop",
    )
    check_counts(plan.seen, tally.kept, tally.rejected)
    return tally


def _manifest(source: Source, job: Job, plan: Plan, tally: Tally) -> dict[str, Any]:
    """Return the manifest without what the data files say: their hashes, and the digest."""
    task, packing = plan.task, plan.packing
    config, roles, columns = job.config, job.reader.roles, job.reader.payload_columns()
    value = "target" if task.name == "regression" else "label"
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "name": config.name or public_source(source.url).rsplit("/", 1)[-1],
        "source": public_source(source.url),
        "modality": roles.modality,
        "task": task.name,
        "columns": {"id": columns["id"], "input": columns["input"], value: columns["value"]},
        "label_names": None if task.label_names is None else list(task.label_names),
        "num_classes": task.num_classes,
        "counts": {
            "seen": plan.seen,
            "kept": tally.kept,
            "rejected": tally.rejected,
            "by_reason": dict(sorted(tally.by_reason.items())),
            "same_content": tally.same_content,
        },
        "input": {"file": "inputs.npy", "shape": [tally.kept, *packing.shape], "dtype": packing.dtype},
        "packing": {"shape": list(packing.shape), "rule": packing.rule, **packing.settings},
        "ignored_files": source.ignored_files,
        "metadata_left_out": dict(job.reader.left_out),
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
        "config": to_dict(config),
    }
    given = {key for key, setting in manifest["config"].items() if setting is not None}
    manifest["inferred"] = {key: found for key, found in manifest["inferred"].items() if key not in given}
    return manifest


def _move_into_place(folder: Path, final: Path, manifest: dict[str, Any]) -> Drop:
    """Return the drop at its final place; the files that stand there under the same digest win, unless broken.

    The manifest that stands says where the first ingest found the rows; the returned drop says it of this one.
    """
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=True)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
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
