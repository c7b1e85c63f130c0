"""A table in one place and media in another, as Kaggle, HAM10000, ESC-50 and GTSRB are published."""

from __future__ import annotations

import base64
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.drop import Limits
from telltale_core.drop.accounting import accounted_lines
from telltale_core.errors import BadInput
from tests.support import drops as support
from tests.support.routes import wav


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
        ["image/0.png", "label/0.png"],
        ["train/0.png", "train_masks/0_mask.png"],
        ["set/cell_images/0.png", "set/cell_masks/0.png"],
        ["leftImg8bit/val/a/0.png", "gtFine/val/a/0.png"],
        ["images/0.png", "ground_truth/0.png"],
        ["images/0.png", "labels/0.txt", "labels/train.cache"],
        ["train/good/0.png", "test/good/1.png", "test/hole/0.png", "ground_truth/hole/0_mask.png"],
        ["nut/train/good/0.png", "nut/test/hole/0.png", "nut/ground_truth/hole/0.png", "cap/train/good/0.png"],
        ["test_public/good/0.png", "test_public/bad/0.png", "test_public/ground_truth/bad/0_mask.png"],
        ["train/a/0.png", "test/b/1.png", "masks/a/0.png"],
        ["benign/b (1).png", "benign/b (1)_mask.png", "sick/s (1).png", "sick/s (1)_mask_1.png"],
    ],
)
def test_detection_and_segmentation_are_refused_by_name(tmp_path, take, names):
    with pytest.raises(BadInput, match="a folder for each class") as error:
        take(pictures(tmp_path / "d", names))
    assert error.value.code == "task_refused"


@pytest.mark.parametrize(
    ("ending", "boxes"),
    [
        ("txt", "0 .5 .5 .1 .1\n"),
        ("xml", "<annotation><object><bndbox><xmin>1</xmin></bndbox></object></annotation>"),
        ("json", '{"version": "5", "shapes": []}'),
    ],
)
def test_pictures_with_boxes_in_files_beside_them_are_refused(tmp_path, take, ending, boxes):
    root = pictures(tmp_path / "d", [f"obj_train_data/{s}.png" for s in STEMS])
    for stem in STEMS:
        (root / "obj_train_data" / f"{stem}.{ending}").write_text(boxes)
    with pytest.raises(BadInput, match=r"boxes of the picture of that name, is of a detection data set") as error:
        take(root)
    assert error.value.code == "task_refused"


def test_classes_may_be_called_as_masks_and_labels_are(tmp_path, take):
    classes = [["face", "face_mask"], ["with_mask", "without_mask"], ["black", "black_label"], ["mask", "no_mask"]]
    for number, names in enumerate(classes):
        drop = take(pictures(tmp_path / f"{number}", [f"{name}/{s}.png" for name in names for s in STEMS]))
        assert drop.label_names == tuple(names)


def test_one_word_of_ground_truth_is_a_class(tmp_path, take):
    drop = take(pictures(tmp_path / "d", [f"{name}/{s}.png" for name in ("images", "ground") for s in STEMS]))
    assert drop.label_names == ("ground", "images")


@pytest.mark.parametrize("name", ["labels/readme.html", "annotations/sources.csv"])
def test_a_folder_of_documents_beside_class_folders_is_no_notes(tmp_path, take, name):
    root = pictures(tmp_path / "d", [f"Images/{kind}/{s}.png" for kind in ("cat", "dog") for s in STEMS])
    (root / name).parent.mkdir()
    (root / name).write_text("a,b\n1,2\n")
    drop = take(root)
    assert (len(drop), drop.label_names) == (2 * len(STEMS), ("cat", "dog"))


def test_a_list_of_many_classes_is_not_the_drop(tmp_path, take):
    classes = [f"c{number:03}" for number in range(120)]
    root = pictures(tmp_path / "d", [f"{name}/{i}.png" for name in classes for i in range(2)])
    listed = root / "classes.csv"
    listed.write_text("name,label\n" + "".join(f"{name},{n}\n" for n, name in enumerate(classes)))
    drop = take(root)
    assert (len(drop), drop.num_classes, drop.manifest["questions"]) == (240, 120, [])
    listed.write_text(listed.read_text() + "c000,0\n")
    assert [question["code"] for question in take(root).manifest["questions"]] == ["media_unread"]


def test_a_single_picture_called_like_a_mask_makes_no_segmentation(tmp_path, take):
    names = [f"{kind}/{number}.png" for kind in ("face", "hat") for number in range(20)]
    assert len(take(pictures(tmp_path / "d", [*names, "face/3_mask.png"]))) == 41


@pytest.mark.parametrize(
    "listed",
    ["label,class\n0,cat\n1,dog\n", "class_index,class,height,width,scale by\n0,cat,8,8,1\n1,dog,8,8,1\n"],
)
def test_a_list_of_classes_that_could_be_read_is_not_the_drop(tmp_path, take, listed):
    root = pictures(tmp_path / "d", [f"{c}/{i}.png" for c in ("cat", "dog") for i in range(3)])
    (root / "classes.csv").write_text(listed)
    drop = take(root)
    assert (len(drop), drop.label_names, drop.manifest["questions"]) == (6, ("cat", "dog"), [])


def test_gtsrb_as_published_has_a_table_in_each_folder(tmp_path, take):
    header = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
    for label in range(2):
        names = [f"{0:05d}_{number:05d}.ppm" for number in range(3)]
        root = pictures(tmp_path / "d", [f"Final_Training/Images/{label:05d}/{name}" for name in names])
        rows = [f"{name};8;8;1;1;7;7;{label}" for name in names]
        (root / f"Final_Training/Images/{label:05d}/GT-{label:05d}.csv").write_text("\n".join([header, *rows]) + "\n")
    drop = take(root)
    assert (drop.inputs.shape, drop.labels.tolist()) == ((6, 8, 8, 3), [0, 0, 0, 1, 1, 1])


def data_url(seed: int, kind: str = "image/png", data: bytes | None = None) -> str:
    return f"data:{kind};base64,{base64.b64encode(data or support.make_png(seed)).decode()}"


CELLS = {
    "paths": [f"img/{stem}.png" for stem in STEMS],
    "names": [f"{stem}.png" for stem in STEMS],
    "stems": STEMS,
    "data: URLs": [data_url(seed) for seed in range(6)],
}
WRITERS = {
    "csv": lambda rows, path: rows.to_pandas().to_csv(path, index=False),
    "jsonl": lambda rows, path: rows.to_pandas().to_json(path, orient="records", lines=True),
    "json": lambda rows, path: rows.to_pandas().to_json(path, orient="records"),
    "parquet": pq.write_table,
    "arrow": lambda rows, path: rows.to_pandas().to_feather(path),
}


@pytest.mark.parametrize("column", ["image", "shown_here"])
@pytest.mark.parametrize("cells", CELLS)
@pytest.mark.parametrize("ending", WRITERS)
def test_a_column_names_its_media_whatever_wrote_the_table(tmp_path, take, ending, cells, column):
    root = pictures(tmp_path / "d", [f"img/{stem}.png" for stem in STEMS] if "URL" not in cells else [])
    root.mkdir(exist_ok=True)
    WRITERS[ending](pa.table({"n": range(6), column: CELLS[cells], "label": [*"ab"] * 3}), root / f"t.{ending}")
    drop = take(root, unpack=True)
    assert (drop.modality, drop.inputs.shape, drop.labels.tolist()) == ("image", (6, 8, 8, 3), [0, 1] * 3)
    payload = drop.payload()
    media = payload[drop.manifest["columns"]["input"]].to_pylist()
    assert [cell["bytes"] for cell in media] == [support.make_png(seed) for seed in range(6)]
    paths = [None] * 6 if "URL" in cells else [f"img/{stem}.png" for stem in STEMS]
    assert [cell["path"] for cell in media] == paths
    assert [int(number) for number in payload["n"].to_pylist()] == [*range(6)]


def test_ids_of_parquet_that_name_media_stay_beside_them(tmp_path, take):
    root = pictures(tmp_path / "d", [f"img/{stem}.png" for stem in STEMS])
    pq.write_table(pa.table({"id": STEMS, "label": [*"ab"] * 3}), root / "t.parquet")
    drop = take(root)
    assert drop.sample_ids.tolist() == drop.payload()["id"].to_pylist() == STEMS
    assert drop.payload()["image"][0].as_py()["path"] == "img/id0.png"


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_cells_that_name_no_media_are_rejected_each_with_its_reason(tmp_path, take, reasons, ending):
    root = pictures(tmp_path / "d", [f"img/{stem}.png" for stem in STEMS])
    (root / "img" / "empty.png").touch()
    odd = {
        "img/none.png": "media_missing", "../x.png": "path_outside_drop", "img/empty.png": "media_missing",
        "data:image/png;base64,A": "media_unreadable", "data:image/svg+xml,<svg>": "path_outside_drop",
        data_url(0, data=b"text"): "media_unsupported",
    }  # fmt: skip
    cells = [*(f"img/{stem}.png" for stem in STEMS), *odd]
    WRITERS[ending](pa.table({"image": cells, "label": [*"ab"] * 6}), root / f"t.{ending}")
    drop = take(root)
    assert len(drop) == 6
    assert sorted(reasons(drop).values()) == sorted(odd.values())


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "parquet"])
def test_a_data_url_may_be_as_long_as_media_and_other_fields_may_not(tmp_path, take, reasons, ending):
    fields = {"max_field_bytes": 400, "max_media_bytes": 5_000}
    small, large = support.make_png(0) + bytes(3_000), support.make_png(1) + bytes(6_000)
    images = [
        *(data_url(seed, data=support.make_png(seed) + bytes(1_000)) for seed in range(6)),
        data_url(7, data=large),
    ]
    beside = [*["x"] * 5, data_url(0, data=small), "x"]
    WRITERS[ending](pa.table({"image": images, "note": beside, "label": [*"abababa"]}), tmp_path / f"t.{ending}")
    drop = take(tmp_path / f"t.{ending}", limits=Limits(**fields))
    assert len(drop) == 5
    assert sorted(reasons(drop).values())[0] == "field_too_long"
    assert sorted(reasons(drop).values())[1] in {"field_too_long", "media_too_large"}


def test_recordings_in_data_urls_are_read(tmp_path, take):
    cells = [data_url(0, "audio/wav", wav(seed)) for seed in range(6)]
    pq.write_table(pa.table({"heard": cells, "label": [*"ab"] * 3}), tmp_path / "t.parquet")
    assert take(tmp_path / "t.parquet").modality == "audio"


def test_a_text_that_ends_like_a_file_makes_no_column_of_paths(tmp_path, take):
    texts = [f"a sentence of {n} words" for n in range(11)] + ["see the picture cat.png"]
    for ending in ("csv", "parquet"):
        rows = pa.table({"text": texts, "label": [*"ab"] * 6})
        WRITERS[ending](rows, tmp_path / f"t.{ending}")
        assert take(tmp_path / f"t.{ending}").modality == "text"


def test_tables_that_differ_are_refused_with_the_setting_that_chooses(tmp_path, take):
    root = pictures(tmp_path / "d", [f"part_1/{stem}.png" for stem in STEMS])
    table(root / "metadata.csv", "image_id", STEMS)
    (root / "hmnist_28_28_L.csv").write_text("pixel0000,label\n1,0\n2,1\n")
    with pytest.raises(BadInput, match=r"have different headers; set drop\.files"):
        take(root)
    assert len(take(root, files="metadata.csv")) == 6


def test_any_submission_is_left_out(tmp_path, take):
    (tmp_path / "train.csv").write_text("a,b,label\n" + "".join(f"{i},{i * i},{i % 2}\n" for i in range(40)))
    (tmp_path / "gender_submission.csv").write_text("a,label\n1,0\n")
    assert len(take(tmp_path)) == 40


@pytest.mark.parametrize(
    ("ending", "begin", "cure"),
    [
        ("heic", b"\0\0\0\x18ftypheic", "of kind HEIC: convert it to PNG or JPEG"),
        ("m4a", b"\0\0\0\x18ftypM4A ", "of kind M4A: convert it to FLAC or WAV"),
        ("svg", b"<svg xmlns=", "of kind SVG or other markup: convert it to PNG or JPEG"),
        ("avi", b"RIFF\0\0\0\0AVI ", "of kind video: write its frames as PNG or JPEG, such as by ffmpeg"),
        ("mp4", b"\0\0\0\x18ftypisom", "of kind video: write its frames"),
        ("webm", b"\x1a\x45\xdf\xa3", "of kind video: write its frames"),
        ("mpg", b"\0\0\1\xba", "of kind video: write its frames"),
        ("pdf", b"%PDF-1.7", "of kind PDF: write its pages as PNG, such as by pdftoppm"),
        ("png", b"PK\3\4", "of kind archive: unpack it"),
        ("png", b"ID3\4", 'of kind MP3: set drop.modality = "audio"'),
        ("png", b"RIFF\0\0\0\0WAVE", 'of kind WAV: set drop.modality = "audio"'),
        ("png", b"what", "of kind unknown: look into it"),
        ("wav", b"PK\3\4", "of kind zip: unpack it"),
        ("wav", b"\x89PNG", 'of kind PNG: set drop.modality = "image"'),
    ],
)
def test_media_of_other_kinds_are_refused_with_what_to_convert_them_to(tmp_path, take, ending, begin, cure):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / f"0.{ending}").write_bytes(begin + bytes(64))
    with pytest.raises(BadInput, match=cure):
        take(tmp_path)
