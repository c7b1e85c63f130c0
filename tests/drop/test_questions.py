"""What a contributor says and what is doubtful about a drop become questions; ordinary clean drops cause none."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.drop import Drop
from telltale_core.errors import BadInput
from tests.support import drops as support

PNGS = [support.make_png(seed) for seed in range(6)]
LABELS: list[object] = [0, 1, 2, 0, 1, 2]
CLASS = {"names": ["x", "y"], "_type": "ClassLabel"}


def codes(drop: Drop) -> list[str]:
    return [question["code"] for question in drop.manifest["questions"]]


def asks(drop: Drop) -> dict[str, str]:
    return {one["column"]: one["like"] for one in drop.manifest["unread"] if one["asks"]}


def parquet(folder: Path, toml: str = "", features: dict[str, object] | None = None, **extra: list[object]) -> Path:
    support.write_parquet(folder / "a.parquet", PNGS, LABELS, features={**support.HF, **(features or {})}, **extra)
    if toml:
        (folder / "drop.toml").write_text(toml)
    return folder


def table(folder: Path, rows: dict[str, list[object]], kind: str, toml: str = "") -> Path:
    folder.mkdir(parents=True)
    if kind == "csv":
        with (folder / "rows.csv").open("w", newline="") as file:
            csv.writer(file).writerows([list(rows), *zip(*rows.values(), strict=True)])
    else:
        lines = [json.dumps(dict(zip(rows, values, strict=True))) for values in zip(*rows.values(), strict=True)]
        (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    if toml:
        (folder / "drop.toml").write_text(toml)
    return folder


def pictures(folder: Path, name: str) -> list[object]:
    for index, data in enumerate(PNGS):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / f"{index}.png").write_bytes(data)
    return [f"{name}/{index}.png" for index in range(len(PNGS))]


@pytest.mark.parametrize(
    ("toml", "used"),
    [
        ('label_column = "coarse"', "the label 'label'"),
        ('label_columns = ["coarse", "label"]', "the label 'label'"),
        ('target_column = "label"', "the label 'label'"),
        ('input_column = "thumb"', "the input 'image'"),
        ('input_columns = ["thumb"]', "the input 'image'"),
        ('task = "regression"', 'task = "classification"'),
        ('task = "multilabel"', 'task = "classification"'),
        ("image_size = 1", "image_size = 8"),
        ("num_classes = 9", "num_classes = 3"),
        ('modality = "table"', 'modality = "image"'),
        ('format = "table"', 'format = "parquet"'),
        ('files = "b*.parquet"', "all its data files"),
        ("vocabulary = 512", "vocabulary = null"),
    ],
)
def test_what_drop_toml_says_beyond_names_is_asked_and_not_followed(tmp_path, take, toml, used):
    thumbs = pa.array([{"bytes": data, "path": None} for data in PNGS], support.MEDIA)
    plain = take(parquet(tmp_path / "plain", coarse=[0, 0, 1, 0, 0, 1], thumb=thumbs))
    drop = take(parquet(tmp_path / "d", toml, coarse=[0, 0, 1, 0, 0, 1], thumb=thumbs))
    assert codes(drop) == ["drop_toml_asks"]
    question = drop.manifest["questions"][0]
    assert toml.split(" = ")[0] in question["text"]
    assert used in question["text"]
    assert question["cure"].startswith(f"drop.{toml.split(' = ')[0]}")
    assert drop.digest == plain.digest


def test_drop_toml_that_says_what_is_read_anyway_asks_nothing(tmp_path, take):
    toml = (
        'label_column = "label"\ninput_column = "image"\ntask = "classification"\nimage_size = 8\nfiles = "*.parquet"\n'
    )
    drop = take(parquet(tmp_path / "d", toml + 'label_names = ["cat", "dog", "owl"]\nmodality = "image"\n'))
    assert codes(drop) == []


def test_what_the_operator_sets_is_his_and_no_question(tmp_path, take):
    drop = take(parquet(tmp_path / "d", 'label_column = "coarse"', coarse=[0, 0, 1, 0, 0, 1]), label_column="label")
    assert (codes(drop), asks(drop)) == ([], {})
    assert drop.labels.tolist() == LABELS
    coarse = take(parquet(tmp_path / "e", 'target_column = "label"', coarse=[0, 0, 1, 0, 0, 1]), label_column="coarse")
    assert (codes(coarse), coarse.labels.tolist()) == ([], [0, 0, 1, 0, 0, 1])


def test_what_cannot_be_read_without_the_contributor_is_read_and_asked(tmp_path, take):
    rows = {"photo": pictures(tmp_path / "d", "p"), "breed": ["a", "b"] * 3}
    (tmp_path / "d").rename(tmp_path / "media")
    table(tmp_path / "d", rows, "csv", 'label_column = "breed"')
    (tmp_path / "media" / "p").rename(tmp_path / "d" / "p")
    drop = take(tmp_path / "d")
    assert codes(drop) == ["drop_toml_followed"]
    assert drop.label_names == ("a", "b")
    assert codes(take(tmp_path / "d", label_column="breed")) == []


@pytest.mark.parametrize("name", ["image", "label"])
def test_an_id_column_that_takes_away_what_is_read_is_asked(tmp_path, take, name):
    drop = take(parquet(tmp_path / "d", f'id_column = "{name}"'))
    assert (codes(drop), drop.manifest["columns"]["id"], len(drop)) == (["drop_toml_names"], None, 6)


def test_an_id_column_that_hides_the_better_text_is_asked(tmp_path, take):
    pytest.importorskip("tokenizers")
    rows = {
        "text": [f"words number {i}" for i in range(6)],
        "content": [f"other {i}" for i in range(6)],
        "label": LABELS,
    }
    drop = take(table(tmp_path / "d", rows, "jsonl", 'id_column = "text"'))
    assert (codes(drop), drop.manifest["columns"]["input"]) == (["drop_toml_names"], "text")


@pytest.mark.parametrize("names", ['["cat", "owl", "dog"]', '["cat", "dog"]', '["a", "b", "c"]'])
def test_class_names_other_than_the_schemas_are_asked(tmp_path, take, names):
    drop = take(parquet(tmp_path / "d", f"label_names = {names}"))
    assert (codes(drop), drop.label_names) == (["drop_toml_names"], ("cat", "dog", "owl"))


def test_class_names_may_name_what_has_none(tmp_path, take):
    rows = {"a": [1.0, 2.0, 3.0] * 4, "label": [0, 1, 2] * 4}
    assert take(table(tmp_path / "d", rows, "jsonl", 'label_names = ["p", "q", "r"]')).label_names == ("p", "q", "r")
    few = take(table(tmp_path / "e", rows, "jsonl", 'label_names = ["p", "q"]'))
    assert (codes(few), few.label_names) == (["drop_toml_names"], None)
    more = take(tmp_path / "d", num_classes=4)  # the operator says how many there are
    assert (codes(more), more.num_classes) == (["drop_toml_names"], 4)
    odd = take(table(tmp_path / "f", {**rows, "label": [0.5, 1.5, 2.25] * 4}, "jsonl", 'label_names = ["p", "q", "r"]'))
    assert (codes(odd), odd.task) == (["drop_toml_names"], "regression")


def test_a_second_class_label_never_wins_over_label(tmp_path, take):
    features = {"label": {"dtype": "int64", "_type": "Value"}, "coarse": CLASS}
    drop = take(parquet(tmp_path / "d", features=features, coarse=[0, 0, 1, 0, 0, 1]))
    assert (drop.manifest["columns"]["label"], asks(drop)) == ("label", {"coarse": "label"})


@pytest.mark.parametrize("name", ["coarse", "coarse_label", "Class", "superclass", "target", "y", "Category"])
def test_a_second_label_by_name_is_asked(tmp_path, take, name):
    drop = take(
        parquet(tmp_path / "d", features={"label": CLASS} | {"label": support.HF["label"]}, **{name: [0, 0, 1] * 2})
    )
    assert (drop.manifest["columns"]["label"], asks(drop)) == ("label", {name: "label"})


def test_a_column_that_says_the_label_in_other_words_is_no_second_label(tmp_path, take):
    drop = take(parquet(tmp_path / "d", label_text=["cat", "dog", "owl"] * 2, category_id=[7, 8, 9] * 2))
    assert asks(drop) == {}
    assert [one["column"] for one in drop.manifest["unread"]] == ["label_text", "category_id"]


def test_one_row_that_says_otherwise_makes_it_a_second_label(tmp_path, take):
    assert asks(take(parquet(tmp_path / "d", label_text=["cat", "dog", "owl", "cat", "dog", "cat"]))) == {
        "label_text": "label"
    }


@pytest.mark.parametrize(
    ("name", "values", "like"),
    [
        ("thumb", pa.array([{"bytes": data, "path": None} for data in PNGS], support.MEDIA), "media"),
        ("raw", pa.array(PNGS), "media"),
        ("pixels", pa.array([[index, 2, 3] for index in range(6)]), "numbers"),
        ("rows", pa.array([[[index, 2], [3, 4]] for index in range(6)]), "numbers"),
        ("tags", pa.array([["a", str(index)] for index in range(6)]), "nested"),
        ("caption", [f"a dog number {index} runs over the green grass" for index in range(6)], "text"),
        ("beschreibung", [f"图片显示一只狗在草地上奔跑{index}" for index in range(6)], "text"),
        ("encoded", [f"{index}" + "A" * 400 for index in range(6)], "long"),
        ("values", [f"{index} 255 255 0 0 0 9 9 9" for index in range(6)], "numbers"),
        ("box", [f"[{index}, 2.5]" for index in range(6)], "numbers"),
        ("boxes", [f"[[{index}, 2],\n[3, 4e-1]]" for index in range(6)], "numbers"),
        ("tags", [f'["a", "{index}"]' for index in range(6)], "nested"),
        ("tags", [f"['a', '{index}']" for index in range(6)], "nested"),
        ("about", [f'{{"a": {index},\n"b": []}}' for index in range(6)], "nested"),
    ],
)
def test_an_unread_column_that_could_be_trained_on_is_asked(tmp_path, take, name, values, like):
    drop = take(parquet(tmp_path / "d", **{name: values}))
    assert (drop.manifest["columns"]["input"], asks(drop)) == ("image", {name: like})
    assert asks(take(parquet(tmp_path / "d2", **{name: values}), input_column="image")) == {}


@pytest.mark.parametrize(
    ("values", "like"),
    [
        (pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes([i] * 16) for i in range(6)], pa.binary(16))), ""),
        (pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(24, dtype=np.float32).reshape(6, 2, 2)), "numbers"),
        (pa.array([[("a", 1)]] * 6, pa.map_(pa.string(), pa.int64())), "nested"),
        (pa.array(PNGS).dictionary_encode(), "media"),
        (pa.array(["a dog on the green grass outside", "a cat"] * 3).dictionary_encode(), "text"),
        (pa.array([1, 2, 3, 4, 5, 6], pa.timestamp("s")), ""),
        (pa.array(range(6), pa.int64()).cast(pa.decimal128(30, 2)), ""),
        (pa.nulls(6), ""),
    ],
)
def test_unread_columns_of_rarer_types_are_told_apart(tmp_path, take, values, like):
    [one] = take(parquet(tmp_path / "d", other=values)).manifest["unread"]
    assert (one["like"], one["asks"]) == (like, bool(like))


def test_the_exact_name_wins_over_another_spelling(tmp_path, take):
    folder = tmp_path / "d"
    folder.mkdir()
    media = pa.array([{"bytes": data, "path": None} for data in PNGS], support.MEDIA)
    pq.write_table(pa.table({"LABEL": [0, 0, 1] * 2, "image": media, "label": LABELS}), folder / "a.parquet")
    drop = take(folder)
    assert (drop.manifest["columns"]["label"], asks(drop)) == ("label", {"LABEL": "label"})


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("name", ["thumb", "image"])
def test_a_second_column_of_paths_is_asked(tmp_path, take, kind, name):
    first, second = pictures(tmp_path, "p"), pictures(tmp_path, "q")
    folder = table(tmp_path / "d", {"file_name": first, name: second, "label": list(LABELS)}, kind)
    for part in ("p", "q"):
        (tmp_path / part).rename(folder / part)
    drop = take(folder)
    unread = "thumb" if name == "thumb" else "file_name"
    assert asks(drop) == {unread: "media"}


def test_many_columns_of_numbers_beside_an_image_are_asked_together(tmp_path, take):
    extra = {f"pixel{index}": [index, 1, 2, 3, 4, 5] for index in range(20)}
    assert len(asks(take(parquet(tmp_path / "d", **extra)))) == 20


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_with_two_answers_is_asked_and_not_once_it_is_said(tmp_path, take, kind):
    rows = {"a": [1.5, 2.5, 3.0] * 4, "target": [0, 1, 0] * 4, "label": [0, 1, 2] * 4}
    drop = take(table(tmp_path / "d", rows, kind))
    assert codes(drop) == ["two_labels"]
    assert codes(take(tmp_path / "d", label_column="label")) == []


def test_a_list_of_features_beside_numbers_is_asked(tmp_path, take):
    rows = {"features": [[1.0, float(i)] for i in range(6)], "age": [3, 4, 5, 6, 7, 8], "label": LABELS}
    assert codes(take(table(tmp_path / "d", rows, "jsonl"))) == ["two_inputs"]


@pytest.mark.parametrize(
    ("toml", "code"), [('label_column = "coarse"', "drop_toml_asks"), ('task = "regression"', "drop_toml_asks")]
)
def test_a_media_folder_and_a_pair_of_arrays_ask_alike(tmp_path, take, toml, code):
    for index, data in enumerate(PNGS):
        path = tmp_path / "folder" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "npy").mkdir()
    np.save(tmp_path / "npy" / "images.npy", np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3), np.uint8))
    np.save(tmp_path / "npy" / "labels.npy", np.array([0, 1, 2, 0, 1, 2]))
    for name in ("folder", "npy"):
        assert (codes(take(tmp_path / name)), asks(take(tmp_path / name))) == ([], {})
        (tmp_path / name / "drop.toml").write_text(toml)
        assert codes(take(tmp_path / name)) == [code]


def test_the_second_ingest_of_the_same_rows_asks_its_own_questions(tmp_path, take):
    first = take(parquet(tmp_path / "d", "image_size = 1"))
    second = take(parquet(tmp_path / "e"))
    assert first.digest == second.digest
    assert (codes(first), codes(second)) == (["drop_toml_asks"], [])


def test_words_that_are_no_settings_are_still_an_error(tmp_path, take):
    with pytest.raises(BadInput, match="drop_toml_invalid"):
        take(parquet(tmp_path / "d", "labels = 'coarse'"))


HUGGING_FACE = {
    "idx": list(range(6)),
    "source": ["flickr", "web"] * 3,
    "url": [f"https://example.org/photos/{i}/a-dog-on-the-grass.jpg" for i in range(6)],
    "date": ["Mon Apr 06 22:19:45 PDT 2009", "Tue May 07 10:00:00 UTC 2010"] * 3,
    "sha256": [f"{i}" * 64 for i in range(6)],
    "score": [0.5, 0.25, 0.75, 1.0, 0.0, 0.1],
    "author": ["Anna Maria von Berg", "Bo Li"] * 3,
    "verified": [True, False] * 3,
    "note": ["[sic]", "{draft}", "[1] of 2", "(2)", "[", "-"],
    "lang": ["en"] * 6,
}


def test_an_ordinary_hugging_face_drop_causes_no_question(tmp_path, take):
    ids: list[object] = [f"p-{i}" for i in range(6)]
    support.write_parquet(tmp_path / "a.parquet", PNGS, LABELS, ids, **HUGGING_FACE)
    drop = take(tmp_path / "a.parquet")
    assert (codes(drop), asks(drop)) == ([], {})
    assert [one["column"] for one in drop.manifest["unread"]] == ["id", *HUGGING_FACE]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("name", ["file_name", "image_id"])
def test_an_ordinary_table_of_image_paths_causes_no_question(tmp_path, take, kind, name):
    paths = pictures(tmp_path, "p")
    folder = table(tmp_path / "d", {name: paths, "label": ["cat", "dog", "owl"] * 2, **HUGGING_FACE}, kind)
    (tmp_path / "p").rename(folder / "p")
    drop = take(folder)
    assert (codes(drop), asks(drop)) == ([], {})


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_ordinary_texts_cause_no_question(tmp_path, take, kind):
    pytest.importorskip("tokenizers")
    texts: list[object] = [f"a warm and funny film number {i}" for i in range(6)]
    drop = take(table(tmp_path / "d", {"text": texts, "label": ["pos", "neg"] * 3, **HUGGING_FACE}, kind))
    assert (drop.modality, codes(drop), asks(drop)) == ("text", [], {})


def test_an_ordinary_table_causes_no_question(tmp_path, take):
    rows = {
        "id": list(range(12)),
        "x": [1.5, 2.5] * 6,
        "y": [3, 4] * 6,
        "town": ["a", "b"] * 6,
        "price": [0.5, 1.25] * 6,
    }
    drop = take(table(tmp_path / "d", {**rows, "target": [float(i) + 0.5 for i in range(12)]}, "csv"))
    assert (drop.task, codes(drop), asks(drop)) == ("regression", [], {})


def test_a_payload_without_other_columns_has_nothing_unread(tmp_path, take):
    drop = take(support.write_parquet(tmp_path / "a.parquet", PNGS, LABELS))
    assert drop.manifest["unread"] == []
    assert pq.read_schema(drop.path / "payload.parquet").names == ["image", "label"]
