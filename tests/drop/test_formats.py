"""Every format comes in, with columns, task and classes told from what is there."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.errors import BadInput, ConfigError, NotFound
from tests.support import drops as support


@pytest.fixture
def pngs() -> list[bytes]:
    return [support.make_png(seed) for seed in range(6)]


LABELS = [0, 1, 2, 0, 1, 2]


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_hugging_face_parquet_keeps_pixels_ids_and_class_names(tmp_path, take, pngs):
    drop = take(support.write_parquet(tmp_path / "d" / "train.parquet", pngs, LABELS, [f"id{i}" for i in range(6)]))
    assert drop.inputs.shape == (6, 8, 8, 3)
    assert drop.inputs.dtype == np.uint8
    assert drop.sample_ids.tolist() == [f"id{i}" for i in range(6)]
    assert drop.labels is not None
    assert drop.labels.tolist() == LABELS
    assert (drop.label_names, drop.num_classes, drop.task) == (("cat", "dog", "owl"), 3, "classification")
    expected = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(drop.inputs[2], expected)


def test_parquet_payload_keeps_the_inputs_own_schema(tmp_path, take, pngs):
    extra = {"camera": ["a", "b", None, "d", "e", "f"]}
    path = support.write_parquet(tmp_path / "d" / "a.parquet", pngs, LABELS, list(range(6)), **extra)
    payload = take(path).payload()
    original = pq.read_table(path)
    assert payload.schema.equals(original.schema, check_metadata=True)
    assert payload.equals(original)


def test_several_parquet_files_are_read_in_the_order_of_their_names(tmp_path, take, pngs):
    support.write_parquet(tmp_path / "d" / "b.parquet", pngs[3:], LABELS[3:], ["3", "4", "5"])
    support.write_parquet(tmp_path / "d" / "a.parquet", pngs[:3], LABELS[:3], ["0", "1", "2"])
    drop = take(tmp_path / "d")
    assert drop.sample_ids.tolist() == ["0", "1", "2", "3", "4", "5"]
    assert drop.samples()["source"].to_pylist()[3] == "b.parquet#0"


def test_files_pattern_selects_among_parquet_files(tmp_path, take, pngs):
    support.write_parquet(tmp_path / "d" / "train-0.parquet", pngs[:3], LABELS[:3])
    support.write_parquet(tmp_path / "d" / "test-0.parquet", pngs[3:], LABELS[3:])
    assert len(take(tmp_path / "d", files="train*.parquet")) == 3


def test_parquet_files_with_different_columns_are_refused_naming_both(tmp_path, take, pngs):
    support.write_parquet(tmp_path / "d" / "a.parquet", pngs, LABELS)
    support.write_parquet(tmp_path / "d" / "b.parquet", pngs, LABELS, camera=list("abcdef"))
    with pytest.raises(BadInput, match=r"a\.parquet.*b\.parquet.*camera") as error:
        take(tmp_path / "d")
    assert error.value.code == "schema_mismatch"


def test_parquet_with_plain_binary_and_plain_pixel_columns(tmp_path, take, pngs):
    binary = tmp_path / "binary.parquet"
    pq.write_table(pa.table({"image": pngs, "label": LABELS}), binary)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 64)).tolist()
    plain = tmp_path / "plain.parquet"
    pq.write_table(pa.table({"pixels": pixels, "label": LABELS}), plain)
    assert take(binary).inputs.shape == (6, 8, 8, 3)
    drop = take(plain, modality="image")
    np.testing.assert_array_equal(drop.inputs[0, :, :, 1].ravel(), pixels[0])


def test_image_folder_takes_classes_from_subfolders(tmp_path, take, pngs):
    for index, data in enumerate(pngs):
        file = tmp_path / "d" / ["owl", "cat"][index % 2] / "deep" / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    (tmp_path / "d" / "README.md").write_text("about this drop")
    drop = take(tmp_path / "d")
    assert drop.label_names == ("cat", "owl")
    assert drop.samples()["source"].to_pylist()[0] == "cat/deep/1.png"
    assert drop.labels is not None
    assert drop.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert drop.payload().schema.field("image").type == support.MEDIA
    features = json.loads(drop.payload().schema.metadata[b"huggingface"])["info"]["features"]
    assert features["label"]["names"] == ["cat", "owl"]
    assert drop.payload()["image"][0].as_py() == {"bytes": pngs[1], "path": "cat/deep/1.png"}


def test_a_file_beside_the_class_folders_is_rejected_not_lost(tmp_path, take, reasons, pngs):
    for index, key in enumerate(["cat/0.png", "dog/1.png", "stray.png"]):
        (tmp_path / "d" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / key).write_bytes(pngs[index])
    assert reasons(take(tmp_path / "d")) == {"stray.png": "label_missing"}


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_tables_name_their_images_by_relative_paths(tmp_path, take, pngs, suffix):
    (tmp_path / "d" / "img").mkdir(parents=True)
    rows: list[list[object]] = []
    for index, data in enumerate(pngs):
        (tmp_path / "d" / "img" / f"{index}.png").write_bytes(data)
        rows.append([f"img/{index}.png", ["cat", "dog", "owl"][index % 3], f"n{index}", index])
    header = ["file_name", "label", "id", "frame"]
    if suffix == "csv":
        write_csv(tmp_path / "d" / "meta.csv", header, rows)
    else:
        lines = [json.dumps(dict(zip(header, row, strict=True))) for row in rows]
        (tmp_path / "d" / "meta.jsonl").write_text("\n".join(lines) + "\n")
    drop = take(tmp_path / "d")
    assert drop.label_names == ("cat", "dog", "owl")
    assert drop.sample_ids.tolist() == [f"n{i}" for i in range(6)]
    assert drop.manifest["columns"] == {"id": "id", "input": "image", "label": "label"}
    payload = drop.payload()
    assert payload.schema.names == ["id", "frame", "image", "label"]
    assert payload["image"][0].as_py() == {"bytes": pngs[0], "path": "img/0.png"}
    assert payload.schema.field("frame").type == (pa.string() if suffix == "csv" else pa.int64())


def test_jsonl_rows_may_hold_pixels_inline(tmp_path, take):
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3))
    lines = [json.dumps({"image": image.tolist(), "label": i % 2}) for i, image in enumerate(images)]
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    np.testing.assert_array_equal(take(tmp_path / "d.jsonl").inputs, images)


def test_csv_rows_may_hold_pixels_inline(tmp_path, take):
    images = np.random.default_rng(0).integers(0, 256, (4, 16))
    rows = [[i % 2, " ".join(map(str, image))] for i, image in enumerate(images)]
    drop = take(write_csv(tmp_path / "d.csv", ["label", "pixels"], rows))
    np.testing.assert_array_equal(drop.inputs[:, :, :, 0].reshape(4, 16), images)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW", "NHW"])
def test_a_pair_of_npy_files(tmp_path, take, layout):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 9, 7, 3), dtype=np.uint8)
    if layout == "NHW":
        pixels = np.repeat(pixels[..., :1], 3, axis=3)
    (tmp_path / "d").mkdir()
    stored = {"NHWC": pixels, "NCHW": np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)), "NHW": pixels[..., 0].copy()}
    np.save(tmp_path / "d" / "images.npy", stored[layout])
    np.save(tmp_path / "d" / "labels.npy", np.array([0, 1, 0, 1, 0]))
    drop = take(tmp_path / "d")
    np.testing.assert_array_equal(drop.inputs, pixels)
    assert drop.num_classes == 2
    assert drop.payload()["image"][0].as_py()["bytes"].startswith(b"\x89PNG")


def test_fractions_in_npy_are_scaled_to_bytes(tmp_path, take):
    values = np.random.default_rng(0).random((4, 8, 8, 3))
    (tmp_path / "d").mkdir()
    np.save(tmp_path / "d" / "x.npy", values)
    np.save(tmp_path / "d" / "y.npy", np.array([0, 1, 0, 1]))
    drop = take(tmp_path / "d")
    np.testing.assert_array_equal(drop.inputs, np.rint(values * 255))


def test_npy_ids_are_used(tmp_path, take):
    (tmp_path / "d").mkdir()
    np.save(tmp_path / "d" / "images.npy", np.zeros((3, 4, 4), np.uint8))
    np.save(tmp_path / "d" / "labels.npy", np.array([0, 1, 0]))
    np.save(tmp_path / "d" / "ids.npy", np.array(["a", "b", "c"]))
    assert take(tmp_path / "d").sample_ids.tolist() == ["a", "b", "c"]


def test_real_targets_make_a_regression(tmp_path, take, pngs):
    path = tmp_path / "d.parquet"
    media = pa.array([{"bytes": data, "path": None} for data in pngs], support.MEDIA)
    targets = [0.0, 0.0, 0.0, 0.0, -0.25, 0.5]
    pq.write_table(pa.table({"image": media, "target": targets}), path)
    drop = take(path)
    assert (drop.task, drop.num_classes, drop.labels) == ("regression", None, None)
    assert drop.targets is not None
    assert drop.targets.tolist() == targets
    assert drop.manifest["columns"]["target"] == "target"


def test_many_whole_numbers_in_a_column_of_real_targets_make_a_regression(tmp_path, take):
    """The diabetes table of scikit-learn: 442 rows, targets 25.0 to 346.0."""
    rows, path = np.arange(120), tmp_path / "d.parquet"
    pq.write_table(pa.table({"a": rows * 0.5, "b": rows % 7 * 1.5, "target": (25.0 + rows % 80).tolist()}), path)
    assert take(path).task == "regression"
    pq.write_table(pa.table({"a": rows * 0.5, "b": rows % 7 * 1.5, "target": (rows % 3 * 1.0).tolist()}), path)
    assert take(path).task == "classification"


def test_drop_toml_names_a_drop_and_explicit_settings_win(tmp_path, take, pngs):
    support.write_parquet(tmp_path / "d" / "a.parquet", pngs, LABELS, number=[3, 4, 5, 6, 7, 8])
    words = 'name = "pets"\ndescription = "photos of 2026"\nid_column = "number"\n'
    (tmp_path / "d" / "drop.toml").write_text(words)
    stated = take(tmp_path / "d")
    assert (stated.name, stated.manifest["description"]) == ("pets", "photos of 2026")
    assert stated.sample_ids.tolist() == ["3", "4", "5", "6", "7", "8"]
    assert stated.manifest["questions"] == []
    explicit = take(tmp_path / "d", id_column="", name="mine")
    assert explicit.name == "mine"
    assert explicit.manifest["columns"]["id"] is None


@pytest.mark.parametrize(
    "text", ["max_rows = 9", "[limits]\nmax_pixels = 9", "num_classes = 'ten'", "= broken", "num_classes = 1"]
)
def test_drop_toml_may_state_harmless_fields_only(tmp_path, take, pngs, text):
    support.write_parquet(tmp_path / "d" / "a.parquet", pngs, LABELS)
    (tmp_path / "d" / "drop.toml").write_text(text)
    with pytest.raises(BadInput, match=r"drop\.toml") as error:
        take(tmp_path / "d")
    assert error.value.code == "drop_toml_invalid"


def test_what_was_inferred_is_shown(tmp_path, take, pngs):
    path = support.write_parquet(tmp_path / "a.parquet", pngs, LABELS, list(range(6)))
    inferred = take(path).manifest["inferred"]
    assert inferred["format"] == "parquet"
    assert inferred["label_column"] == "label"
    assert inferred["id_column"] == "id"
    assert "format" not in take(path, format="parquet", image_size=4).manifest["inferred"]


def test_a_modality_that_nobody_registered_is_refused_by_name(tmp_path, take, pngs):
    support.write_parquet(tmp_path / "d" / "a.parquet", pngs, LABELS)
    with pytest.raises(ConfigError, match="'smell' is not known; this version reads: image"):
        take(tmp_path / "d", modality="smell")
    (tmp_path / "d" / "drop.toml").write_text('modality = "smell"')
    with pytest.raises(BadInput, match="'smell' is not known") as error:
        take(tmp_path / "d")
    assert error.value.code == "drop_toml_invalid"


def test_a_missing_column_is_named_with_those_that_exist(tmp_path, take, pngs):
    path = support.write_parquet(tmp_path / "a.parquet", pngs, LABELS)
    with pytest.raises(BadInput, match=r"'breed'.*'image', 'label'") as error:
        take(path, label_column="breed")
    assert error.value.code == "column_missing"


def test_two_formats_in_one_drop_need_a_word(tmp_path, take, pngs):
    support.write_parquet(tmp_path / "d" / "a.parquet", pngs, LABELS)
    write_csv(tmp_path / "d" / "b.csv", ["file_name", "label"], [["x", 1]])
    with pytest.raises(BadInput) as error:
        take(tmp_path / "d")
    assert error.value.code == "format_unclear"
    assert len(take(tmp_path / "d", format="parquet")) == 6


def test_nothing_there_is_not_found(tmp_path, take):
    with pytest.raises(NotFound):
        take(tmp_path / "absent")


@pytest.mark.parametrize(
    "settings", [{"num_classes": 1}, {"image_size": 0}, {"label_names": ("a", "a")}, {"name": "a\nb"}]
)
def test_settings_out_of_range_are_refused(tmp_path, take, settings):
    with pytest.raises(ConfigError):
        take(tmp_path, **settings)
