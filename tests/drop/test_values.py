"""Which classes or targets a column of answers holds, whatever people write there; no row is lost by it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.drop.understanding import class_counts, doubts, understood_lines
from telltale_core.errors import BadInput
from telltale_core.modality.cells import written_number

ROWS = 60


def lines(path: Path, labels: list[object], column: str = "label") -> Path:
    """JSON lines of small pictures with these answers, repeated."""
    rows = [{"image": [[i % 256] * 4] * 4, column: labels[i % len(labels)]} for i in range(ROWS)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["none", "null", "NA", "cat"], ("NA", "cat", "none", "null")),
        (["none", "7"], ("7", "none")),
        (["none", 7, 7, 7], ("7", "none")),
        ([0, 1, 2, "NA"], ("0", "1", "2", "NA")),
        (["nan", "cat", "dog"], ("cat", "dog", "nan")),
        ([*"0123456789ABCDEF"], tuple("0123456789ABCDEF")),
        ([*range(10), "x", "y"], (*"0123456789", "x", "y")),
        ([-1, 1], ("-1", "1")),
        (["-1", "0", "1"], ("-1", "0", "1")),
        ([0, 4], ("0", "4")),
        ([2021, 2019, 2020], ("2019", "2020", "2021")),
        ([0, 1, 2, 3000, 7000], ("0", "1", "2", "3000", "7000")),
    ],
)
def test_any_labels_are_classes_under_their_own_names(tmp_path, take, labels, names):
    drop = take(lines(tmp_path / "d.jsonl", labels))
    assert (drop.label_names, drop.num_classes, len(drop)) == (names, len(names), ROWS)
    assert drop.labels is not None
    assert [names[label] for label in drop.labels[: len(labels)]] == [str(label) for label in labels]


def test_whole_numbers_from_zero_stay_numbered_and_a_stray_one_is_an_error(tmp_path, take, reasons):
    path = lines(tmp_path / "d.jsonl", [0, 1, 2])
    with path.open("a") as file:
        for label in (73, -1, "oops", "none", "nan", None, " "):
            file.write("\n" + json.dumps({"image": [[9] * 4] * 4, "label": label}))
    drop = take(path)
    assert (drop.label_names, drop.num_classes) == (None, 3)
    assert list(reasons(drop).values()) == [
        "label_out_of_range",
        "label_out_of_range",
        "label_unknown",
        "label_unknown",
        "label_missing",
        "label_missing",
        "label_missing",
    ]


def test_a_stray_fraction_among_words_makes_no_regression(tmp_path, take, reasons):
    drop = take(lines(tmp_path / "d.jsonl", [*(["neg", "pos"] * ROWS)[: ROWS - 1], 1.5]))
    assert (drop.task, drop.label_names, len(drop)) == ("classification", ("neg", "pos"), ROWS - 1)
    assert len(reasons(drop)) == 1


def test_a_missing_target_is_no_class(tmp_path, take, reasons):
    targets: list[object] = [*(f"{i * 37}" for i in range(ROWS - 9)), *["null"] * 9]
    drop = take(lines(tmp_path / "d.jsonl", targets, "target"))
    assert (drop.task, [*reasons(drop).values()]) == ("regression", ["target_missing"] * 9)


def test_lists_of_zero_and_one_are_flags(tmp_path, take):
    drop = take(lines(tmp_path / "d.jsonl", [[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 0, 0]], "labels"))
    assert (drop.task, drop.num_classes) == ("multilabel", 3)
    assert drop.samples()["label"].to_pylist()[:4] == [[2], [0, 2], [0, 1, 2], []]


@pytest.mark.parametrize("form", ["{}", "${}", "{:,}", "${:,}.50", "{} %"])
def test_targets_as_people_write_numbers_are_numbers(tmp_path, take, form):
    targets = [form.format(100_000 + 37 * i) for i in range(ROWS)]
    drop = take(lines(tmp_path / "d.jsonl", list(targets), "target"))
    assert (drop.task, len(drop)) == ("regression", ROWS)
    half = 0.5 if ".50" in form else 0
    np.testing.assert_array_equal(drop.targets, [100_000 + 37 * i + half for i in range(ROWS)])
    assert bool(doubts(drop)) == (half == 0)


def test_lists_that_a_csv_holds_as_texts_are_a_doubt(tmp_path, take):
    rows = [f'{i} 1 2 3,"[{i % 2}, 1]"' for i in range(12)]
    (tmp_path / "d.csv").write_text("\n".join(["pixels,label", *rows]))
    assert doubts(take(tmp_path / "d.csv")) == [
        "classes are called as lists are ('[0, 1]', '[1, 1]'): several labels a row need JSON lines or Parquet"
    ]


def test_what_was_understood_is_printed_and_what_is_doubtful_asked(tmp_path, take):
    drop = take(lines(tmp_path / "d.jsonl", ["train", "test", "none"]))
    assert understood_lines(drop)[1] == "label: label, 3 classes: 'none' (20), 'test' (20), 'train' (20)"
    assert [doubt.split(" (")[0] for doubt in doubts(drop)] == [
        "classes are called like splits",
        "classes are called as missing values are",
    ]
    assert doubts(take(lines(tmp_path / "e.jsonl", [*"ab"]))) == []


def test_as_many_classes_as_rows_are_doubtful(tmp_path, take):
    drop = take(lines(tmp_path / "d.jsonl", [f"c{i}" for i in range(ROWS)]))
    assert set(class_counts(drop).values()) == {1}
    assert "is this an id" in doubts(drop)[0]
    assert "or drop.task as it is" in doubts(take(tmp_path / "d.jsonl", label_column="label"))[0]
    assert doubts(take(tmp_path / "d.jsonl", task="classification", label_column="label")) == []


def test_many_classes_that_are_numbers_may_be_a_regression(tmp_path, take):
    path = lines(tmp_path / "d.jsonl", [f"{100_000 + 37 * i:,}" for i in range(ROWS)])
    assert 'Set drop.task = "regression"' in doubts(take(path))[0]
    assert take(path, task="regression").targets[1] == 100_037


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("labels", "task", "answers"),
    [
        ([[1, 0], [0, 1]], "classification", [0, 1]),
        ([[0.0, 1.0], [1.0, 0.0]], "classification", [1, 0]),
        ([[0, 0, 1], [0, 1, 0], [1, 0, 0]], "classification", [2, 1, 0]),
        ([[1, 0], [0, 1], [1, 1]], "multilabel", [[0], [1], [0, 1]]),
    ],
)
def test_lists_with_a_single_one_each_are_classes(tmp_path, take, form, labels, task, answers):
    path = lines(tmp_path / "d.jsonl", labels)
    if form == "parquet":
        table = pa.Table.from_pylist([json.loads(line) for line in path.read_text().splitlines()])
        pq.write_table(table, path := tmp_path / "d.parquet")
    drop = take(path)
    assert (drop.task, drop.num_classes, len(drop)) == (task, len(labels[0]), ROWS)
    assert drop.samples()["label"].to_pylist()[: len(answers)] == answers


def test_a_row_of_two_ones_among_classes_that_an_operator_names_is_rejected(tmp_path, take, reasons):
    path = lines(tmp_path / "d.jsonl", [[1, 0]] * 10 + [[0, 1]] * 10 + [None])
    drop = take(path, label_names=("cat", "dog"))
    assert (drop.task, drop.label_names, drop.num_classes) == ("classification", ("cat", "dog"), 2)
    assert set(reasons(drop).values()) == {"label_missing"}


@pytest.mark.parametrize("odd", [[0, 0], [1, 1], [1, 0, 0], [0, 7], ["x", 1], 1])
def test_one_odd_row_among_one_hot_rows_is_an_error(tmp_path, take, reasons, odd):
    drop = take(lines(tmp_path / "d.jsonl", [*([[1, 0], [0, 1]] * 15), odd]))
    assert (drop.task, drop.num_classes) == ("classification", 2)
    assert reasons(drop) == {"d.jsonl#30": "label_invalid"}


def test_an_operators_classification_takes_rows_of_a_single_one_alone(tmp_path, take, reasons):
    drop = take(lines(tmp_path / "d.jsonl", [[1, 0, 0], [0, 1, 1], [0, 0, 1]]), task="classification")
    assert (drop.num_classes, drop.labels.tolist()) == (3, [0, 2] * (ROWS // 3))
    assert set(reasons(drop).values()) == {"label_invalid"}
    assert 'not one: correct it, or set drop.task = "multilabel"' in drop.rejected()["reason"][0].as_py()


@pytest.mark.parametrize("labels", [[[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 1, 1]]])
def test_flags_of_another_number_than_the_operators_classes_are_refused(tmp_path, take, labels):
    path = lines(tmp_path / "d.jsonl", labels)
    with pytest.raises(BadInput, match=r"lists of 3 flags, one a class, but drop\.num_classes is 4") as error:
        take(path, num_classes=4)
    assert (error.value.code, take(path, num_classes=3).num_classes) == ("labels_unclear", 3)


@pytest.mark.parametrize(
    ("settings", "begins"),
    [
        ({}, ["60 classes among 60 rows", "classes are called like splits"]),
        ({"label_column": "label"}, ["60 classes among 60 rows", "classes are called like splits"]),
        ({"task": "classification"}, ["60 of 60 classes have one sample", "classes are called like splits"]),
        ({"task": "classification", "label_column": "label"}, ["classes are called like splits"]),
        ({"label_names": ("test", *(f"c{i}" for i in range(ROWS - 1)))}, []),
    ],
)
def test_a_setting_answers_the_doubts_that_it_is_about(tmp_path, take, settings, begins):
    path = lines(tmp_path / "d.jsonl", ["test", *(f"c{i}" for i in range(ROWS - 1))])
    said = doubts(take(path, **settings))
    assert len(said) == len(begins)
    assert all(line.startswith(begin) for line, begin in zip(said, begins, strict=True))


@pytest.mark.parametrize(("text", "number"), [("1,234", 1234), ("0,234", None), ("-10,000.5", -10000.5), ("00", 0)])
def test_thousands_begin_with_no_zero(text, number):
    assert written_number(text) == number


def test_columns_of_minus_one_and_one_are_flags(tmp_path, take):
    rows = [{"image": [[i % 256] * 4] * 4, "bald": (-1) ** i, "young": (-1) ** (i // 2)} for i in range(ROWS)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    drop = take(tmp_path / "d.jsonl", label_columns=("bald", "young"))
    assert drop.samples()["label"].to_pylist()[:4] == [[0, 1], [1], [0], []]


def test_one_class_only_is_refused_with_the_setting_that_helps(tmp_path, take):
    with pytest.raises(BadInput, match=r"in 'label': set drop\.label_column"):
        take(lines(tmp_path / "d.jsonl", ["a"]))
