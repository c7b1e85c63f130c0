"""The blobs of a drop: shards of what is kept, set aside and rejected, the index, and their lines in a manifest."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from telltale_core.errors import BadInput
from telltale_core.publish.failpoint import reach
from telltale_core.publish.manifest import Blob, rows_unjudged
from telltale_core.publish.plan import DropLike, PublishConfig, Shard, encode, pack, picked, rows_of
from telltale_core.publish.reading import Columns
from telltale_core.row_sizes import regrouped
from telltale_core.storage import Content
from telltale_core.threads import in_order
from telltale_core.verdict import Verdict
from telltale_core.verdict.record import counts_of as decisions_in

TABLE = ".parquet"


class Placing(Protocol):
    """What holds blobs: of a new version (:class:`Placer`), or of one that is repaired."""

    def place(self, data: Content, suffix: str, rows: int | None) -> Blob:
        """Return the blob that holds ``data``."""
        ...


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
    there: Collection[str] = (),
    threads: int = 1,
) -> dict[str, Any]:
    """Place every blob of the drop and return the manifest's entries for them, but for samples ``there`` already.

    Of several shards, one is encoded while up to ``threads`` others are placed: the same bytes for any number.
    """
    schema, columns = payload.schema_arrow, columns_of(drop, verdict, payload, config)
    new_N = _new(verdict, there)
    published, aside = (rows[new_N[rows]] for rows in (verdict.rows("keep"), verdict.rows("quarantine", "review")))
    places: list[tuple[np.ndarray[Any, Any], Blob]] = []

    def place(shard: Shard) -> Blob:
        blob = placer.place(shard.data, TABLE, shard.rows)
        reach("first-blob")
        return blob

    def placed(tables: Iterable[pa.Table]) -> list[Blob]:
        return list(in_order(place, pack(tables, config), threads))

    def shards(rows: np.ndarray[Any, Any], remarks: pa.Table | None = None) -> list[Blob]:
        tables = picked(payload, rows, remarks)
        blobs = placed(tables if remarks is not None else map(columns.select, tables))
        ends = np.cumsum([blob.rows or 0 for blob in blobs], dtype=np.int64)
        places.extend((rows[end - (blob.rows or 0) : end], blob) for blob, end in zip(blobs, ends, strict=True))
        return blobs

    files = shards(published) or [place(Shard(data=encode(columns.select(schema.empty_table()), config), rows=0))]
    reach("published-blobs")
    quarantine = shards(aside, verdict.table)
    reach("quarantine-blobs")
    rejected = placed(rows_of(drop, "rejected.parquet"))
    reach("rejected-blob")
    others = [
        {
            "split": split["split"],
            "unlabelled": split["unlabelled"],
            "left_out": split["left_out"],
            "files": entries(placed(map(columns.select, rows_of(drop, split["file"])))),
        }
        for split in drop.manifest.get("other_splits", [])
    ]
    index = placed([make_index(verdict.table, places).filter(pa.array(new_N))])
    page = [] if report is None else [placer.place(_read(report), report.suffix or ".html", None)]
    reach("report-blob")
    return {
        "files": entries(files),
        "quarantine": entries(quarantine),
        "rejected": entries(rejected),
        "index": entries(index),
        "report": entries(page),
        **({"other_splits": others} if others else {}),
    }


def counts_of(drop: DropLike, verdict: Verdict, draft: dict[str, Any], there: Collection[str]) -> dict[str, int]:
    """Return the counts, each from where its rows really are: ``ingested`` is what ingest saw, without ``there``."""
    new_N = _new(verdict, there)
    decided = decisions_in(verdict.decision[new_N])
    return {
        "ingested": drop.manifest["counts"]["seen"] - len(there),
        "published": sum(entry["rows"] for entry in draft["files"]),
        "quarantined": decided["quarantine"],
        "review": decided["review"],
        "rejected": sum(entry["rows"] for entry in draft["rejected"]),
        **({"unjudged": rows} if (rows := rows_unjudged(draft)) else {}),
    }


def _new(verdict: Verdict, there: Collection[str]) -> np.ndarray[Any, Any]:
    """Return which of the verdict's samples (N,) are not there already."""
    column = verdict.table["sample_id"]
    return np.asarray(pc.invert(pc.is_in(column, pa.array(list(there), pa.string()))).to_numpy(zero_copy_only=False))


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
