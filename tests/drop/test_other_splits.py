"""Splits that are not read are carried into the drop where asked: in files of their own, every row accounted for."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from telltale_core.drop import verify_drop
from telltale_core.drop.accounting import accounted_lines
from telltale_core.drop.understanding import understood_lines
from telltale_core.errors import BadInput
from tests.support import drops as support

PNGS = [support.make_png(seed) for seed in range(6)]
LABELS: list[object] = [0, 1, 2, 0, 1, 2]


def carried(drop) -> dict[str, list[dict]]:
    """The rows of each split that the drop carries."""
    verify_drop(drop.path)
    return {
        split["split"]: pq.read_table(drop.path / split["file"]).to_pylist() for split in drop.manifest["other_splits"]
    }


def entries(drop) -> dict[str, tuple[int, int, dict[str, int]]]:
    return {
        one["split"]: (one["rows"], one["unlabelled"], one["left_out"]) for one in drop.manifest.get("other_splits", [])
    }


def folder(root: Path, split: str, *, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    for number, data in enumerate(PNGS):
        file = root / split / classes[number % len(classes)] / f"{split}{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return root


def test_without_the_setting_nothing_of_them_is_kept(tmp_path, take):
    for split in ("train", "test"):
        folder(tmp_path / "d", split)
    drop = take(tmp_path / "d")
    assert "other_splits" not in drop.manifest
    assert drop.digest != take(tmp_path / "d", other_splits="carry").digest


def test_folders_of_splits_are_carried_with_their_classes_and_counted(tmp_path, take):
    for split in ("train", "val", "test"):
        folder(tmp_path / "d", split)
    (tmp_path / "d" / "test" / "dog" / "test1.png").write_bytes(b"no picture")
    (tmp_path / "d" / "test" / "owl").mkdir()
    (tmp_path / "d" / "test" / "owl" / "o.png").write_bytes(PNGS[5])
    drop = take(tmp_path / "d", other_splits="carry")
    assert len(drop) == 6
    assert entries(drop) == {"test": (6, 1, {"media_unsupported": 1}), "validation": (6, 0, {})}
    rows = carried(drop)
    assert [row["label"] for row in rows["validation"]] == [0, 0, 0, 1, 1, 1]
    assert rows["validation"][0]["image"] == {"bytes": PNGS[0], "path": "val/cat/val0.png"}
    assert [row["label"] for row in rows["test"]] == [0, 0, 0, 1, 1, None]
    assert pq.read_schema(drop.path / "payload.parquet") == pq.read_schema(drop.path / "split-000.parquet")
    said = "split: train; carried, not judged: test (6 rows, 1 without label, 1 left out), validation (6 rows)"
    assert said in understood_lines(drop)
    assert accounted_lines(drop.manifest)[0] == (
        "files: 19 = 6 read + 13 ignored (7 split test, carried unjudged, 6 split validation, carried unjudged)"
    )


def test_parquet_files_of_splits_are_carried_as_they_came(tmp_path, take):
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        labels = [-1] * 6 if "test" in name else LABELS
        support.write_parquet(tmp_path / "d" / f"{name}.parquet", list(PNGS), labels, [f"{name}{i}" for i in range(6)])
    drop = take(tmp_path / "d", other_splits="carry")
    assert (len(drop), entries(drop)) == (12, {"test": (6, 6, {})})
    own = pq.read_table(tmp_path / "d" / "test-00000-of-00001.parquet")
    assert carried(drop)["test"] == own.to_pylist()
    assert (
        pq.read_schema(drop.path / "split-000.parquet").metadata[b"huggingface"] == own.schema.metadata[b"huggingface"]
    )


def test_rows_of_a_column_of_splits_are_carried(tmp_path, take):
    split = ["train", "test", "train", "val", "train", "test"]
    path = support.write_parquet(tmp_path / "d.parquet", list(PNGS), LABELS, split=split)
    drop = take(path, other_splits="carry")
    assert (len(drop), entries(drop)) == (3, {"test": (2, 0, {}), "validation": (1, 0, {})})
    assert [row["image"]["bytes"] for row in carried(drop)["test"]] == [PNGS[1], PNGS[5]]
    assert len(take(path, split="test", other_splits="carry")) == 2


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_tables_of_splits_are_carried_with_their_media(tmp_path, take, kind):
    for number, data in enumerate(PNGS):
        (tmp_path / "d" / "pictures").mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / "pictures" / f"{number}.png").write_bytes(data)
    for name, numbers in (("train", [0, 1, 2, 3]), ("test", [4, 5, 9])):
        records = [{"file": f"pictures/{n}.png", "label": "ab"[n % 2], "score": n / 2} for n in numbers]
        lines = [json.dumps(record) for record in records]
        if kind == "csv":
            lines = ["file,label,score", *(",".join(map(str, record.values())) for record in records)]
        (tmp_path / "d" / f"{name}.{kind}").write_text("\n".join(lines))
    drop = take(tmp_path / "d", other_splits="carry")
    assert (len(drop), entries(drop)) == (4, {"test": (2, 0, {"media_missing": 1})})
    rows = carried(drop)["test"]
    assert [(row["image"]["bytes"], row["label"]) for row in rows] == [(PNGS[4], 0), (PNGS[5], 1)]
    assert [float(row["score"]) for row in rows] == [2.0, 2.5]


def test_texts_of_another_split_are_carried(tmp_path, take):
    for name in ("train", "test"):
        lines = [json.dumps({"text": f"a text {name} {n}", "label": n % 2}) for n in range(8)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join([*lines, json.dumps({"text": " ", "label": 0})]))
    drop = take(tmp_path, other_splits="carry", format="table")
    assert entries(drop) == {"test": (8, 0, {"text_empty": 1})}
    assert carried(drop)["test"][3] == {"text": "a text test 3", "label": 1}


def test_arrays_of_another_split_are_carried(tmp_path, take):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(12) % 3
    arrays = {"x_train": pixels[:9], "y_train": labels[:9], "x_test": pixels[9:], "y_test": labels[9:]}
    np.savez(tmp_path / "d.npz", **arrays)
    drop = take(tmp_path / "d.npz", other_splits="carry")
    assert (len(drop), entries(drop)) == (9, {"test": (3, 0, {})})
    assert [row["label"] for row in carried(drop)["test"]] == [0, 1, 2]


def test_shards_of_another_split_are_carried(tmp_path, take):
    for split in ("train", "test"):
        for number, data in enumerate(PNGS):
            base = tmp_path / "raw" / f"{split}-{number}"
            base.parent.mkdir(exist_ok=True)
            base.with_suffix(".png").write_bytes(data)
            base.with_suffix(".cls").write_text(str(number % 2))
        (tmp_path / "d").mkdir(exist_ok=True)
        with tarfile.open(tmp_path / "d" / f"{split}-0000.tar", "w") as tar:
            for file in sorted((tmp_path / "raw").glob(f"{split}-*")):
                tar.add(file, file.name)
    drop = take(tmp_path / "d", other_splits="carry", unpack=True)
    assert (len(drop), entries(drop)) == (6, {"test": (6, 0, {})})


def test_a_split_without_the_answer_or_without_a_row_is_refused_with_the_cure(tmp_path, take):
    (tmp_path / "train.csv").write_text("pixels,label\n" + "\n".join(f"{n} 1 2 3,{n % 2}" for n in range(9)))
    (tmp_path / "test.csv").write_text("pixels\n" + "\n".join(f"{n} 1 2 3" for n in range(9)))
    with pytest.raises(BadInput, match=r"no column 'label'.*other_splits = \"leave\"") as error:
        take(tmp_path, other_splits="carry", format="table")
    assert error.value.code == "schema_mismatch"
    folder(tmp_path / "d", "train")
    (tmp_path / "d" / "test").mkdir()
    (tmp_path / "d" / "test" / "1.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match=r"no row of the split 'test' can be carried .*: 1\).*leave"):
        take(tmp_path / "d", other_splits="carry")
