"""A drop joined with what its dataset published before: poison that drips over many drops shows in their union.

Each drop of a drip holds too little to stand out. With ``verdict.with_history`` the proxy learns the kept rows of the
dataset's last versions together with the new drop; the verdict on the new rows is the one that is published, and what
stands in the same groups among the published rows is counted and asked about. Training and verdict cost as much more
as there are more rows.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BeforeValidator, Field

from telltale_core import drop as drops
from telltale_core.config import ListOf, Settings, from_dict, from_list
from telltale_core.drop import Drop, DropConfig
from telltale_core.drop.layout import huggingface_features
from telltale_core.errors import BadInput
from telltale_core.publish.history import log as read_log
from telltale_core.publish.history import own_files, read_numbered
from telltale_core.publish.manifest import Version
from telltale_core.publish.reading import judged_columns
from telltale_core.stages.inputs import Context, Inputs, Record
from telltale_core.storage import open_store
from telltale_core.verdict.config import NEW

log = logging.getLogger(__name__)
ID = "telltale_id"
BATCH_ROWS = 1024
SPARE_ID_CHARS = 32


def earlier_versions(record: Record, destination: str, most: int) -> list[list[Any]]:
    """Return number and digest of the last ``most`` versions before this drop's first, oldest first.

    Of a drop that has several versions the newest of them counts. What came after the drop's own first version is left
    out: a run that is repeated later gets the same answer, and so the same version.
    """
    versions: dict[str, list[Any]] = {}
    for version in read_log(open_store(destination)) if most else []:
        digest = str(version.manifest["drop"].get("digest"))
        if digest == record["keys"]["ingest"]:
            break
        versions.pop(digest, None)
        versions[digest] = [version.number, version.sha256]
    return list(versions.values())[-most:] if most else []


Numbered = Annotated[tuple[int, str], BeforeValidator(from_list)]


class JoinConfig(Settings, frozen=True):
    """Which published versions are learnt with a drop: number and digest of each, as :func:`earlier_versions` says.

    Where they are published decides nothing, their digests do.
    """

    versions: ListOf[Numbered] = Field(default=(), description="Number and digest of each version, oldest first.")


def join(inputs: Inputs, config: JoinConfig, out: Path, context: Context) -> None:
    """Write the drop joined with versions published at the run's destination: what the proxy learns.

    Raises :class:`BadInput` ``history_unlike`` where the versions do not have the drop's columns.
    """
    own = inputs.drop()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=out.parent) as scratch:
        source = Path(scratch) / own.name.replace("/", "_")[:64]
        source.mkdir()
        schema = _write_own(own, source)
        store = open_store(context.destination)
        for number, digest in config.versions:
            version = read_numbered(store, number)
            if version.sha256 != digest:
                raise BadInput("source_changed", f"version {number} changed since this run began; run again")
            _write_version(version, schema, source)
        joined = drops.ingest(str(source), Path(scratch) / "drops", _as_read(own))
        _check_whole(own, joined)
        if out.exists():
            shutil.rmtree(out)
        joined.path.rename(out)
    added = len(joined) - len(own)
    log.info(
        "join: %d rows of %d versions are learnt with the %d of the drop: %.1f times the training",
        added, len(config.versions), len(own), len(joined) / len(own),
    )  # fmt: skip


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _write_own(drop: Drop, folder: Path) -> pa.Schema:
    """Write the drop's rows as the first file of the joined source, and return the schema that all files have."""
    ids = drop.sample_ids
    with pq.ParquetFile(drop.path / "payload.parquet", page_checksum_verification=True) as payload:
        whole = payload.schema_arrow
        fields = [whole.field(name) for name in judged_columns(drop.manifest)]
        schema = pa.schema([pa.field(ID, pa.string()), *fields], whole.metadata)
        with pq.ParquetWriter(folder / "0-new.parquet", schema) as writer:
            begin = 0
            for batch in payload.iter_batches(BATCH_ROWS, columns=[field.name for field in fields]):
                mine = ids[begin : begin + batch.num_rows]
                begin += batch.num_rows
                writer.write_table(_table(schema, [NEW + str(name) for name in mine], batch))
    return schema


def _write_version(version: Version, schema: pa.Schema, folder: Path) -> None:
    """Write a version's published rows beside the drop's: of one that was appended the rows that it added."""
    shards = own_files(version)
    names = _published_ids(version, {blob.path for blob in shards})
    with pq.ParquetWriter(folder / f"1-v{version.number:08d}.parquet", schema) as writer:
        for blob in shards:
            data = version.store.read_verified(blob.path, blob.sha256)
            place = 0
            for batch in _batches(version, data, schema):
                rows = range(place, place + batch.num_rows)
                place += batch.num_rows
                ids = [f"v{version.number}/{names.get((blob.path, row), f'{blob.path}#{row}')}" for row in rows]
                writer.write_table(_table(schema, ids, batch))


def _batches(version: Version, data: bytes, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    data_columns = [name for name in schema.names if name != ID]
    with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        if missing := [name for name in data_columns if name not in file.schema_arrow.names]:
            raise BadInput(
                "history_unlike",
                f"version {version.number} has no column {missing[0]!r}: judge this drop without verdict.with_history",
            )
        _check_classes(version, file.schema_arrow, schema)
        yield from file.iter_batches(BATCH_ROWS, columns=data_columns)


def _check_classes(version: Version, theirs: pa.Schema, ours: pa.Schema) -> None:
    """Raise where a number means another class there: rows would be learnt under a wrong label."""
    before, now = huggingface_features(theirs.metadata), huggingface_features(ours.metadata)
    for name in ours.names:
        if before.get(name, (None, None))[1] != now.get(name, (None, None))[1]:
            raise BadInput(
                "history_unlike",
                f"the classes of {name!r} in version {version.number} are not those of this drop: "
                "judge this drop without verdict.with_history",
            )


def _published_ids(version: Version, files: set[str]) -> dict[tuple[str, int], str]:
    from telltale_core.publish.tables import read_table

    sample_id_of: dict[tuple[str, int], str] = {}
    for blob in version.blobs("index"):
        table = read_table(version, blob).select(["sample_id", "decision", "file", "row"])
        for row in table.to_pylist():
            if row["decision"] == "keep" and row["file"] in files:
                sample_id_of[row["file"], row["row"]] = row["sample_id"]
    return sample_id_of


def _table(schema: pa.Schema, ids: Sequence[str], batch: pa.RecordBatch) -> pa.Table:
    try:
        columns = [batch.column(field.name).cast(field.type) for field in list(schema)[1:]]
    except pa.ArrowException as error:
        raise BadInput("history_unlike", f"published rows do not have the drop's types: {error}") from None
    return pa.Table.from_arrays([pa.array(ids, pa.string()), *columns], schema=schema)


def _as_read(drop: Drop) -> DropConfig:
    """Return settings with which the joined rows are read as the drop's own were."""
    settings = from_dict(DropConfig, drop.manifest["config"], "drop")
    roles = drop.manifest["columns"]
    inputs, value = _listed(roles["input"]), "target" if "target" in roles else "label"
    values = _listed(roles[value])
    several = len(values) > 1
    names = drop.label_names if value == "label" and not several else None
    return settings.replace(
        name=drop.name,
        format="parquet",
        files=None,
        modality=drop.modality,
        task=drop.task,
        id_column=ID,
        input_column=inputs[0] if len(inputs) == 1 else None,
        input_columns=tuple(inputs) if len(inputs) > 1 else None,
        label_column=values[0] if value == "label" and not several else None,
        target_column=values[0] if value == "target" and not several else None,
        label_columns=tuple(values) if value == "label" and several else None,
        target_columns=tuple(values) if value == "target" and several else None,
        label_names=names,
        num_classes=None if names is not None or several or value == "target" else drop.num_classes,
        duplicates="keep",
        limits=settings.limits.replace(max_id_chars=settings.limits.max_id_chars + SPARE_ID_CHARS),
    )


def _check_whole(own: Drop, joined: Drop) -> None:
    """Raise unless every row of the drop is in the joined one: none may go unjudged."""
    here = {str(name) for name in joined.sample_ids}
    missing = [name for name in map(str, own.sample_ids) if NEW + name not in here]
    if missing:
        raise BadInput(
            "history_unlike",
            f"{len(missing)} of {len(own)} rows cannot be read together with the published ones, {missing[0]!r} first: "
            "judge this drop without verdict.with_history",
        )
