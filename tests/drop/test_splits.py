"""Of several splits one is read, by default train, and the others are counted by name."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.drop.accounting import accounted_lines
from telltale_core.drop.budget import Clock
from telltale_core.drop.config import DropConfig, Limits
from telltale_core.drop.formats import open_reader
from telltale_core.drop.readers import table_files
from telltale_core.drop.readers.footers import add_splits
from telltale_core.drop.source import open_source
from telltale_core.drop.split_names import SplitCells
from telltale_core.drop.understanding import understood_lines
from telltale_core.errors import BadInput
from tests.support import drops as support

PNGS = [support.make_png(seed) for seed in range(6)]
LABELS: list[object] = [0, 1, 2, 0, 1, 2]


def folders(root: Path, splits: tuple[str, ...]) -> Path:
    for split in splits:
        for number, data in enumerate(PNGS):
            file = root / split / ["cat", "dog"][number % 2] / f"{split}{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    return root


@pytest.mark.parametrize("above", ["", "set/"])
def test_folders_of_splits_above_classes_are_no_classes(tmp_path, take, above):
    folders(tmp_path / "d" / above, ("train", "val", "test"))
    drop = take(tmp_path / "d")
    assert (drop.label_names, len(drop)) == (("cat", "dog"), 6)
    assert "split: train; not read: test (6 files), validation (6 files); --split chooses" in understood_lines(drop)
    assert accounted_lines(drop.manifest)[0] == "files: 18 = 6 read + 12 ignored (6 split test, 6 split validation)"
    assert take(tmp_path / "d", split="val").samples()["source"][0].as_py().startswith(f"{above}val/")
    assert len(take(tmp_path / "d", split="all")) == 18


@pytest.mark.parametrize("above", ["", "set/"])
def test_splits_in_each_class_are_splits(tmp_path, take, above):
    for number, data in enumerate(PNGS * 2):
        file = tmp_path / "d" / above / ["cat", "dog"][number % 2] / ["train", "test"][number // 6] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    drop = take(tmp_path / "d")
    assert (drop.label_names, len(drop)) == (("cat", "dog"), 6)
    assert "split: train; not read: test (6 files); --split chooses" in understood_lines(drop)
    whole = take(tmp_path / "d", split="all")
    assert (whole.label_names, len(whole)) == (("cat", "dog"), 12)


def test_a_class_called_train_among_others_is_a_class(tmp_path, take):
    assert take(folders(tmp_path / "d", ("bus", "train"))).label_names == ("bus", "train")


def test_hugging_face_files_of_splits_whose_ids_restart_lose_no_row(tmp_path, take):
    names = ("train-00000-of-00002", "validation-00000-of-00001", "test-00000-of-00001")
    for name in names:
        support.write_parquet(tmp_path / "d" / "data" / f"{name}.parquet", list(PNGS), LABELS, [*"012345"])
    drop = take(tmp_path / "d")
    assert drop.manifest["counts"]["rejected"] == 0
    assert drop.samples()["source"][0].as_py() == "data/train-00000-of-00002.parquet#0"
    assert len(take(tmp_path / "d", files="*test*")) == 6


@pytest.mark.parametrize(
    ("column", "train", "other", "name"),
    [
        ("split", "train", "valid", "validation"),
        ("is_valid", "False", "True", "validation"),
        ("is_test", "0", "1", "test"),
    ],
)
def test_a_column_of_splits_chooses_rows(tmp_path, take, column, train, other, name):
    rows = [f"{i} 1 2 3,{'ab'[i % 2]},{train if i % 3 else other}" for i in range(30)]
    (tmp_path / "d.csv").write_text("\n".join([f"pixels,label,{column}", *rows]))
    drop = take(tmp_path / "d.csv")
    assert len(drop) == 20
    assert f"split: train; not read: {name} (10 rows); --split chooses" in understood_lines(drop)
    assert accounted_lines(drop.manifest)[1] == "lines: 31 = 20 rows + 10 rows of other splits + 1 header"
    assert len(take(tmp_path / "d.csv", split=name)) == 10
    assert len(take(tmp_path / "d.csv", split="all")) == 30


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_of_several_columns_of_splits_all_must_say_train(tmp_path, take, ending):
    flags = {"is_valid": [0] * 80 + [1] * 20, "is_test": [1] * 20 + [0] * 80}
    frame = pd.DataFrame({"x": range(100), "z": range(100), "label": [*"ab"] * 50, **flags})
    path = tmp_path / f"d.{ending}"
    {
        "csv": lambda: frame.to_csv(path, index=False),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "parquet": lambda: frame.to_parquet(path, index=False),
    }[ending]()
    drop = take(path)
    assert (len(drop), drop.manifest["columns"]["input"]) == (60, ["x", "z"])
    assert drop.manifest["accounting"]["splits"]["rows_of_others"] == {"test": 20, "validation": 20}
    assert [len(take(path, split=split)) for split in ("test", "valid", "all")] == [20, 20, 100]
    carried = take(path, other_splits="carry").manifest["other_splits"]
    assert {split["split"]: split["rows"] for split in carried} == {"test": 20, "validation": 20}


def test_an_empty_cell_beside_a_filled_one_loses_no_row(tmp_path, take):
    flags = {"split": ["train"] * 60 + ["test"] * 20, "is_valid": [None, "0"] * 20 + [0] * 10 + [1] * 10 + [None] * 20}
    pd.DataFrame({"x": range(80), "z": range(80), "label": [*"ab"] * 40, **flags}).to_csv(tmp_path / "d.csv")
    drop = take(tmp_path / "d.csv")
    assert (len(drop), drop.manifest["counts"]["rejected"]) == (50, 0)
    assert drop.manifest["accounting"]["splits"]["rows_of_others"] == {"test": 20, "validation": 10}


def test_a_key_of_splits_that_comes_late_and_parts_no_rows_is_a_doubt(tmp_path, take):
    rows = [
        {"pixels": f"{n} 1 2 3", "label": "ab"[n % 2], **({"split": "test"} if n >= 150 else {})} for n in range(200)
    ]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    drop = take(tmp_path / "d.jsonl")
    assert len(drop) == 200
    assert drop.manifest["accounting"]["doubts"] == [
        "column 'split' names only 'test', in 50 of 200 rows: all rows are read; drop.split says which"
    ]


NAMES = ["train", "train", "val"] * 3


@pytest.mark.parametrize(
    ("ending", "column", "cells"),
    [
        ("csv", "split", ["", "nan", "NA", *NAMES]),
        ("csv", "is_valid", ["", "nan", "NA", *[0, 0, 1] * 3]),
        ("jsonl", "split", [None, "", "null", *NAMES]),
        ("jsonl", "is_valid", [None, "nan", "", *[False, False, True] * 3]),
        ("parquet", "split", pa.array([None, " ", "none", *NAMES], pa.large_string())),
        ("parquet", "split", pa.array([None, "", "nan", *NAMES]).dictionary_encode()),
        ("parquet", "is_valid", pa.array([None, math.nan, None, *[0.0, 0.0, 1.0] * 3])),
    ],
)
def test_an_empty_cell_hides_no_column_of_splits_and_its_row_is_rejected(tmp_path, take, ending, column, cells):
    path = tmp_path / f"d.{ending}"
    if ending == "parquet":
        inputs = [[n + 0.5, n * 1.5] for n in range(12)]
        pq.write_table(pa.table({"features": inputs, "label": [*"ab"] * 6, column: cells}), path)
    else:
        rows = [{"pixels": f"{n} 1 2 3", "label": "ab"[n % 2], column: cell} for n, cell in enumerate(cells)]
        lines = [",".join(map(str, row.values())) if ending == "csv" else json.dumps(row) for row in rows]
        path.write_text("\n".join([*([f"pixels,label,{column}"] if ending == "csv" else []), *lines]))
    drop = take(path)
    assert (len(drop), drop.manifest["counts"]["by_reason"]) == (6, {"split_missing": 3})
    assert drop.manifest["accounting"]["splits"] == {"read": "train", "rows_of_others": {"validation": 3}}
    assert f"the column '{column}' names no split for this row" in drop.rejected()["reason"][0].as_py()
    assert len(take(path, split="all")) == 12


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_column_of_splits_whose_first_cells_are_all_empty_is_one(tmp_path, take, ending):
    empty = 1001 if ending == "parquet" else 101
    numbers, cells = range(empty + 9), [None] * empty + NAMES
    frame = pd.DataFrame({"x": numbers, "z": numbers, "label": [*"ab"] * (len(cells) // 2), "split": cells})
    path = tmp_path / f"d.{ending}"
    {
        "csv": lambda: frame.to_csv(path, index=False),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "parquet": lambda: frame.to_parquet(path, index=False),
    }[ending]()
    drop = take(path)
    assert drop.manifest["counts"]["by_reason"] == {"split_missing": empty}
    assert drop.manifest["accounting"]["splits"] == {"read": "train", "rows_of_others": {"validation": 3}}


def test_a_column_of_splits_that_is_empty_where_its_split_is_read_says_what_to_do(tmp_path, take):
    rows = [f"{n} 1 2 3,{'ab'[n % 2]},{['', 'val', 'test'][n % 3]}" for n in range(9)]
    (tmp_path / "d.csv").write_text("\n".join(["pixels,label,split", *rows]))
    with pytest.raises(BadInput, match=r"split_missing: 3\).*fill the column of splits, or set drop.split = \"all\""):
        take(tmp_path / "d.csv")


def test_another_word_among_flags_is_a_split_of_its_own(tmp_path, take):
    rows = [f"{n} 1 2 3,{'ab'[n % 2]},{'maybe' if n == 119 else n % 3 // 2}" for n in range(120)]
    (tmp_path / "d.csv").write_text("\n".join(["pixels,label,is_test", *rows]))
    drop = take(tmp_path / "d.csv")
    assert drop.manifest["accounting"]["splits"]["rows_of_others"] == {"maybe": 1, "test": 39}


def test_texts_in_a_column_of_splits_do_not_fill_the_manifest(tmp_path, take):
    rows = [f"{i} 1 2 3,{'ab'[i % 2]},{'train' if i < 120 else f'{i}' * 500}" for i in range(300)]
    (tmp_path / "d.csv").write_text("\n".join(["pixels,label,split", *rows, "1 1 1 1,a,\x1b[31m"]))
    drop = take(tmp_path / "d.csv")
    others = drop.manifest["accounting"]["splits"]["rows_of_others"]
    assert (len(drop), len(others), sum(others.values()), others["more splits"]) == (120, 21, 181, 161)
    assert max(map(len, others)) < 70
    assert "more splits (161 rows)" in "".join(understood_lines(drop))


def test_a_parquet_column_of_splits_chooses_rows(tmp_path, take):
    path = support.write_parquet(tmp_path / "d.parquet", list(PNGS), LABELS, split=["train", "test"] * 3)
    assert len(take(path)) == 3


def test_arrays_of_splits_in_one_file_are_parted(tmp_path, take):
    arrays = {
        f"{what}_{split}": value
        for split in ("train", "test")
        for what, value in (("x", np.arange(6 * 16, dtype=np.uint8).reshape(6, 4, 4)), ("y", np.arange(6) % 3))
    }
    np.savez_compressed(tmp_path / "d.npz", **arrays)
    drop = take(tmp_path / "d.npz")
    assert len(drop) == 6
    assert "split: train; not read: test (6 rows); --split chooses" in understood_lines(drop)


@pytest.mark.parametrize("settings", [{}, {"split": "train"}, {"split": "test"}, {"other_splits": "carry"}])
def test_arrays_of_no_split_beside_those_of_train_are_refused(tmp_path, take, settings):
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4), dtype=np.uint8)
    parts = {"": slice(0, 4), "_train": slice(4, 10), "_test": slice(10, 12)}
    arrays = {
        f"{what}{name}": all_[part]
        for name, part in parts.items()
        for what, all_ in (("x", images), ("y", np.arange(12) % 2))
    }
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(BadInput, match=r"no split lie beside those of train, 4 and 6 rows: leave one") as error:
        take(tmp_path / "d.npz", **settings)
    assert error.value.code == "split_unclear"


def test_a_split_that_is_not_there_is_named(tmp_path, take):
    folders(tmp_path / "d", ("val", "test"))
    with pytest.raises(BadInput, match=r"set drop\.split") as error:
        take(tmp_path / "d")
    assert error.value.code == "split_unclear"


def test_a_column_of_splits_is_looked_at_without_unpacking_it_and_past_empty_files(tmp_path: Path) -> None:
    text = pa.schema({"split": pa.string(), "text": pa.string()})
    places = [tmp_path / name for name in ("empty", "none", "short", "long")]
    tables = (
        text.empty_table(),
        pa.table({"text": ["x"]}),
        pa.table({"split": ["train", None, "test"] * 3}),
        pa.table({"split": ["x" * 50_000] * 1000}),
    )
    outcomes = []
    for place, written in zip(places, tables, strict=True):
        pq.write_table(written, place)
        cells = SplitCells("split")
        with place.open("rb") as handle:
            add_splits(handle, cells, Clock(Limits()), text=True)
        outcomes.append((dict(cells.named), cells.empty, cells.are_splits()))
    assert outcomes[:3] == [({}, 0, False), ({}, 0, False), ({"train": 3, "test": 3}, 3, True)]
    assert outcomes[3] == ({"." * 64 + "...": 1000}, 0, False)


def write_rows(path: Path, cells: list[object], column: str, first: int = 0) -> None:
    """A table of two numbers and a label, and the cells in a column; a missing key where a cell of JSON is None."""
    rows = [{"x": n, "z": n * n, "label": "ab"[n % 2], column: cell} for n, cell in enumerate(cells, first)]
    frame = pd.DataFrame(rows)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({name: [row[name] for row in rows] for name in rows[0]}), path)
    else:
        path.write_text("".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in rows))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("column", "cell"), [("is_test", 0), ("is_valid", "false"), ("subset", "train"), ("set", "dev")]
)
def test_a_column_that_names_one_split_and_has_empty_cells_is_none_of_splits(tmp_path, take, ending, column, cell):
    write_rows(tmp_path / f"d.{ending}", [None if n % 10 else cell for n in range(120)], column)
    assert len(take(tmp_path / f"d.{ending}", input_columns=("x", "z"))) == 120


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("swapped", [False, True])
def test_all_files_are_asked_for_a_column_of_splits(tmp_path, take, ending, swapped):
    empty, named = [""] * 12 if ending == "parquet" else [None] * 12, ["train", "train", "test"] * 4
    for number, cells in enumerate([named, empty] if swapped else [empty, named]):
        write_rows(tmp_path / f"{number}.{ending}", cells, "split", 12 * number)
    drop = take(tmp_path)
    assert (len(drop), drop.manifest["counts"]["by_reason"]) == (8, {"split_missing": 12})
    assert drop.manifest["accounting"]["splits"]["rows_of_others"] == {"test": 4}


@pytest.mark.parametrize("empty", ["", math.nan])
def test_parquet_cells_that_name_nothing_hide_no_column_of_splits(tmp_path, take, empty):
    column, named = ("split", ["train", "train", "test"]) if empty == "" else ("is_test", [0.0, 0.0, 1.0])
    write_rows(tmp_path / "d.parquet", [empty] * 1002 + named * 4, column)
    assert take(tmp_path / "d.parquet").manifest["counts"]["by_reason"] == {"split_missing": 1002}


def test_the_look_for_splits_ends_at_the_limit_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(tmp_path / "d.csv", ["train"] * 500, "split")
    read = []
    csv_rows = table_files.csv_rows
    monkeypatch.setattr(
        table_files, "csv_rows", lambda *arguments: (read.append(1) or row for row in csv_rows(*arguments))
    )
    config = DropConfig(limits=Limits(max_rows=150))
    with pytest.raises(BadInput, match="more than max_rows=150"):
        open_reader(open_source(str(tmp_path / "d.csv"), config.limits), config).columns()
    assert len(read) == 100 + 151


def test_a_column_of_splits_that_begins_late_in_json_lines_is_one(tmp_path, take):
    write_rows(tmp_path / "d.jsonl", [None] * 150 + ["train", "train", "test"] * 4, "split")
    drop = take(tmp_path / "d.jsonl")
    assert (len(drop), drop.manifest["counts"]["by_reason"]) == (8, {"split_missing": 150})
