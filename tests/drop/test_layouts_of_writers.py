"""Folders as Spark, Delta, Hive and the Hugging Face hub leave them, and shards that were written differently."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.errors import BadInput

TEXTS = [f"words number {i}" for i in range(6)]
TABLE = pa.table({"text": TEXTS, "label": [0, 1] * 3})

pytest.importorskip("tokenizers")
deltalake = pytest.importorskip("deltalake")


def test_what_a_writer_has_not_finished_is_no_row(tmp_path, take):
    for folder in ("d", "d/_temporary/0"):
        (tmp_path / folder).mkdir(parents=True)
        pq.write_table(TABLE, tmp_path / folder / "part-0.parquet")
    drop = take(tmp_path / "d")
    assert len(drop) == 6
    assert drop.manifest["accounting"]["files"]["ignored"]["a mark of the upload"]["count"] == 1


def test_a_delta_table_is_refused_with_its_cure(tmp_path, take):
    (tmp_path / "d" / "_delta_log").mkdir(parents=True)
    pq.write_table(TABLE, tmp_path / "d" / "part-0.parquet")
    (tmp_path / "d" / "_delta_log" / "0.json").write_text("{}")
    with pytest.raises(BadInput, match=r"removed.*drop.unpack.*write its rows as Parquet"):
        take(tmp_path / "d")


def delta_table(path: Path) -> Path:
    """A table of 12 rows, six of which were removed again and lie in files still."""
    deltalake.write_deltalake(path, TABLE)
    later = pa.array([f"later {text}" for text in TEXTS])
    deltalake.write_deltalake(path, TABLE.set_column(0, "text", later), mode="append")
    deltalake.DeltaTable(path).delete("text like 'words%' and label = 1")
    deltalake.DeltaTable(path).delete("text in ('words number 0', 'later words number 3')")
    return path


LEFT = {"words number 2", "words number 4", *(f"later words number {i}" for i in (0, 1, 2, 4, 5))}


@pytest.mark.parametrize("how", ["plain", "partitions", "checkpoint", "below"])
def test_a_delta_table_is_read_by_its_log_and_removed_rows_stay_removed(tmp_path, take, how):
    path = delta_table(tmp_path / "d" / ("inner" if how == "below" else ""))
    if how == "partitions":
        deltalake.write_deltalake(tmp_path / "p", deltalake.DeltaTable(path).to_pyarrow_table(), partition_by=["label"])
        deltalake.DeltaTable(tmp_path / "p").delete("text = 'later words number 5'")
        path = tmp_path / "p"
    if how == "checkpoint":
        deltalake.DeltaTable(path).create_checkpoint()
        for number in range(4):
            (path / "_delta_log" / f"{number:020d}.json").unlink(missing_ok=number < 3)
    drop = take(tmp_path / "d" if how == "below" else path, unpack=True)
    assert set(drop.payload()["text"].to_pylist()) == LEFT - (
        {"later words number 5"} if how == "partitions" else set()
    )
    assert drop.manifest["counts"]["rejected"] == 0
    ignored = drop.manifest["accounting"]["files"]["ignored"]
    assert ignored["removed, or not named by the Delta log"]["count"] > 0
    assert ignored["the log of a Delta table"]["count"] > 0


def test_a_delta_table_whose_log_is_damaged_or_incomplete_is_refused(tmp_path, take):
    path = delta_table(tmp_path / "d")
    log = path / "_delta_log"
    named = deltalake.DeltaTable(path).file_uris()[0]
    Path(named).rename(tmp_path / "away")
    with pytest.raises(BadInput, match="which is not there"):
        take(path, unpack=True)
    (tmp_path / "away").rename(named)
    commit = log / f"{1:020d}.json"
    whole = commit.read_bytes()
    commit.write_bytes(whole[:-40])
    with pytest.raises(BadInput, match=r"log cannot be read.*write its rows as Parquet"):
        take(path, unpack=True)
    commit.unlink()
    with pytest.raises(BadInput, match=r"log cannot be read.*write its rows as Parquet"):
        take(path, unpack=True)


@pytest.mark.parametrize("asks", ["deletion vectors", "another feature", "mapped columns"])
def test_a_delta_table_that_only_its_own_readers_know_is_refused(tmp_path, take, asks):
    deltalake.write_deltalake(tmp_path / "d", TABLE)
    commit = tmp_path / "d" / "_delta_log" / f"{0:020d}.json"
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    for action in actions:
        if "add" in action and asks == "deletion vectors":
            vector = {"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 4}
            action["add"]["deletionVector"] = {**vector, "sizeInBytes": 40, "cardinality": 6}
        if "metaData" in action and asks == "mapped columns":
            action["metaData"]["configuration"] = {"delta.columnMapping.mode": "name"}
        if "protocol" in action:
            features = {"deletion vectors": ["deletionVectors"], "another feature": ["typeWidening"]}.get(asks)
            action["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
            if features:
                versions = {"minReaderVersion": 3, "minWriterVersion": 7}
                action["protocol"] = {**versions, "readerFeatures": features, "writerFeatures": features}
    commit.write_text("\n".join(map(json.dumps, actions)))
    with pytest.raises(BadInput, match="write its rows as Parquet"):
        take(tmp_path / "d", unpack=True)


def test_columns_in_names_of_folders_are_columns(tmp_path, take):
    for label in ("cat", "big%20dog"):
        (tmp_path / "d" / f"label={label}").mkdir(parents=True)
        pq.write_table(TABLE.select(["text"]), tmp_path / "d" / f"label={label}" / "part.parquet")
    drop = take(tmp_path / "d")
    assert (drop.label_names, len(drop)) == (("big dog", "cat"), 12)
    assert drop.payload().column_names == ["text", "label"]


def test_a_snapshot_of_the_hub_is_read_through_its_links(tmp_path, take):
    cache = tmp_path / "datasets--a--b"
    (cache / "blobs").mkdir(parents=True)
    (cache / "snapshots" / "1" / "data").mkdir(parents=True)
    pq.write_table(TABLE, cache / "blobs" / "c0ffee")
    (cache / "snapshots" / "1" / "data" / "train.parquet").symlink_to("../../../blobs/c0ffee")
    assert len(take(cache / "snapshots" / "1")) == 6
    assert len(take(cache / "snapshots" / "1" / "data")) == 6
    pq.write_table(TABLE, tmp_path / "secret.parquet")
    (cache / "snapshots" / "1" / "out.parquet").symlink_to(tmp_path / "secret.parquet")
    with pytest.raises(BadInput) as error:
        take(cache / "snapshots" / "1")
    assert error.value.code == "path_outside_drop"


def test_shards_that_differ_in_null_and_in_width_of_texts_are_one_drop(tmp_path, take):
    (tmp_path / "d").mkdir()
    for number, (kind, nullable) in enumerate([(pa.string(), False), (pa.large_string(), True), (pa.string(), True)]):
        fields = [
            pa.field("text", kind, nullable),
            pa.field("label", pa.int64(), nullable),
            pa.field("note", pa.null()),
        ]
        columns = [pa.array(TEXTS, kind), TABLE["label"].combine_chunks(), pa.nulls(6)]
        pq.write_table(pa.Table.from_arrays(columns, schema=pa.schema(fields)), tmp_path / "d" / f"{number}.parquet")
    pq.write_table(TABLE.append_column("note", pa.array(["x"] * 6)), tmp_path / "d" / "3.parquet")
    drop = take(tmp_path / "d")
    assert len(drop) == 24
    assert drop.payload()["note"].to_pylist()[-6:] == ["x"] * 6


def test_decimals_and_durations_are_numbers(tmp_path, take):
    columns = {
        "price": pa.array([1.25 * i for i in range(60)]).cast(pa.decimal128(10, 2)),
        "took": pa.array(range(60), pa.duration("s")),
        "target": pa.array([0.5 * i for i in range(60)]).cast(pa.decimal128(10, 2)),
    }
    pq.write_table(pa.table(columns), tmp_path / "d.parquet")
    drop = take(tmp_path / "d.parquet")
    assert (drop.task, drop.inputs[3].tolist()) == ("regression", [3.75, 3.0])
    assert drop.targets is not None
    assert drop.targets[3] == 1.5
