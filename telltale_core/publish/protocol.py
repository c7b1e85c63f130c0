"""Publishing one judged drop: blobs first, the manifest last."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from telltale_core.errors import BadInput, ConfigError, Corrupt
from telltale_core.publish.committing import commit, find_run
from telltale_core.publish.failpoint import reach
from telltale_core.publish.gate import pass_gate
from telltale_core.publish.history import Dataset, as_store, log
from telltale_core.publish.manifest import Blob, Version, make_run_key
from telltale_core.publish.placing import Placer
from telltale_core.publish.plan import (
    DropLike,
    Judged,
    PublishConfig,
    check_payload,
    cut,
    encode,
    read_verdict,
    remark_names,
    with_remarks,
)
from telltale_core.publish.reading import Columns, reading_of

logger = logging.getLogger(__name__)
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

    ``run_key`` is made of the drop, the lineage and the dataset unless it is given.

    ``dataset`` is a folder, ``memory://`` or ``s3://`` URL. ``lineage`` holds at least ``config_digest``,
    ``code_version`` and ``seed``, JSON values only. With ``dry_run`` nothing is written and the version that would have
    been is returned. Raises :class:`NeedsReview` where a question is open, unless ``lineage["approved"]``.
    Readers see the whole version or none of it. Raises :class:`Corrupt` for a damaged input or a
    store that loses bytes, :class:`CommitUnknown` when the commit's outcome is unknown (run again),
    :class:`Transient` when the store kept refusing.
    """
    config = config or PublishConfig()
    if missing := [name for name in LINEAGE if name not in lineage]:
        raise ConfigError(f"lineage lacks {', '.join(missing)}")
    store = as_store(dataset)
    config_digest, code_version, _ = (str(lineage[name]) for name in LINEAGE)
    run_key = run_key or make_run_key(drop.digest, config_digest, code_version, store.location.url)
    judged = read_verdict(verdict_dir, drop)
    versions = log(store)
    if standing := find_run(versions, run_key, drop.digest):
        logger.info("run %s is version %d of %s already", run_key[:12], standing.number, store.location.url)
        return standing
    payload = check_payload(drop)
    also = judged.record.get("also_judged", ())
    columns = Columns.of(drop.manifest, payload.schema_arrow, config.unread, also)
    shown = columns.described(payload.schema_arrow), columns.unread
    lineage = pass_gate(drop, judged, versions, shown, lineage, unread=config.unread)
    placer = Placer(store, versions, uuid.uuid4().hex, dry_run=dry_run)
    draft = _describe(drop, judged, store.location.url, run_key, lineage)
    reach("publish-begin")
    draft.update(_place_all(placer, drop, judged, config, columns))
    draft["report"] = entries([] if report is None else [placer.place(_read(report), report.suffix or ".html", None)])
    reach("report-blob")
    draft["counts"] = _counts(drop, judged, draft)
    reach("before-commit")
    version = commit(placer, versions, draft)
    logger.info("version %d of %s: %s", version.number, store.location.url, version.counts)
    return version


def _describe(drop: DropLike, judged: Judged, url: str, run_key: str, lineage: Mapping[str, Any]) -> dict[str, Any]:
    def shown(place: str | None) -> str | None:  # of a local path only the last part: manifests leave the house
        return place if place is None or "://" in place else Path(place).name or "/"

    manifest = drop.manifest
    return {
        "run_key": run_key,
        "dataset": shown(url),
        "drop": {"digest": drop.digest, "name": manifest.get("name"), "source": shown(manifest.get("source"))},
        "reading": reading_of(manifest),
        "lineage": dict(lineage),
        "verdict": judged.record,
    }


def _place_all(
    placer: Placer, drop: DropLike, judged: Judged, config: PublishConfig, columns: Columns
) -> dict[str, Any]:
    """Place every blob of the version and return the manifest's entries for them."""
    payload = check_payload(drop)
    schema = payload.schema_arrow
    kept, aside = judged.rows("keep"), judged.rows("quarantine", "review")
    mean_bytes = (drop.path / "payload.parquet").stat().st_size / max(1, payload.metadata.num_rows)
    per_shard = max(1, int(config.shard_bytes / max(1.0, mean_bytes)))
    places: list[tuple[np.ndarray[Any, Any], Blob]] = []

    def place(table: pa.Table) -> Blob:
        blob = placer.place(encode(table, config), TABLE, table.num_rows)
        reach("first-blob")
        return blob

    def shards(rows: np.ndarray[Any, Any], *, remarked: bool) -> list[Blob]:
        blobs, begin = [], 0
        for table in cut(payload, rows, per_shard):
            mine = rows[begin : begin + table.num_rows]
            begin += table.num_rows
            remarks = judged.remarks.take(pa.array(mine))
            blobs.append(place(with_remarks(table, remarks) if remarked else columns.select(table)))
            places.append((mine, blobs[-1]))
        return blobs

    files = shards(kept, remarked=False) or [place(columns.select(schema.empty_table()))]
    reach("published-blobs")
    quarantine = shards(aside, remarked=True)
    reach("quarantine-blobs")
    rejected = [place(part) for part in split(drop.rejected(), config)]
    reach("rejected-blob")
    index = [place(part) for part in split(make_index(judged.remarks, places), config)]
    return {
        "files": entries(files),
        "quarantine": entries(quarantine),
        "rejected": entries(rejected),
        "index": entries(index),
        "schema": columns.described(schema),
        "unread": columns.unread,
        "left_out": columns.left_out,
        "remark_columns": remark_names(schema),
    }


def _counts(drop: DropLike, judged: Judged, draft: dict[str, Any]) -> dict[str, int]:
    """Return the counts, each from where its rows really are: ``ingested`` is what ingest saw."""
    stated = drop.manifest.get("counts", {})
    if type(stated.get("seen")) is not int:
        raise Corrupt(f"the manifest of drop {drop.digest} does not state counts.seen: ingest the drop again")
    return {
        "ingested": stated["seen"],
        "published": sum(entry["rows"] for entry in draft["files"]),
        "quarantined": len(judged.rows("quarantine")),
        "review": len(judged.rows("review")),
        "rejected": sum(entry["rows"] for entry in draft["rejected"]),
    }


def make_index(remarks: pa.Table, places: Iterable[tuple[np.ndarray[Any, Any], Blob]]) -> pa.Table:
    """Return one row a sample, in the drop's order: the remarks, and ``file`` (key) and ``row`` where its row lies."""
    files, rows = np.full(remarks.num_rows, "", dtype=object), np.full(remarks.num_rows, -1, np.int64)
    for mine, blob in places:
        files[mine], rows[mine] = blob.path, np.arange(len(mine))
    return remarks.append_column("file", pa.array(files, pa.string())).append_column("row", pa.array(rows))


def split(table: pa.Table, config: PublishConfig) -> list[pa.Table]:
    """Return the table cut into parts of about ``shard_bytes``; no part for a table without rows."""
    if table.num_rows == 0:
        return []
    per_part = max(1, config.shard_bytes * table.num_rows // max(1, table.nbytes))
    return [table.slice(begin, per_part) for begin in range(0, table.num_rows, per_part)]


def entries(blobs: Iterable[Blob]) -> list[dict[str, Any]]:
    """Return the blobs as a manifest lists them."""
    return [{"path": b.path, "sha256": b.sha256, "bytes": b.bytes, "rows": b.rows} for b in blobs]


def _read(report: Path) -> bytes:
    try:
        return report.read_bytes()
    except OSError as error:
        raise BadInput("no_report", f"the report {report} cannot be read: {error.strerror}") from error
