"""Class names that look alike: one class, two that are asked about, or different ones."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.drop import Drop
from telltale_core.drop.lookalikes import alike_key, plain, safe_key, swapped_key
from telltale_core.questions import questions_of
from tests.support import drops as support

SAFE = ["cat", "cat\u200b", "c\u00adat", " cat", "cat\u00a0", "cat\ufeff", "c\u2060at"]
ALIKE = ["cat", "Cat", "CAT", "ｃat", "с\u0430t", "ϲat", "𝐜𝐚𝐭", "саt"]
Take = Callable[..., Drop]


def written(path: Path, labels: list[object], column: str = "label") -> Path:
    """A Parquet drop of one image a label, labels as they are."""
    images: list[bytes | None] = [support.make_png(seed) for seed in range(len(labels))]
    support.write_parquet(path, images, labels, features={"image": {"_type": "Image"}})
    return path.parent


def classes(drop: Drop) -> list[str]:
    return list(drop.label_names or ())


def codes(drop: Drop) -> list[str]:
    return [question.code for question in questions_of(drop.manifest)]


@pytest.mark.parametrize("spelling", SAFE)
def test_a_class_in_another_invisible_spelling_is_one_class_and_published_as_one(
    take: Take, tmp_path: Path, spelling: str
):
    drop = take(written(tmp_path / "d" / "a.parquet", ["cat"] * 3 + [spelling] * 2 + ["dog"] * 3))
    assert classes(drop) == ["cat", "dog"]
    assert drop.payload()["label"].to_pylist() == ["cat"] * 5 + ["dog"] * 3
    assert drop.labels is not None
    assert drop.labels.tolist() == [0] * 5 + [1] * 3
    assert not codes(drop)


def test_normal_forms_are_one_class(take: Take, tmp_path: Path):
    name = "café"
    labels: list[object] = [*[unicodedata.normalize(form, name) for form in ("NFC", "NFD")] * 3, "dog"]
    drop = take(written(tmp_path / "d" / "a.parquet", labels))
    assert set(drop.payload()["label"].to_pylist()) == {"café", "dog"}
    assert drop.manifest["spellings"] == [
        {"class": "café", "spellings": {unicodedata.normalize("NFD", name): 3, unicodedata.normalize("NFC", name): 3}}
    ]


@pytest.mark.parametrize("spelling", ALIKE[1:])
def test_what_differs_in_case_width_or_script_is_two_classes_and_a_question(take: Take, tmp_path: Path, spelling: str):
    folder = written(tmp_path / "d" / "a.parquet", ["cat"] * 3 + [spelling] * 2 + ["dog"] * 3)
    drop = take(folder)
    assert set(classes(drop)) == {"cat", spelling, "dog"}
    assert codes(drop) == ["classes_look_alike"]
    assert "'cat' (3 rows)" in questions_of(drop.manifest)[0].text
    assert "fold_classes" in questions_of(drop.manifest)[0].cure


@pytest.mark.parametrize("spelling", ALIKE[1:])
def test_the_operator_may_fold_all_that_look_alike_or_nothing(take: Take, tmp_path: Path, spelling: str):
    folder = written(tmp_path / "d" / "a.parquet", ["cat"] * 3 + [spelling] * 2 + ["dog"] * 3)
    folded, exact = take(folder, fold_classes="all"), take(folder, fold_classes="exact")
    assert folded.payload()["label"].to_pylist() == ["cat"] * 5 + ["dog"] * 3
    assert exact.payload()["label"].to_pylist() == ["cat"] * 3 + [spelling] * 2 + ["dog"] * 3
    assert not codes(folded) + codes(exact)


def test_the_same_rows_keep_the_answer_of_their_own_run(take: Take, tmp_path: Path):
    folder = written(tmp_path / "d" / "a.parquet", ["cat"] * 3 + ["Cat"] * 2)
    asked, answered = take(folder), take(folder, fold_classes="exact")
    assert asked.digest == answered.digest
    assert codes(asked)
    assert not codes(answered)


def test_folders_of_one_class_are_joined_and_none_of_their_files_is_rejected(take: Take, tmp_path: Path):
    for number, name in enumerate(["cat", "cat\u200b", "cat ", "dog"]):
        (tmp_path / "d" / name).mkdir(parents=True)
        (tmp_path / "d" / name / "a.png").write_bytes(support.make_png(number))
    drop = take(tmp_path / "d")
    assert classes(drop) == ["cat", "dog"]
    assert drop.payload()["label"].to_pylist() == [0, 0, 0, 1]
    assert not drop.manifest["counts"]["rejected"]


def test_declared_classes_keep_their_numbers_and_the_published_number_is_the_folded_one(take: Take, tmp_path: Path):
    names = ["cat", "dog", "cat\u200b"]
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    images: list[bytes | None] = [support.make_png(seed) for seed in range(5)]
    support.write_parquet(tmp_path / "d" / "a.parquet", images, [0, 1, 2, 2, 1], features=features)
    drop = take(tmp_path / "d")
    assert drop.labels is not None
    assert drop.labels.tolist() == drop.payload()["label"].to_pylist() == [0, 1, 0, 0, 1]
    assert drop.manifest["absent_classes"] == [2]


def test_lists_of_labels_are_folded_item_by_item(take: Take, tmp_path: Path):
    folder = written(tmp_path / "d" / "a.parquet", [["cat", "dog"], ["cat\u200b"], ["dog"], []])
    drop = take(folder)
    assert drop.payload()["label"].to_pylist() == [["cat", "dog"], ["cat"], ["dog"], []]


def test_one_number_written_in_two_ways_is_published_in_one(take: Take, tmp_path: Path):
    drop = take(written(tmp_path / "d" / "a.parquet", ["0", "1", "1.0", " 1", "0", "1"]))
    assert drop.payload()["label"].to_pylist() == ["0", "1", "1", "1", "0", "1"]


def test_a_dictionary_column_is_folded(take: Take, tmp_path: Path):
    path = tmp_path / "d" / "a.parquet"
    folder = written(path, ["cat", "cat\u200b", "dog"])
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "label", table["label"].dictionary_encode()), path)
    drop = take(folder)
    assert drop.payload()["label"].to_pylist() == ["cat", "cat", "dog"]
    assert pa.types.is_dictionary(drop.payload().schema.field("label").type)


@pytest.mark.parametrize(
    "names",
    [
        ["a", "A", "b", "B", "0", "O", "o", "1", "l", "I"],
        ["T-shirt", "Trouser", "Pullover", "Dress", "Coat"],
        ["α", "β", "γ", "∑", "π"],
        ["кот", "собака", "сова"],
        ["猫", "犬", "日", "目"],
        ["cafe", "café"],
        ["می\u200cخواهم", "سگ"],
        ["👩\u200d🚀", "👩"],
        ["n02084071", "n02084072"],
    ],
)
def test_ordinary_classes_are_neither_folded_nor_asked_about(take: Take, tmp_path: Path, names: list[str]):
    drop = take(written(tmp_path / "d" / "a.parquet", [*names, *names]))
    assert classes(drop) == sorted(names)
    assert drop.payload()["label"].to_pylist() == [*names, *names]
    assert not codes(drop)
    assert not drop.manifest["spellings"]


def test_columns_of_flags_that_look_alike_are_asked_about(take: Take, tmp_path: Path):
    images: list[bytes | None] = [support.make_png(seed) for seed in range(3)]
    flags = {"cat": [1, 0, 1], "Cat": [0, 1, 1]}
    support.write_parquet(tmp_path / "d" / "a.parquet", images, [0, 1, 1], features=None, **flags)
    assert codes(take(tmp_path / "d", label_columns=("cat", "Cat"))) == ["classes_look_alike"]


def test_keys_follow_their_rule():
    assert len({safe_key(name) for name in SAFE}) == 1
    assert len({alike_key(name) for name in ALIKE}) == 1
    assert swapped_key("Iion") == swapped_key("lion")
    assert plain(" hot \u200b\u00a0dog") == "hot dog"
