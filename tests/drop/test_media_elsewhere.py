"""A table in one place and media in another, as Kaggle, HAM10000, ESC-50 and GTSRB are published."""

from __future__ import annotations

import base64
import unicodedata
from pathlib import Path

import pytest

from telltale_core.drop.accounting import accounted_lines
from telltale_core.errors import BadInput
from tests.support import drops as support


def pictures(root: Path, names: list[str]) -> Path:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(support.make_png(seed))
    return root


def table(path: Path, column: str, cells: list[str], label: str = "label", delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{cell}{delimiter}{'ab'[number % 2]}" for number, cell in enumerate(cells)]
    path.write_text("\n".join([f"{column}{delimiter}{label}", *rows]) + "\n")


STEMS = [f"id{i}" for i in range(6)]
LAYOUTS = {
    "kaggle: ids without ending, a folder beside": ("train.csv", "id", STEMS, [f"train/{s}.png" for s in STEMS]),
    "cassava: names, a folder beside": (
        "train.csv", "image_id", [f"{s}.png" for s in STEMS], [f"train_images/{s}.png" for s in STEMS],
    ),
    "ham10000: two folders": (
        "meta.csv", "image_id", STEMS, [f"part_{i % 2}/{s}.png" for i, s in enumerate(STEMS)],
    ),
    "esc-50: a folder for the table": (
        "meta/t.csv", "filename", [f"{s}.png" for s in STEMS], [f"audio/{s}.png" for s in STEMS],
    ),
    "backslashes": ("t.csv", "file_name", [f"img\\{s}.png" for s in STEMS], [f"img/{s}.png" for s in STEMS]),
    "from a folder further up": ("t.csv", "path", [f"img/{s}.png" for s in STEMS], [f"set/img/{s}.png" for s in STEMS]),
    "other normal form": (
        "t.csv", "file_name", [f"é{s}.png" for s in STEMS], [unicodedata.normalize("NFD", f"é{s}.png") for s in STEMS],
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_media_are_found_by_their_unique_names(tmp_path, take, layout):
    place, column, cells, files = LAYOUTS[layout]
    table(pictures(tmp_path / "d", files) / place, column, cells)
    drop = take(tmp_path / "d")
    assert (drop.modality, len(drop), drop.label_names) == ("image", 6, ("a", "b"))
    assert [image["path"] for image in drop.payload()["image"].to_pylist()] == files
    if column.endswith("id"):
        assert drop.sample_ids.tolist() == cells


def test_a_sample_of_a_submission_and_the_test_are_left_out(tmp_path, take):
    root = pictures(tmp_path / "d", [f"train/{s}.png" for s in STEMS] + ["test/t.png"])
    table(root / "train.csv", "id", STEMS)
    table(root / "sample_submission.csv", "id", ["t"])
    (root / "test.csv").write_text("id\nt\n")
    drop = take(root)
    assert len(drop) == 6
    assert accounted_lines(drop.manifest)[0] == (
        "files: 10 = 7 read + 3 ignored (1 a sample of a submission, 2 split test)"
    )


def test_a_name_that_two_files_have_needs_media_root(tmp_path, take):
    files = [f"{size}/{s}.png" for size in ("big", "small") for s in STEMS]
    table(pictures(tmp_path / "d", files) / "meta" / "t.csv", "file_name", [f"{s}.png" for s in STEMS])
    with pytest.raises(BadInput, match=r"set drop\.media_root"):
        take(tmp_path / "d")
    assert take(tmp_path / "d", media_root="small").payload()["image"][0].as_py()["path"] == "small/id0.png"


def test_a_file_of_the_same_name_in_another_folder_is_not_taken(tmp_path, take, reasons):
    root = pictures(tmp_path / "d", [f"a/{s}.png" for s in STEMS] + ["b/x.png"])
    table(root / "t.csv", "file_name", [*(f"a/{s}.png" for s in STEMS), "a/x.png"])
    assert list(reasons(take(root)).values()) == ["media_missing"]


@pytest.mark.parametrize(
    ("place", "cells", "files", "other"),
    [
        ("t.csv", [f"a/{s}.png" for s in STEMS], [f"a/{s}.png" for s in STEMS], "b/a/x.png"),
        ("a/t.csv", [f"{s}.png" for s in STEMS], [f"a/{s}.png" for s in STEMS], "b/x.png"),
        ("a/t.csv", [f"{s}.png" for s in STEMS], [f"a/{s}.png" for s in STEMS], "x.png"),
        ("t.csv", [f"{s}.png" for s in STEMS], [f"{s}.png" for s in STEMS], "x.png.png"),
    ],
)
def test_a_missing_file_is_not_replaced_by_one_whose_path_ends_like_it(
    tmp_path, take, reasons, place, cells, files, other
):
    root = pictures(tmp_path / "d", [*files, other])
    missing = cells[0].replace("id0", "x")
    table(root / place, "file_name", [*cells, missing])
    drop = take(root)
    assert (len(drop), list(reasons(drop).values())) == (6, ["media_missing"])


def test_a_stray_copy_beside_the_table_does_not_say_where_all_media_lie(tmp_path, take, reasons):
    root = pictures(tmp_path / "d", [f"train_images/{s}.png" for s in STEMS] + ["id3.png"])
    table(root / "train.csv", "image_id", [f"{s}.png" for s in STEMS])
    drop = take(root)
    assert (len(drop), list(reasons(drop).values())) == (5, ["media_missing"])


def test_media_root_is_the_only_place_of_media(tmp_path, take, reasons):
    files = [f"{size}/{s}.png" for size in ("big", "small") for s in STEMS]
    table(pictures(tmp_path / "d", [*files, "big/x.png"]) / "t.csv", "file_name", [f"{s}.png" for s in [*STEMS, "x"]])
    drop = take(tmp_path / "d", media_root="small")
    assert (len(drop), list(reasons(drop).values())) == (6, ["media_missing"])


def test_data_urls_hold_their_media(tmp_path, take):
    data = [f"data:image/png;base64,{base64.b64encode(support.make_png(i)).decode()}" for i in range(6)]
    table(tmp_path / "t.tsv", "image", data, delimiter="\t")
    assert take(tmp_path / "t.tsv").inputs.shape == (6, 8, 8, 3)


def test_class_folders_beside_a_list_of_their_names_are_the_drop(tmp_path, take):
    root = pictures(tmp_path / "d", [f"{c}/{i}.png" for c in ("cat", "dog") for i in range(3)])
    (root / "class_names.csv").write_text("id,name\n0,cat\n1,dog\n")
    drop = take(root)
    assert (len(drop), drop.label_names) == (6, ("cat", "dog"))
    assert accounted_lines(drop.manifest) == ["files: 7 = 6 read + 1 ignored (1 another format)"]


@pytest.mark.parametrize(
    "names",
    [
        ["images/0.png", "masks/0.png"],
        ["images/0.png", "labels/0.txt"],
        ["train/images/0.png", "train/labels/0.txt", "valid/images/1.png"],
        ["train2017/0.png", "val2017/1.png", "annotations/instances_val2017.json"],
        ["JPEGImages/0.png", "Annotations/0.xml"],
    ],
)
def test_detection_and_segmentation_are_refused_by_name(tmp_path, take, names):
    with pytest.raises(BadInput, match="a folder for each class") as error:
        take(pictures(tmp_path / "d", names))
    assert error.value.code == "task_refused"
