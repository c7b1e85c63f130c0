"""What is kept of a rejected row, and of the metadata of the files that rows came in."""

import hashlib
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from telltale_core.drop import Limits
from telltale_core.drop.rejected_rows import Evidence, as_json


def png(seed):
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


PNGS = [png(seed) for seed in range(4)]


def columns_of(drop):
    return [json.loads(text) for text in drop.rejected()["columns"].to_pylist()]


def test_a_rejected_row_of_parquet_keeps_its_other_columns(tmp_path, take):
    media = pa.array([{"bytes": data, "path": f"{n}.png"} for n, data in enumerate([*PNGS[:3], b"no image"])])
    table = pa.table(
        {
            "image": media,
            "label": [0, 1, 0, 1],
            "camera": pa.array(["left", "left", "right", "right"]).dictionary_encode(),
            "box": [[1, 2], [3, 4], None, [5, 6]],
            "heat": [0.5, 1.5, 2.5, float("nan")],
            "key": [b"\x00", b"\x01", b"\x02", b"\xff"],
        }
    )
    pq.write_table(table, tmp_path / "d.parquet")
    drop = take(tmp_path / "d.parquet")
    assert columns_of(drop) == [
        {
            "image": {"path": "3.png"}, "label": 1, "camera": "right", "box": [5, 6], "heat": "nan",
            "key": {"base64": "/w=="},
        }
    ]  # fmt: skip
    assert drop.rejected()["raw"].to_pylist() == [b"no image"]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_rejected_row_of_a_table_with_files_keeps_all_its_columns(tmp_path, take, ending):
    rows = [{"file_name": f"{n}.png", "label": str(n % 2), "note": f"no. {n}"} for n in range(4)]
    rows[3]["label"] = ""
    for n, data in enumerate(PNGS):
        (tmp_path / f"{n}.png").write_bytes(data)
    lines = [json.dumps(row) for row in rows]
    if ending == "csv":
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    (tmp_path / f"m.{ending}").write_text("\n".join(lines))
    drop = take(tmp_path)
    assert columns_of(drop) == [rows[3]]
    assert drop.rejected()["raw"].to_pylist() == [PNGS[3]]


def test_a_rejected_file_of_a_folder_keeps_its_name_and_class(tmp_path, take):
    for n, data in enumerate([*PNGS[:3], b"no image"]):
        (tmp_path / "d" / f"class{n % 2}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / f"class{n % 2}" / f"{n}.png").write_bytes(data)
    assert columns_of(take(tmp_path / "d")) == [{"image": "class1/3.png", "label": "class1"}]


def test_a_rejected_row_of_arrays_keeps_its_value(tmp_path, take):
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 255, (5, 8, 8), dtype=np.uint8))
    np.save(tmp_path / "labels.npy", np.array([0, 1, 0, 1, -7]))
    drop = take(tmp_path, num_classes=2)
    assert columns_of(drop) == [{"label": -7}]
    assert len(drop.rejected()["raw"][0].as_py()) == 64


def test_equal_bytes_of_rejected_rows_are_stored_once(tmp_path, take):
    bad = np.random.default_rng(0).bytes(50_000)
    media = [*PNGS, *[bad] * 200]
    table = pa.table({"id": [f"r{n}" for n in range(204)], "image": media, "label": [n % 2 for n in range(204)]})
    pq.write_table(table, tmp_path / "d.parquet")
    drop = take(tmp_path / "d.parquet")
    rejected = drop.rejected()
    assert [raw for raw in rejected["raw"].to_pylist() if raw is not None] == [bad]
    assert set(rejected["raw_sha256"].to_pylist()) == {hashlib.sha256(bad).hexdigest()}
    assert (drop.path / "rejected.parquet").stat().st_size < 100_000


def test_a_row_too_large_for_its_evidence_keeps_the_small_columns_whole_and_the_size_of_the_large(tmp_path, take):
    table = pa.table(
        {
            "image": [*PNGS[:3], b"x"],
            "label": [0, 1, 0, 1],
            "note": ["a", "b", "c", "d"],
            "text": pa.array(["", "", "", "y" * 9000]).dictionary_encode(),
            "list": [[], [], [], ["z" * 9000] * 3],
        }
    )
    pq.write_table(table, tmp_path / "d.parquet")
    drop = take(tmp_path / "d.parquet", limits=Limits(max_rejected_raw_bytes=1000), input_column="image")
    (row,) = columns_of(drop)
    assert (row["label"], row["note"], row["list"]) == (1, "d", {"telltale_cut": 27_000})
    assert len(drop.rejected()["columns"][0].as_py()) <= 1000


def test_evidence_is_json_whatever_the_values_are():
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    cells = {"a": float("inf"), "b": "\ud800 \u202e", "c": [b"\xff", {"d": float("nan")}], "deep": deep, "big": 1 << 70}
    evidence = json.loads(as_json(cells, 100_000))
    assert (evidence["a"], evidence["c"], evidence["big"]) == ("inf", [{"base64": "/w=="}, {"d": "nan"}], 1 << 70)
    assert len(as_json({f"column {n}": "é" * n for n in range(1000)}, 5000).encode()) <= 5000
    assert json.loads(as_json({f"column {n}": '"' * n for n in range(1000)}, 5000))
    assert Evidence(10).of({}, None) == {"columns": "{}", "raw": None, "raw_sha256": None}


def test_all_metadata_of_schema_and_fields_is_passed_on(tmp_path, take):
    metadata = {"licence": "CC-BY", "pandas": '{"index_columns": []}', b"\xff\x00": b"\x00bytes"}
    item = pa.field("item", pa.int64(), metadata={"unit": "px"})
    schema = pa.schema(
        [
            pa.field("image", pa.binary()),
            pa.field("label", pa.int64(), metadata={"source": "two people"}),
            pa.field("box", pa.list_(item)),
        ],
        metadata,
    )
    rows = {"image": [*PNGS, PNGS[0]], "label": [0, 1, 0, 1, 1], "box": [[1]] * 5}
    pq.write_table(pa.table(rows, schema=schema), tmp_path / "d.parquet")
    drop = take(tmp_path / "d.parquet")
    published = pq.read_schema(drop.path / "payload.parquet")
    assert published.equals(pq.read_schema(tmp_path / "d.parquet"), check_metadata=True)
    assert published.field("label").metadata == {b"source": b"two people"}
    assert drop.manifest["metadata_left_out"] == {}


def test_metadata_that_differs_between_files_or_is_too_large_is_left_out_and_said(tmp_path, take):
    rows = {"image": [PNGS[0], PNGS[1]], "label": [0, 1]}
    for name, extra in (("a", {"made": "in May", "huge": "x" * (5 << 20)}), ("b", {"made": "in June", "by": "Bo"})):
        pq.write_table(pa.table(rows).replace_schema_metadata(extra), tmp_path / f"{name}.parquet")
    drop = take(tmp_path)
    assert drop.payload().schema.metadata == {b"made": b"in May"}
    left_out = drop.manifest["metadata_left_out"]
    assert set(left_out) == {"b'made'", "b'by'", "b'huge'"}
    assert "first file's, which is kept" in left_out["b'made'"]
    assert "4194304" in left_out["b'huge'"]
