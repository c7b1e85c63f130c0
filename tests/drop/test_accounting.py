"""Every file of a drop is read, about the drop, or ignored for a reason; unread media may be asked about."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from telltale_core.drop import Drop
from telltale_core.drop.accounting import accounted_lines
from tests.support import drops as support

PNGS = [support.make_png(seed) for seed in range(8)]


def put(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNGS[number % len(PNGS)])
    return folder


def table(folder: Path, files: list[str]) -> Path:
    put(folder, *files)
    with (folder / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "label"), *((name, n % 2) for n, name in enumerate(files))])
    return folder


def texts(folder: Path, count: int = 12) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "rows.csv").open("w", newline="") as file:
        rows = ((f"a text about {number}, number {number}", number % 2) for number in range(count))
        csv.writer(file).writerows([("text", "label"), *rows])
    return folder


def files(drop: Drop) -> dict[str, object]:
    counts = drop.manifest["accounting"]["files"]
    ignored = {reason: group["first"] for reason, group in counts["ignored"].items()}
    total = counts["read"] + counts["about"]["count"] + sum(group["count"] for group in counts["ignored"].values())
    assert counts["found"] == total
    return {"read": counts["read"], "about": counts["about"]["first"], "ignored": ignored}


def codes(drop: Drop) -> list[str]:
    return [question["code"] for question in drop.manifest["questions"]]


def test_every_file_beside_a_table_has_its_reason(tmp_path, take):
    folder = table(tmp_path / "d", ["img/a.png", "img/b.png", "img/c.png"])
    put(folder, "img/left.png", ".git/objects/1", ".git/HEAD", ".DS_Store", "_SUCCESS", "README.md", "boxes.json")
    (folder / "more.csv").write_text("file_name,label\nimg/left.png,1\n")
    drop = take(folder, files="rows*")
    assert files(drop) == {
        "read": 4,
        "about": ["README.md"],
        "ignored": {
            "hidden": [".DS_Store", ".git/HEAD", ".git/objects/1"],
            "a mark of the upload": ["_SUCCESS"],
            "not matched by files": ["more.csv"],
            "no table names it": ["img/left.png"],
            "another format": ["boxes.json"],
        },
    }
    assert codes(drop) == []
    assert accounted_lines(drop.manifest) == [
        "files: 12 = 4 read + 1 about the drop + 7 ignored (1 a mark of the upload, 1 another format, 3 hidden, "
        "1 no table names it, 1 not matched by files)",
        "lines: 4 = 3 rows + 1 header",
    ]


def test_the_sum_counts_all_and_names_the_first(tmp_path, take):
    folder = texts(tmp_path / "d")
    put(folder, *(f".cache/{number:04}.png" for number in range(1100)))
    hidden = take(folder).manifest["accounting"]["files"]["ignored"]["hidden"]
    assert (hidden["count"], hidden["first"][0], len(hidden["first"])) == (1100, ".cache/0000.png", 5)


def test_a_file_that_a_rejected_row_names_is_read(tmp_path, take):
    folder = table(tmp_path / "d", ["a.png", "b.png", "c.png"])
    (folder / "c.png").write_bytes(b"no picture")
    drop = take(folder)
    assert (drop.manifest["counts"]["rejected"], files(drop)["read"]) == (1, 4)


def test_a_folder_of_classes_reads_every_file_but_documents(tmp_path, take):
    folder = put(tmp_path / "d", "cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png", "LICENSE", "drop.toml", "x.png")
    (folder / "drop.toml").write_text('name = "pets"')
    drop = take(folder)
    assert files(drop) == {"read": 5, "about": ["LICENSE", "drop.toml"], "ignored": {}}
    assert (codes(drop), drop.manifest["counts"]["seen"]) == ([], 5)
    assert accounted_lines(drop.manifest) == ["files: 7 = 5 read + 2 about the drop + 0 ignored"]


@pytest.mark.parametrize("ending", ["jpeg", "PNG", "webp", "wav", "mp3"])
def test_a_table_beside_class_folders_of_media_is_asked_about(tmp_path, take, ending):
    folder = put(texts(tmp_path / "d"), *(f"train/{name}/{row}.{ending}" for name in ("cat", "dog") for row in "12"))
    assert codes(take(folder)) == ["media_unread"]


def test_the_question_names_the_files_and_the_format_answers_it(tmp_path, take):
    folder = texts(tmp_path / "d")
    put(folder, "cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png")
    drop = take(folder)
    (question,) = drop.manifest["questions"]
    assert "4 media files in 2 folders" in question["text"]
    assert "cat/1.png" in question["text"]
    assert codes(take(folder, format="table")) == []
    assert codes(take(folder, format="folder")) == []
    assert take(folder, format="folder").label_names == ("cat", "dog")


def test_parquet_beside_class_folders_of_images_is_asked_about(tmp_path, take):
    support.write_parquet(tmp_path / "d" / "a.parquet", PNGS, [0, 1] * 4, features=support.HF)
    put(tmp_path / "d", "cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png")
    assert codes(take(tmp_path / "d")) == ["media_unread"]


@pytest.mark.parametrize(("left", "asked"), [(2, []), (3, []), (4, ["media_unread"])])
def test_more_media_left_unread_than_read_is_asked_about(tmp_path, take, left, asked):
    folder = table(tmp_path / "d", ["img/a.png", "img/b.png", "img/c.png"])
    drop = take(put(folder, *(f"img/left{number}.png" for number in range(left))))
    assert (codes(drop), len(drop)) == (asked, 3)


def test_a_folder_of_unread_images_beside_texts_is_asked_about_and_two_pictures_of_a_readme_are_not(tmp_path, take):
    assert codes(take(put(texts(tmp_path / "a"), *(f"photos/{number}.png" for number in range(11))))) == [
        "media_unread"
    ]
    assert codes(take(put(texts(tmp_path / "b"), "assets/plot.png", "assets/logo.png", "README.md"))) == []


def test_a_hidden_folder_is_counted_on_s3_as_on_disk(tmp_path, take, s3_url):
    import fsspec

    local = put(tmp_path / "d", "cat/1.png", "cat/2.png", "dog/3.png", ".git/HEAD", "dog/.thumb.png", "_SUCCESS")
    fs, path = fsspec.url_to_fs(f"{s3_url}/d")
    fs.put(str(local) + "/", path, recursive=True)
    assert files(take(f"{s3_url}/d")) == files(take(local))
    assert files(take(local))["ignored"]["hidden"] == [".git/HEAD", "dog/.thumb.png"]
