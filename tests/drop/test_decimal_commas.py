"""Numbers whose fractions begin with a comma are numbers, wherever the first of them stands."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from telltale_core.drop.config import Limits
from telltale_core.drop.readers.decimal_commas import DecimalCommas, Marks, may_hold, with_point
from telltale_core.drop.understanding import doubts

VALUES = [round(0.37 * n - 3, 3) for n in range(12)]
LABELS = [*"ab"] * 6


def frame(values: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"x": values, "z": range(len(values)), "label": [*"ab"] * (len(values) // 2)})


def inputs(drop) -> list[float]:
    return np.asarray(drop.inputs)[:, 0].tolist()


@pytest.mark.parametrize(
    "written", [{"sep": ";"}, {"sep": "\t"}, {"sep": "|"}, {"quoting": 1}, {"sep": ";", "encoding": "utf-16"}]
)
def test_a_table_of_any_delimiter_may_have_decimal_commas(tmp_path, take, written):
    frame(VALUES).to_csv(tmp_path / "d.csv", index=False, decimal=",", **written)
    drop = take(tmp_path / "d.csv")
    assert drop.manifest["modality"] == "table"
    assert inputs(drop) == pytest.approx(VALUES)


def test_commas_may_begin_in_a_later_row_or_file(tmp_path, take):
    late = [*map(str, range(150)), *(str(value).replace(".", ",") for value in VALUES)]
    frame(late).to_csv(tmp_path / "late.csv", index=False, sep=";")
    assert inputs(take(tmp_path / "late.csv")) == pytest.approx([*range(150), *VALUES])
    for place, decimal in enumerate(".,"):
        path = tmp_path / "two" / f"{place}.csv"
        path.parent.mkdir(exist_ok=True)
        frame(VALUES).to_csv(path, index=False, sep=";", decimal=decimal)
    assert inputs(take(tmp_path / "two")) == pytest.approx(VALUES * 2)


def test_texts_of_json_lines_may_have_decimal_commas(tmp_path, take):
    lines = [{"x": str(v).replace(".", ","), "z": n, "label": LABELS[n]} for n, v in enumerate(VALUES)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert inputs(take(tmp_path / "d.jsonl")) == pytest.approx(VALUES)


MANY = ["1,234"] * 200


@pytest.mark.parametrize(
    ("values", "comma", "semicolon"),
    [
        (["1,5", "2", "n/a", ""], ",", ","),
        (["1,5e-05", "-2,25"], ",", ","),
        (["100,037", "1,234"], "", ", unclear"),
        (["100,037", "0,234"], ", unclear", ","),
        (["100,037", "0,234", *["7"] * 100], ", unclear", ","),
        ([*MANY, "12,5"], "unclear", ", unclear"),
        ([*MANY, "12,5", "$3"], "unclear", ", unclear"),
        ([*MANY, "12,5", *["x"] * 20], "", ""),
        ([*MANY, "1,234,567"], "", ", unclear"),
        (["12,34", "56,78"], ",", ","),
        (["1,5", "red"], "", ""),
        (["1.5", "2"], "", ""),
        (["1,234.5", "1,5"], "", ""),
        (["1,5", "2.5", "-.5e-3"], ",", ","),
        (["1,5", "1.500"], "", ""),
        (["1,5"] * 30 + ["1.500"], ", unclear", ", unclear"),
        (["1.234,5", "2.5"], "", ""),
        (["1.234,5"] * 30 + ["1.234", "1.234.567"], ".,", ".,"),
    ],
)
def test_commas_begin_fractions_where_they_cannot_part_thousands(values, comma, semicolon):
    for parted, expected in ((False, comma), (True, semicolon)):
        counts = DecimalCommas(semicolon=parted)
        assert len(list(counts.counted({"x": value} for value in values))) == len(values)
        marks = counts.columns.get("x", Marks("", unclear=False))
        assert f"{marks.text} {'unclear' * marks.unclear}".strip() == expected
    for decimal in (",", "."):
        counts = DecimalCommas(semicolon=False, decimal=decimal)
        list(counts.counted({"x": value} for value in values))
        assert not any(marks.unclear for marks in counts.columns.values())


@pytest.mark.parametrize(
    ("text", "marks", "number"),
    [
        ("1,5", ",", "1.5"),
        ("1.234,50", ".,", "1234.50"),
        ("1.234", ".,", "1234"),
        ("1.234.567", ".,", "1234567"),
        ("1.234", ",", "1.234"),
        ("2.5", ".,", "2.5"),
        ("1,234,567", ".,", "1,234,567"),
        ("red", ".,", "red"),
        (7, ",", 7),
    ],
)
def test_numbers_with_commas_become_such_with_a_point(text, marks, number):
    assert with_point(text, marks) == number


def codes(drop) -> list[str]:
    return [question["code"] for question in drop.manifest["questions"]]


def looks(drop) -> list[str]:
    return [line for line in doubts(drop) if "comma" in line]


def test_one_cell_of_many_turns_no_column_of_thousands_around(tmp_path, take, reasons):
    values = [*(f"{n + 1},{n:03}" for n in range(199)), "12,5"]
    columns = {"x": [*range(200)], "z": [*range(200)], "target": values}
    write_lines(tmp_path / "d.jsonl", **columns)
    drop = take(tmp_path / "d.jsonl", target_column="target")
    assert np.asarray(drop.targets).tolist() == [1000 * (n + 1) + n for n in range(199)]
    assert reasons(drop) == {"d.jsonl#199": "target_invalid"}
    assert codes(drop) == ["decimal_commas"]
    frame = pd.DataFrame(columns)
    frame.to_csv(tmp_path / "d.csv", index=False)
    drop = take(tmp_path / "d.csv", target_column="target")
    assert (codes(drop), drop.targets[0], len(drop)) == (["decimal_commas"], 1000, 199)
    frame[:199].to_csv(tmp_path / "sound.csv", index=False)
    assert (codes(take(tmp_path / "sound.csv")), looks(take(tmp_path / "sound.csv"))) == ([], [])
    drop = take(tmp_path / "d.jsonl", target_column="target", decimal=",")
    assert (codes(drop), np.asarray(drop.targets)[:2].tolist()) == ([], [1.0, 2.001])


@pytest.mark.parametrize("sep", [",", ";"])
def test_labels_and_ids_are_what_they_say(tmp_path, take, sep):
    pairs = ["1,3", "0,4"] * 20
    ids = [f"{n},5" for n in range(40)]
    frame = pd.DataFrame({"id": ids, "x": range(40), "z": range(40), "label": pairs})
    frame.to_csv(tmp_path / "d.csv", index=False, sep=sep)
    drop = take(tmp_path / "d.csv")
    assert (drop.task, drop.label_names, drop.sample_ids[0]) == ("classification", ("0,4", "1,3"), "0,5")
    assert looks(drop) == ["'label' holds numbers with commas, read as texts: drop.task says if they are numbers"]
    for settings in ({"task": "classification"}, {"label_names": ("0,4", "1,3")}):
        assert looks(take(tmp_path / "d.csv", **settings)) == []
    numbers = take(tmp_path / "d.csv", task="regression")
    assert np.asarray(numbers.targets)[:2].tolist() == [1.3, 0.4]


def test_texts_are_what_they_say(tmp_path, take):
    texts = [f"{n},5" for n in range(40)]
    write_lines(tmp_path / "d.jsonl", text=texts, label=[*"ab"] * 20)
    drop = take(tmp_path / "d.jsonl", modality="text", input_column="text")
    assert (drop.modality, drop.payload()["text"].to_pylist(), looks(drop)) == ("text", texts, [])


def test_targets_with_commas_are_asked_about_and_inputs_are_said(tmp_path, take):
    places = [f"{n},{n % 7 + 10}" for n in range(40)]
    frame = pd.DataFrame({"x": range(40), "at": places, "target": [f"{n % 3},{n % 5}" for n in range(40)]})
    frame.to_csv(tmp_path / "d.csv", index=False)
    drop = take(tmp_path / "d.csv")
    assert (drop.task, codes(drop)) == ("regression", ["decimal_commas"])
    assert looks(drop) == ["commas begin the fractions of ['at', 'target']: drop.decimal says what does"]
    for settings in ({"decimal": ","}, {"task": "regression"}, {"target_column": "target"}):
        assert codes(take(tmp_path / "d.csv", **settings)) == []
    pairs = take(tmp_path / "d.csv", decimal=".", fold_classes="exact")
    assert (pairs.task, len(pairs.label_names or ()), looks(pairs)) == ("classification", 15, [])


def test_points_part_thousands_where_some_stand_before_a_comma(tmp_path, take):
    values = [*(f"1.{n:03},50" for n in range(96)), "1.234", "2.345", "7", "1.234.567"]
    frame = pd.DataFrame({"x": values, "z": range(100), "label": [*"ab"] * 50})
    frame.to_csv(tmp_path / "d.csv", index=False)
    assert inputs(take(tmp_path / "d.csv"))[95:] == [1095.5, 1234, 2345, 7, 1_234_567]


def test_an_array_on_one_line_and_a_webdataset_may_have_them(tmp_path, take):
    rows = [{"x": str(v).replace(".", ","), "z": n, "label": LABELS[n]} for n, v in enumerate(VALUES)]
    (tmp_path / "d.json").write_text(json.dumps(rows))
    assert inputs(take(tmp_path / "d.json", limits=Limits(max_row_bytes=200))) == pytest.approx(VALUES)
    with tarfile.open(tmp_path / "d.tar", "w") as tar:
        for number, row in enumerate(rows):
            data = json.dumps(row).encode()
            info = tarfile.TarInfo(f"{number:02}.json")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    drop = take(tmp_path / "d.tar", unpack=True, input_columns=["x", "z"])
    assert inputs(drop) == pytest.approx(VALUES)


@pytest.mark.parametrize(
    ("line", "delimiter", "possible"),
    [
        (b'"1,5",a\n', ",", True),
        (b"1,5,a\n", ",", False),
        (b'"a, 1,5 b",c\n', ",", False),
        (b"a;1,5e3\r\n", ";", True),
        (b"1,5\ta\n", "\t", True),
        (b"it costs 1,5 now|b\n", "|", False),
    ],
)
def test_a_look_at_the_lines_says_whether_there_may_be_any(line, delimiter, possible):
    assert may_hold([b"x\n", None, line], delimiter) == possible


def write_lines(path: Path, **columns: list[object]) -> None:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(map(json.dumps, rows)))


def test_a_column_that_only_a_later_file_of_json_lines_has_is_one(tmp_path, take, reasons):
    (tmp_path / "d").mkdir()
    write_lines(tmp_path / "d" / "0.jsonl", x=[*range(4)], z=[*range(4)])
    write_lines(tmp_path / "d" / "1.jsonl", x=[*range(4)], z=[*range(4)], w=[0.5] * 4, label=[*"abab"])
    drop = take(tmp_path / "d")
    assert drop.manifest["columns"]["input"] == ["x", "z", "w"]
    assert list(reasons(drop).values()) == ["label_missing"] * 4
