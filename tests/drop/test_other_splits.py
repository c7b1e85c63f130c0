"""Splits that are not read are carried into the drop where asked: in files of their own, every row accounted for."""

from __future__ import annotations

import dataclasses
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from telltale_core.drop import verify_drop
from telltale_core.drop.accounting import accounted_lines
from telltale_core.drop.config import Declared, DropConfig
from telltale_core.drop.other_splits import carry_others, copied
from telltale_core.drop.source import open_source
from telltale_core.drop.survey import plan_reading
from telltale_core.drop.understanding import doubts, understood_lines
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


def table(path: Path, rows: list[tuple[object, ...]], header: str = "pixels,label") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]))
    return path


def pixels(first: int, count: int) -> list[tuple[object, ...]]:
    return [(f"{number} 1 2 3", number % 2) for number in range(first, first + count)]


def refused(drop_at: Path, take, match: str, **settings) -> None:
    with pytest.raises(BadInput, match=match) as error:
        take(drop_at, other_splits="carry", **settings)
    assert error.value.code == "split_unclear"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_of_no_split_is_judged_and_not_carried(tmp_path, take, kind):
    for name, first, count in (("train", 0, 4), ("more", 4, 3), ("test", 7, 2)):
        if kind == "csv":
            table(tmp_path / "d" / f"{name}.csv", pixels(first, count))
        else:
            numbers = range(first, first + count)
            pngs, labels = [support.make_png(number) for number in numbers], [number % 2 for number in numbers]
            support.write_parquet(tmp_path / "d" / f"{name}.parquet", pngs, labels)
    drop = take(tmp_path / "d", other_splits="carry")
    assert (len(drop), entries(drop)) == (7, {"test": (2, 0, {})})
    assert doubts(drop)[0].startswith(f"'more.{kind}' is called after no split and read with train: drop.files")
    assert {key.split(".")[0] for key in drop.samples()["source"].to_pylist()} == {"train", "more"}


def test_a_file_beside_the_folders_of_splits_is_rejected_and_left_out_of_no_split(tmp_path, take):
    for split in ("train", "test"):
        folder(tmp_path / "d", split)
    for number in range(6):  # one in ten may lie beside the folders
        (tmp_path / "d" / "train" / "cat" / f"more{number}.png").write_bytes(support.make_png(10 + number))
    (tmp_path / "d" / "stray.png").write_bytes(PNGS[0])
    drop = take(tmp_path / "d", other_splits="carry")
    assert (drop.manifest["counts"]["by_reason"], entries(drop)) == ({"label_missing": 1}, {"test": (6, 0, {})})


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_of_a_null_split_are_rejected_and_not_carried(tmp_path, take, kind):
    cells = ["train"] * 4 + [None] * 3 + ["test"] * 2
    rows = [(f"{n} 1 2 3", n % 2, cell or "") for n, cell in enumerate(cells)]
    if kind == "csv":
        path = table(tmp_path / "d.csv", rows, "pixels,label,split")
    elif kind == "jsonl":
        lines = [json.dumps({"pixels": row[0], "label": row[1], "split": row[2] or None}) for row in rows]
        path = tmp_path / "d.jsonl"
        path.write_text("\n".join(lines))
    else:
        pngs = [support.make_png(n) for n in range(len(rows))]
        path = support.write_parquet(tmp_path / "d.parquet", pngs, [row[1] for row in rows], split=cells)
    drop = take(path, other_splits="carry")
    assert (len(drop), entries(drop)) == (4, {"test": (2, 0, {})})
    assert drop.manifest["counts"]["by_reason"] == {"split_missing": 3}
    assert [row["split"] for row in carried(drop)["test"]] == ["test", "test"]
    chosen = take(path, other_splits="carry", split="test")
    assert (len(chosen), entries(chosen)) == (2, {"train": (4, 0, {})})
    assert chosen.manifest["counts"]["by_reason"] == {"split_missing": 3}


def test_a_line_that_cannot_be_read_is_rejected_once_and_left_out_of_no_split(tmp_path, take):
    names = ["train"] * 4 + ["test"] * 2
    lines = [json.dumps({"pixels": f"{n} 1 2 3", "label": n % 2, "split": name}) for n, name in enumerate(names)]
    (tmp_path / "d.jsonl").write_text("\n".join([*lines, "{broken"]))
    drop = take(tmp_path / "d.jsonl", other_splits="carry")
    assert drop.manifest["counts"]["by_reason"] == {"row_unreadable": 1}
    assert entries(drop) == {"test": (2, 0, {})}


def test_a_split_both_of_files_and_in_the_column_of_others_is_refused(tmp_path, take):
    header = "pixels,label,split"
    table(tmp_path / "d" / "test.csv", [(*row, "test") for row in pixels(9, 2)], header)
    table(tmp_path / "d" / "train.csv", [(*row, "train") for row in pixels(0, 4)], header)
    assert entries(take(tmp_path / "d", other_splits="carry")) == {"test": (2, 0, {})}
    table(tmp_path / "d" / "train.csv", [*[(*row, "train") for row in pixels(0, 4)], ("9 9 9 9", 1, "test")], header)
    refused(tmp_path / "d", take, r"'test' has files of its own, and rows in .*leave")
    refused(tmp_path / "d", take, r"'train.csv#4', in a file of the split 'train', is of 'test'.*leave", split="test")


def test_a_file_that_is_judged_is_never_carried(tmp_path):
    for name, rows in (("train", pixels(0, 4)), ("test", pixels(4, 2))):
        table(tmp_path / "d" / f"{name}.csv", rows)
    config = DropConfig(other_splits="carry")
    source = open_source(str(tmp_path / "d"), config.limits)
    whole = copied(source)
    job, plan = plan_reading(source, config, Declared())
    source.ignored["split test"].append("train.csv")
    with pytest.raises(BadInput, match=r"'train.csv' is judged, and cannot be carried.*leave") as error:
        carry_others(whole, source, job, plan, tmp_path)
    assert error.value.code == "split_unclear"
    assert not list(tmp_path.glob("split-*"))


def test_rows_that_were_counted_by_another_name_than_theirs_are_refused(tmp_path, take):
    names = ["train"] * 120 + ["test"] * 3 + ["od\x1bd"]
    rows = [(*row, name) for row, name in zip(pixels(0, 124), names, strict=True)]
    refused(
        table(tmp_path / "d.csv", rows, "pixels,label,split"), take, r"0 rows are called exactly .* 1 were left.*leave"
    )


@pytest.mark.parametrize(
    ("further", "match"),
    [
        (["f" * 70], "'f+.* has a name that is too long.*leave"),
        ([f"fold{n}" for n in range(30)], "more than 16.*leave"),
    ],
)
def test_names_that_were_cut_are_refused_with_the_cure(tmp_path, take, further, match):
    names = ["train"] * 120 + further
    rows = [(*row, name) for row, name in zip(pixels(0, len(names)), names, strict=True)]
    refused(table(tmp_path / "d.csv", rows, "pixels,label,split"), take, match)


def test_a_split_called_all_is_carried_alone(tmp_path, take):
    names = ["train"] * 120 + ["all"] * 2
    rows = [(*row, name) for row, name in zip(pixels(0, 122), names, strict=True)]
    drop = take(table(tmp_path / "d.csv", rows, "pixels,label,split"), other_splits="carry")
    assert (len(drop), entries(drop)) == (120, {"all": (2, 0, {})})


def test_media_of_carried_rows_are_carried_not_unread(tmp_path, take):
    for number in range(12):
        (tmp_path / "d" / "pictures").mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / "pictures" / f"{number}.png").write_bytes(support.make_png(number))
    names = ["train"] * 2 + ["val"] + ["test"] * 8
    rows = [(f"pictures/{n}.png", n % 2, name) for n, name in enumerate(names)]
    table(tmp_path / "d" / "d.csv", rows, "file,label,split")
    drop = take(tmp_path / "d", other_splits="carry")
    assert (len(drop), entries(drop)) == (2, {"test": (8, 0, {}), "validation": (1, 0, {})})
    assert "media_unread" not in [question["code"] for question in drop.manifest["questions"]]
    assert accounted_lines(drop.manifest)[0] == (
        "files: 13 = 3 read + 10 ignored (1 no table names it, 8 split test, carried unjudged, "
        "1 split validation, carried unjudged)"
    )
    assert "media_unread" in [question["code"] for question in take(tmp_path / "d").manifest["questions"]]


def test_arrays_of_no_split_are_carried_as_train_where_another_is_judged(tmp_path, take):
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x=images[:5], y=np.arange(5) % 2, x_test=images[5:], y_test=np.arange(4) % 2)
    assert entries(take(tmp_path / "d.npz", other_splits="carry")) == {"test": (4, 0, {})}
    drop = take(tmp_path / "d.npz", other_splits="carry", split="test")
    assert (len(drop), entries(drop)) == (4, {"train": (5, 0, {})})


def test_a_split_that_is_judged_is_not_carried_as_well(tmp_path):
    table(tmp_path / "d.csv", [(*row, "train") for row in pixels(0, 4)], "pixels,label,split")
    config = DropConfig(other_splits="carry")
    source = open_source(str(tmp_path / "d.csv"), config.limits)
    whole = copied(source)
    job, plan = plan_reading(source, config, Declared())
    with pytest.raises(BadInput, match=r"'train' is judged, .*leave"):
        carry_others(whole, source, job, dataclasses.replace(plan, aside={"train": 4}), tmp_path)
