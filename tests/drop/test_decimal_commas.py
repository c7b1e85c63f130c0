"""Numbers whose fractions begin with a comma are numbers, wherever the first of them stands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from telltale_core.drop.readers.decimal_commas import DecimalCommas, may_hold

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


@pytest.mark.parametrize(
    ("values", "grouping", "commas"),
    [
        (["1,5", "2", "n/a", ""], True, True),
        (["1,5e-05", "-2,25"], True, True),
        (["100,037", "1,234"], True, False),
        (["100,037", "1,234"], False, True),
        (["100,037", "0,234"], True, True),
        (["1,5", "red"], True, False),
        (["1.5", "2"], True, False),
        (["1,234.5", "1,5"], True, False),
        (["1,5", "2.5", "-.5e-3"], True, True),
        (["1,5", "1.500"], True, False),
        (["1.234,5", "2.5"], False, False),
    ],
)
def test_commas_begin_fractions_where_they_cannot_part_thousands(values, grouping, commas):
    counts = DecimalCommas(grouping=grouping)
    assert len(list(counts.counted({"x": value} for value in values))) == len(values)
    assert counts.columns == (frozenset("x") if commas else frozenset())


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
