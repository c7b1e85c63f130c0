"""Folders as Spark, Delta, Hive and the Hugging Face hub leave them, and shards that were written differently."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.errors import BadInput

TEXTS = [f"words number {i}" for i in range(6)]
TABLE = pa.table({"text": TEXTS, "label": [0, 1] * 3})

pytest.importorskip("tokenizers")


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
    with pytest.raises(BadInput, match=r"removed.*write its rows as Parquet"):
        take(tmp_path / "d")


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
