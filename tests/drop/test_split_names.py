"""What is called after another split is never read as samples of train without a word, nor taken for a class."""

from __future__ import annotations

from pathlib import Path

import pytest

from telltale_core.drop.split_names import SplitCells, split_depth, splits_among, splits_of_names
from telltale_core.drop.understanding import doubts
from telltale_core.errors import BadInput
from tests.support import drops as support
from tests.support.drops import write_numbers

SHARDS = "-00000-of-00001.parquet"


def pictures(root: Path, *folders: str) -> Path:
    for place, folder in enumerate(folders):
        for number in range(2):
            path = root / folder / f"{place}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(support.make_png(10 * place + number))
    return root


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        ("train eval", "train test"),
        ("train1 val2017", "train validation"),
        ("train holdout", "train holdout"),
        ("seg_train seg_test seg_pred", "train test seg_pred"),
        ("train test unlabeled", "train test unlabeled"),
        ("train dev test annotations_extra", "train validation test annotations_extra"),
        ("split=train split=mine", "train mine"),
        ("is_test=0 is_test=1", "train test"),
        ("bus train", ""),
        ("extra unlabeled", ""),
        ("train_station test_tube", ""),
        ("val valid", ""),
    ],
)
def test_folders_side_by_side_are_called_as_splits(names, splits):
    assert [*splits_among(dict.fromkeys(names.split())).values()] == splits.split()


def test_where_tables_name_media_only_folders_called_exactly_so_are_splits():
    assert splits_among(["images_train", "images_test"], exact=True) == {}
    assert split_depth([["data", "train"], ["data", "test"]], exact=True) == 1


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        ("train eval", "train test"),
        ("train-00000-of-00001 unsupervised-00000-of-00001", "train unsupervised"),
        ("train-00000-of-00001 anything-00000-of-00001", "train anything"),
        ("train_sft-00000-of-00001 test_sft-00000-of-00001", "train test"),
        ("train_sft-00000-of-00001 train_gen-00000-of-00001 test_sft-00000-of-00001", "train_sft train_gen test_sft"),
        ("train-00000-of-00001 train_gen-00000-of-00001", "train train_gen"),
        ("train-00000-of-00002 train-00001-of-00002 extra", "train train extra"),
        ("train more", "train None"),
        ("part-00000-of-00001 extra", "None None"),
    ],
)
def test_files_are_called_as_splits(names, splits):
    assert [str(split) for split in splits_of_names(dict.fromkeys(names.split())).values()] == splits.split()


@pytest.mark.parametrize("other", ["unsupervised", "extra", "test"])
def test_a_shard_of_another_name_is_not_read_with_train(tmp_path, take, other):
    write_numbers(tmp_path / "d" / "data" / f"train{SHARDS}")
    write_numbers(tmp_path / "d" / "data" / f"{other}{SHARDS}", first=6)
    drop = take(tmp_path / "d")
    assert (len(drop), drop.manifest["accounting"]["files"]["ignored"].keys()) == (6, {f"split {other}"})
    assert len(take(tmp_path / "d", split=other)) == 6
    assert doubts(drop) == []


def test_splits_of_one_word_are_asked_about(tmp_path, take):
    for place, name in enumerate(("train_sft", "train_gen")):
        write_numbers(tmp_path / "d" / f"{name}{SHARDS}", first=6 * place)
    with pytest.raises(BadInput, match=r"\['train_gen', 'train_sft'\] and no train: set drop.split"):
        take(tmp_path / "d")
    assert len(take(tmp_path / "d", split="train_sft")) == 6


def test_folders_of_hive_that_state_a_split_part_files(tmp_path, take):
    for place, split in enumerate(("train", "test")):
        write_numbers(tmp_path / "d" / f"split={split}" / "part.parquet", first=6 * place)
        pictures(tmp_path / "p" / f"split={split}", "label=cat", "label=dog")
    assert len(take(tmp_path / "d")) == 6
    drop = take(tmp_path / "p")
    assert (len(drop), drop.label_names) == (4, ("cat", "dog"))


@pytest.mark.parametrize("names", [("partition=2024-01", "partition=2024-02"), ("subset=cola", "subset=sst2")])
def test_folders_of_hive_that_are_called_otherwise_part_nothing(tmp_path, take, names):
    for place, name in enumerate(names):
        write_numbers(tmp_path / "d" / name / "part.parquet", first=6 * place)
    assert len(take(tmp_path / "d")) == 12


def test_flags_in_folders_of_hive_part_rows_not_files(tmp_path, take):
    for place, (folder, count) in enumerate({"is_test=0": 30, "is_test=1": 6}.items()):
        write_numbers(tmp_path / "d" / folder / "part.parquet", first=30 * place, count=count)
    assert [len(take(tmp_path / "d", files=files)) for files in (None, "*.parquet")] == [30, 30]
    write_numbers(tmp_path / "d" / "is_test=1" / "more.parquet", first=36, count=60)
    doubted = take(tmp_path / "d", files="*.parquet").manifest["questions"]
    assert "says test of 66 of 96 rows" in doubted[0]["text"]


def test_of_several_flags_in_folders_all_must_say_train(tmp_path, take):
    for place in range(4):
        folder = f"is_valid={place // 2}/is_test={place % 2}"
        write_numbers(tmp_path / "d" / folder / "part.parquet", first=6 * place)
    assert [len(take(tmp_path / "d", split=split)) for split in (None, "test", "val")] == [6, 6, 12]


def test_other_folders_beside_those_of_splits_are_no_classes(tmp_path, take):
    two = ["train/train/sea", "train/train/hill", "test/test/sea", "test/test/hill", "pred/pred"]
    drop = take(pictures(tmp_path / "d", *(f"seg_{folder.replace('/', '/seg_', 1)}" for folder in two)))
    assert (len(drop), drop.label_names) == (4, ("hill", "sea"))
    assert drop.manifest["accounting"]["files"]["ignored"].keys() == {"split seg_pred", "split test"}


def test_words_about_a_drop_of_folders_make_no_difference(tmp_path, take):
    root = pictures(tmp_path / "d", *(f"my_{split}/{kind}" for split in ("train", "test") for kind in ("sea", "hill")))
    (root / "info.json").write_text('{"classes": ["hill", "sea"]}')
    drop = take(root)
    assert (len(drop), drop.label_names) == (4, ("hill", "sea"))
    (root / "classes.csv").write_text("id,name\n0,hill\n1,sea\n")
    assert (len(take(root)), len(take(root, other_splits="carry"))) == (4, 4)


def test_a_cell_of_nested_statements_is_text():
    cells = SplitCells("split")
    cells.add("split=" * 20_000)
    assert not cells.are_splits()


def test_classes_of_which_a_part_is_called_like_a_split_are_doubted(tmp_path, take):
    classes = ("neg", "pos", "unsup"), ("my_test", "sea")
    for number, names in enumerate(classes):
        said = doubts(take(pictures(tmp_path / f"{number}", *names)))
        assert said[-1].startswith(f"classes are called like splits ('{names[-1] if number == 0 else names[0]}')")


def test_masks_in_folders_called_as_splits_are_not_left_out_unseen(tmp_path, take):
    folders = [f"{split}/{what}" for split in ("train", "test") for what in ("images", "masks")]
    with pytest.raises(BadInput) as error:
        take(pictures(tmp_path / "d", *folders))
    assert error.value.code == "task_refused"


def test_shards_of_one_name_in_several_folders_are_doubted(tmp_path, take):
    for place, language in enumerate(("de", "en")):
        write_numbers(tmp_path / "d" / language / f"train{SHARDS}", first=6 * place)
    assert "lies in 2 folders, such as 'de', 'en', and all are read" in doubts(take(tmp_path / "d"))[0]


@pytest.mark.parametrize(
    ("column", "named", "empty", "outcome"),
    [
        ("split", {"train": 120, "dog": 9}, 0, "splits"),
        ("set", {"train": 2, "test": 1, "mine": 400}, 0, "splits"),
        ("set", {"train": 4, "extra": 1}, 3, "splits"),
        ("set", {"extra": 4}, 0, ""),
        ("set", {"train": 4, "bus": 4}, 0, "column names train and what is no split, such as 'bus'"),
        ("set", {"bus": 4}, 0, ""),
        ("is_test", {"1": 60, "0": 240}, 0, "splits"),
        ("is_test", {"1": 150, "0": 150}, 0, "column says test of 150 of 300 rows, so train is not most of them"),
        ("is_valid", {"True": 9}, 0, ""),
        ("split", {"test": 30}, 90, "column names only 'test', in 30 of 120 rows"),
    ],
)
def test_all_cells_decide_whether_a_column_parts_write_numbers(column, named, empty, outcome):
    cells = SplitCells(column)
    for value, count in [*named.items(), (None, empty)]:
        cells.add(value, count)
    assert outcome == ("splits" if cells.are_splits() else cells.doubt and f"column {cells.doubt}")


def test_a_flag_is_a_split_where_one_is_asked_for():
    cells = SplitCells("is_test")
    for value in (1, 0):
        cells.add(value, 50)
    assert (cells.are_splits(), cells.are_splits(asked=True)) == (False, True)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_flag_of_which_train_is_not_most_rows_is_no_silent_input(tmp_path, take, ending):
    path = write_numbers(tmp_path / f"d.{ending}", count=40, is_test=[1, 1, 0, 0] * 10)
    drop = take(path)
    (question,) = drop.manifest["questions"]
    assert (len(drop), question["code"]) == (40, "split_input")
    assert "says test of 20 of 40 rows" in question["text"]
    assert len(take(path, split="train")) == len(take(path, split="test")) == 20
    assert take(path, split="all").manifest["questions"] == []


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_flag_is_counted_to_its_end(tmp_path, take, ending):
    drop = take(write_numbers(tmp_path / f"d.{ending}", count=2600, is_test=[1] * 1100 + [0] * 1500))
    assert (len(drop), drop.manifest["accounting"]["splits"]["rows_of_others"]) == (1500, {"test": 1100})


def test_a_column_that_names_one_split_beside_empty_cells_is_doubted(tmp_path, take):
    path = write_numbers(tmp_path / "d.csv", count=12, split=["test"] * 3 + [None] * 9)
    drop = take(path)
    assert len(drop) == 12
    assert doubts(drop) == [
        "column 'split' names only 'test', in 3 of 12 rows: all rows are read; drop.split says which"
    ]
    assert doubts(take(path, split="all")) == []
