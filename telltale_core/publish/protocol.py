"""Publishing one judged drop: blobs first, the manifest last."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.errors import BadInput, ConfigError, Conflict
from telltale_core.publish.blob_writer import Placer
from telltale_core.publish.commit import MOST_CONFLICTS, ParentMoved, commit, find_run, settle
from telltale_core.publish.failpoint import reach
from telltale_core.publish.gate import pass_gate
from telltale_core.publish.history import Dataset, as_store, log
from telltale_core.publish.manifest import Blob, Version, make_run_key, rows_unjudged
from telltale_core.publish.plan import (
    DropLike,
    PublishConfig,
    Shard,
    check_payload,
    encode,
    pack,
    picked,
    remark_names,
    rows_of,
)
from telltale_core.publish.reading import Columns, reading_of
from telltale_core.publish.verifying import still_whole
from telltale_core.row_sizes import regrouped
from telltale_core.verdict import Verdict

logger = logging.getLogger(__name__)


class Placing(Protocol):
    """What holds blobs: of a new version (:class:`Placer`), or of one that is repaired."""

    def place(self, data: bytes, suffix: str, rows: int | None) -> Blob:
        """Return the blob that holds ``data``."""
        ...


TABLE = ".parquet"
LINEAGE = ("config_digest", "code_version", "seed")


def publish(
    drop: DropLike,
    verdict_dir: Path,
    dataset: Dataset,
    *,
    lineage: Mapping[str, Any],
    run_key: str | None = None,
    config: PublishConfig | None = None,
    report: Path | None = None,
    dry_run: bool = False,
) -> Version:
    """Return the version that holds the drop's kept rows; the same ``run_key`` always gives the same version.

    ``run_key`` is made of the drop and the lineage unless it is given.

    ``dataset`` is a folder, ``memory://`` or ``s3://`` URL. ``lineage`` holds at least ``config_digest``,
    ``code_version`` and ``seed``, JSON values only. With ``dry_run`` nothing is written and the version that would have
    been is returned. Raises :class:`NeedsReview` where a question is open, unless ``lineage["approved"]`` is the
    ``approval`` of that error: the code of what was shown.
    Readers see the whole version or none of it. Raises :class:`Corrupt` for a damaged input, a store that loses bytes,
    or where the version that this run published before is not whole any more; :class:`CommitUnknown` when the commit's
    outcome is unknown (run again), :class:`Transient` when the store kept refusing.
    """
    config = config or PublishConfig()
    if missing := [name for name in LINEAGE if name not in lineage]:
        raise ConfigError(f"lineage lacks {', '.join(missing)}")
    store = as_store(dataset)
    config_digest, code_version, _ = (str(lineage[name]) for name in LINEAGE)
    run_key = run_key or make_run_key(drop.digest, config_digest, code_version)
    verdict = Verdict.open(verdict_dir, drop=drop)
    versions = log(store)
    if standing := find_run(versions, run_key, drop.digest):
        logger.info("run %s is version %d of %s already", run_key[:12], standing.number, store.location.url)
        return standing if dry_run else still_whole(standing, versions)
    payload = check_payload(drop)
    columns = columns_of(drop, verdict, payload, config)
    shown = columns.described(payload.schema_arrow), columns.unread

    def described(versions: list[Version]) -> dict[str, Any]:
        url, unread = store.location.url, config.unread
        agreed = pass_gate(drop, verdict, versions, shown, lineage, unread=unread, of=(run_key, url))
        return _describe(drop, verdict, url, run_key, agreed)

    described(versions)
    if versions and not dry_run:
        settle(store, versions)
    placer = Placer(store, versions, uuid.uuid4().hex, dry_run=dry_run)
    reach("publish-begin")
    placed = place_all(placer, drop, verdict, config, report=report, payload=payload)
    placed["counts"] = _counts(drop, verdict, placed)
    version = commit_next(placer, versions, lambda newest: described(newest) | placed)
    logger.info("version %d of %s: %s", version.number, store.location.url, version.counts)
    return version


def commit_next(placer: Placer, versions: list[Version], draft: Callable[[list[Version]], dict[str, Any]]) -> Version:
    """Return the version, committed after the newest: who loses a race passes the gate again, behind the winner."""
    for _ in range(MOST_CONFLICTS):
        manifest = draft(versions)
        reach("before-commit")
        try:
            return commit(placer, versions, manifest)
        except ParentMoved as moved:
            logger.info("%s", moved)
            versions = log(placer.store)
    raise Conflict(f"{placer.store.location.url}: {MOST_CONFLICTS} other versions were committed meanwhile, run again")


def _describe(drop: DropLike, verdict: Verdict, url: str, run_key: str, lineage: Mapping[str, Any]) -> dict[str, Any]:
    def shown(place: str | None) -> str | None:  # of a local path only the last part: manifests go to other readers
        return place if place is None or "://" in place else Path(place).name or "/"

    manifest = drop.manifest
    return {
        "run_key": run_key,
        "dataset": shown(url),
        "drop": {"digest": drop.digest, "name": manifest["name"], "source": shown(manifest["source"])},
        "reading": reading_of(manifest),
        "lineage": dict(lineage),
        "verdict": verdict.record.values,
        "accounting": manifest["accounting"],
    }


def columns_of(drop: DropLike, verdict: Verdict, payload: pq.ParquetFile, config: PublishConfig) -> Columns:
    """Return which of the drop's columns are published, and which of them the proxy did not see."""
    also = verdict.record.also_judged or ()
    return Columns.of(drop.manifest, payload.schema_arrow, config.unread, also)


def place_all(
    placer: Placing,
    drop: DropLike,
    verdict: Verdict,
    config: PublishConfig,
    *,
    report: Path | None,
    payload: pq.ParquetFile,
) -> dict[str, Any]:
    """Place every blob of the version and return the manifest's entries for them."""
    schema, columns = payload.schema_arrow, columns_of(drop, verdict, payload, config)
    published, aside = verdict.rows("keep"), verdict.rows("quarantine", "review")
    places: list[tuple[np.ndarray[Any, Any], Blob]] = []

    def place(shard: Shard) -> Blob:
        blob = placer.place(shard.data, TABLE, shard.rows)
        reach("first-blob")
        return blob

    def shards(rows: np.ndarray[Any, Any], remarks: pa.Table | None = None) -> list[Blob]:
        blobs, begin = [], 0
        tables = picked(payload, rows, remarks)
        for shard in pack(tables if remarks is not None else map(columns.select, tables), config):
            blobs.append(place(shard))
            places.append((rows[begin : begin + shard.rows], blobs[-1]))
            begin += shard.rows
        return blobs

    files = shards(published) or [place(Shard(data=encode(columns.select(schema.empty_table()), config), rows=0))]
    reach("published-blobs")
    quarantine = shards(aside, verdict.table)
    reach("quarantine-blobs")
    rejected = [place(shard) for shard in pack(rows_of(drop, "rejected.parquet"), config)]
    reach("rejected-blob")
    others = [
        {
            "split": split["split"],
            "unlabelled": split["unlabelled"],
            "left_out": split["left_out"],
            "files": entries(place(shard) for shard in pack(map(columns.select, rows_of(drop, split["file"])), config)),
        }
        for split in drop.manifest.get("other_splits", [])
    ]
    index = [place(shard) for shard in pack([make_index(verdict.table, places)], config)]
    page = [] if report is None else [placer.place(_read(report), report.suffix or ".html", None)]
    reach("report-blob")
    return {
        "files": entries(files),
        "quarantine": entries(quarantine),
        "rejected": entries(rejected),
        "index": entries(index),
        "report": entries(page),
        **({"other_splits": others} if others else {}),
        "schema": columns.described(schema),
        "unread": columns.unread,
        "left_out": columns.left_out,
        "remark_columns": remark_names(schema),
    }


def _counts(drop: DropLike, verdict: Verdict, draft: dict[str, Any]) -> dict[str, int]:
    """Return the counts, each from where its rows really are: ``ingested`` is what ingest saw of the judged split."""
    return {
        "ingested": drop.manifest["counts"]["seen"],
        "published": sum(entry["rows"] for entry in draft["files"]),
        "quarantined": len(verdict.rows("quarantine")),
        "review": len(verdict.rows("review")),
        "rejected": sum(entry["rows"] for entry in draft["rejected"]),
        **({"unjudged": rows} if (rows := rows_unjudged(draft)) else {}),
    }


def make_index(remarks: pa.Table, places: Iterable[tuple[np.ndarray[Any, Any], Blob]]) -> pa.Table:
    """Return one row a sample, in the drop's order: the remarks, and ``file`` (key) and ``row`` where its row lies."""
    files, rows = np.full(remarks.num_rows, "", dtype=object), np.full(remarks.num_rows, -1, np.int64)
    for mine, blob in places:
        files[mine], rows[mine] = blob.path, np.arange(len(mine))
    return remarks.append_column("file", pa.array(files, pa.string())).append_column("row", pa.array(rows))


def split(table: pa.Table, config: PublishConfig) -> list[pa.Table]:
    """Return the table cut into parts of at most ``shard_bytes``, decoded; no part for a table without rows."""
    return list(regrouped([table], config.shard_bytes, max(1, table.num_rows)))


def entries(blobs: Iterable[Blob]) -> list[dict[str, Any]]:
    """Return the blobs as a manifest lists them."""
    return [{"path": b.path, "sha256": b.sha256, "bytes": b.bytes, "rows": b.rows} for b in blobs]


def _read(report: Path) -> bytes:
    try:
        return report.read_bytes()
    except OSError as error:
        raise BadInput("no_report", f"the report {report} cannot be read: {error.strerror}") from error
