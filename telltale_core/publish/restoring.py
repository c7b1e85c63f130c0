"""Bringing quarantined or review samples back, as a new version; the old ones stay as they are."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from telltale_core.digest import digest_of
from telltale_core.errors import BadInput, ConfigError, Conflict, NotFound
from telltale_core.publish.blob_writer import Placer
from telltale_core.publish.commit import MOST_CONFLICTS, ParentMoved, commit, settle
from telltale_core.publish.drop_blobs import TABLE, Placing, entries, split
from telltale_core.publish.history import Dataset, as_store, line_of, log
from telltale_core.publish.manifest import Blob, Version
from telltale_core.publish.plan import PublishConfig, encode
from telltale_core.publish.tables import read_schema, read_table, read_tables
from telltale_core.publish.verifying import still_whole
from telltale_core.storage import Store


def restore(
    dataset: Dataset,
    sample_ids: Sequence[str],
    *,
    reason: str,
    by: str,
    number: int | None = None,
    over: int | None = None,
    config: PublishConfig | None = None,
) -> Version:
    """Return a new version that is version ``number`` (default: the newest) with these samples published.

    The restored rows follow the others, in a shard of their own; they leave this version's quarantine, and index and
    lineage say who brought them back and why. Asking for the same again returns the version that was made.

    A compare-and-swap: the new version's parent is the version that was read. Where other restores of the same version
    came in between, it is made again of the newest, so that all of them hold. Where another run was published, it would
    take that run's place: :class:`Conflict`, unless ``over`` names the newest version as the one to be superseded.
    Raises :class:`NotFound` for an unknown sample and :class:`BadInput` for one that is not in quarantine or review.
    """
    ids = sorted(set(sample_ids))
    if not ids or not reason.strip() or not by.strip():
        raise ConfigError("restore needs at least one sample id, a reason and a name (by)")
    store = as_store(dataset)
    request = {"sample_ids": ids, "reason": reason, "by": by}
    for _ in range(MOST_CONFLICTS):
        versions = log(store)
        origin = _numbered(store, versions, number)
        number = origin.number  # what was read first stays what is asked for, whatever is committed meanwhile
        line = line_of(versions, origin)
        if restored := next(
            (version for version in line if version.manifest["lineage"].get("restore") == request), None
        ):
            return still_whole(restored, versions)
        newest = versions[-1]
        if line[-1] is not newest and over != newest.number:
            raise Conflict(
                f"version {newest.number} of {store.location.url} holds another run than version {origin.number}: a "
                f"restore of the older one would take its place. Restore from version {newest.number} (the default), "
                f"or say that it is to be superseded: --over {newest.number}"
            )
        try:
            return _restored(store, versions, line[-1], request, config or PublishConfig())
        except ParentMoved:
            continue
    raise Conflict(f"{store.location.url}: {MOST_CONFLICTS} other versions were committed meanwhile, run again")


def _numbered(store: Store, versions: list[Version], number: int | None) -> Version:
    if not versions or (number is not None and not 1 <= number <= len(versions)):
        raise NotFound(
            f"{store.location.url} holds no {'published version' if number is None else f'version {number}'}"
        )
    return versions[-1 if number is None else number - 1]


def _restored(
    store: Store, versions: list[Version], base: Version, request: dict[str, Any], config: PublishConfig
) -> Version:
    index = read_tables(base, "index")
    if index is None:
        raise NotFound(f"version {base.number} of {store.location.url} holds no sample {request['sample_ids'][0]!r}")
    _check(index, request["sample_ids"], base)
    settle(store, versions)
    draft: dict[str, Any] = {
        **{name: base.manifest[name] for name in ("dataset", "drop", "verdict", "rejected", "report")},
        **{
            name: base.manifest[name]
            for name in (
                "schema",
                "remark_columns",
                "reading",
                "unread",
                "left_out",
                "accounting",
                "other_splits",
                "appended",
            )
            if name in base.manifest
        },
        "run_key": digest_of({"of": base.sha256, "restore": request}),
        "lineage": {**base.manifest["lineage"], "restore": request, "restored_from": base.number},
    }
    placer = Placer(store, versions, uuid.uuid4().hex)
    draft.update(moved(placer, base, index, request=request, config=config))
    return commit(placer, versions, draft)


def _check(index: pa.Table, ids: list[str], base: Version) -> None:
    decisions: dict[str, str] = dict(zip(index["sample_id"].to_pylist(), index["decision"].to_pylist(), strict=True))
    where = f"version {base.number} of {base.store.location.url}"
    if unknown := [name for name in ids if name not in decisions]:
        raise NotFound(f"{where} holds no sample {unknown[0]!r} (of {len(unknown)}); `why` knows rejected rows")
    if published := [name for name in ids if decisions[name] == "keep"]:
        raise BadInput(
            "not_in_quarantine", f"{where} has published {published[0]!r} (of {len(published)}): nothing to restore"
        )


def moved(
    placer: Placing, base: Version, index: pa.Table, *, request: dict[str, Any], config: PublishConfig
) -> dict[str, Any]:
    """Return files, quarantine, index and counts of the new version; shards that lose no row are used as they are."""
    id_column = base.manifest.get("remark_columns", {}).get("sample_id", "sample_id")
    restored_ids: list[str] = request["sample_ids"]
    places: dict[str, tuple[str, int]] = {}
    restored, remaining = [], []

    def place(table: pa.Table) -> Blob:
        return placer.place(encode(table, config), TABLE, table.num_rows)

    def settle(table: pa.Table, ids: list[str]) -> Blob:
        blob = place(table)
        places.update({name: (blob.path, row) for row, name in enumerate(ids)})
        return blob

    schema = read_schema(base, next(base.blobs("files")))
    for blob in base.blobs("quarantine"):
        shard = read_table(base, blob)
        leaves = pc.is_in(shard[id_column], pa.array(restored_ids, pa.string()))
        if not pc.any(leaves).as_py():
            remaining.append(blob)
            continue
        restored.append(shard.filter(leaves).select([*schema.names, id_column]).replace_schema_metadata(None))
        stays = shard.filter(pc.invert(leaves))
        if stays.num_rows:
            remaining.append(settle(stays, stays[id_column].to_pylist()))
    returned = pa.concat_tables(restored)
    files = list(base.blobs("files"))
    for part in split(returned, config):
        plain = part.select(schema.names).replace_schema_metadata(schema.metadata)
        files.append(settle(plain, part[id_column].to_pylist()))
    return {
        "files": entries(files),
        "quarantine": entries(remaining),
        "index": entries([place(part) for part in split(_reindexed(index, restored_ids, places, request), config)]),
        "counts": _recounted(base, index, restored_ids),
    }


def _recounted(base: Version, index: pa.Table, restored_ids: list[str]) -> dict[str, int]:
    counts = base.counts
    back = index.filter(pc.is_in(index["sample_id"], pa.array(restored_ids, pa.string())))["decision"].to_pylist()
    counts["published"] += len(back)
    counts["quarantined"] -= back.count("quarantine")
    counts["review"] -= back.count("review")
    return counts


def _reindexed(
    index: pa.Table, restored_ids: list[str], places: dict[str, tuple[str, int]], request: dict[str, Any]
) -> pa.Table:
    """Return the index with new places, and with decision ``keep`` and the request's reason for what was restored."""
    ids = index["sample_id"].to_pylist()
    position = {name: row for row, name in enumerate(ids)}
    columns = {name: np.array(index[name].to_pylist(), dtype=object) for name in ("decision", "reason", "file", "row")}
    for name, (file, row) in places.items():
        columns["file"][position[name]], columns["row"][position[name]] = file, row
    for name in restored_ids:
        at = position[name]
        columns["decision"][at] = "keep"
        columns["reason"][at] = f"restored by {request['by']}: {request['reason']} (before: {columns['reason'][at]})"
    for name, values in columns.items():
        at = index.schema.get_field_index(name)
        index = index.set_column(at, index.schema.field(name), pa.array(values, index.schema.field(name).type))
    return index
