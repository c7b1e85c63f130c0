"""Quotes in CSV and TSV: texts of several lines are read, rows that a stray quote would swallow are refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telltale_core.drop import Drop, DropConfig, Limits, ingest
from telltale_core.drop.readers.lines import csv_rows, dialect_of
from telltale_core.drop.readers.quoting import Lines
from telltale_core.errors import BadInput

WORDS = ["the", "film", "is", "warm", "and", "funny"]
SLOW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def plain(count: int = 40, sep: str = ",") -> list[str]:
    return [
        sep.join(("id", "text", "label")),
        *(sep.join((str(row), f"{WORDS[row % 6]} words of {row}", str(row % 2))) for row in range(count)),
    ]


def write(file: Path, lines: list[str], end: str = "\n") -> Path:
    file.write_text(end.join(lines) + end, encoding="utf-8", newline="")
    return file


def lines_of(drop: Drop) -> dict[str, int]:
    lines: dict[str, int] = drop.manifest["accounting"]["lines"]
    assert lines["lines"] == lines["rows"] + lines["header"] + lines["quoted"] + lines["blank"]
    assert lines["rows"] == drop.manifest["counts"]["seen"]
    return lines


def refused(take: Any, file: Path) -> str:
    with pytest.raises(BadInput) as error:
        take(file)
    assert error.value.code == "rows_swallowed"
    return str(error.value)


@pytest.mark.parametrize(
    "ends",
    [
        {3: '2,"is it,0'},  # never closed: all rows below
        {3: '2,"is it,0', 30: '29,5" wide,1'},  # closed within another row's text
        {3: '2,"is it,0', 30: '29,a screen of 5",1'},  # closed where a field ends: a record in order
        {3: '2,"is it,0', 4: '3,a screen of 5",1'},  # one row only
        {3: '2,"is it,0', 30: '29,"a, b",1'},  # closed by a good quote
        {3: '"2,is it,0'},
        {39: '38,"is it,0'},  # the last row but one
        {1: '0,"is it,0'},  # the first: no row is left to compare with
        {3: '2,"is it,0', 10: "", 11: "broken", 30: '29,5",1'},  # not all of what it swallows are rows
    ],
)
def test_a_stray_quote_that_swallows_rows_is_refused_with_the_cure(tmp_path, take, ends):
    lines = plain()
    for place, line in ends.items():
        lines[place] = line
    text = refused(take, write(tmp_path / "d.csv", lines))
    assert f"line {min(ends) + 1} of 'd.csv'" in text
    assert "JSON lines or Parquet" in text


@pytest.mark.parametrize(
    "names", [["text", "label"], ["label", "text"], ["id", "label", "text"], ["text", "source", "label"]]
)
@pytest.mark.parametrize("label", [("0", "1"), ("pos", "neg")])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_texts_over_several_lines_are_read_as_written(tmp_path, take, names, label, quoting, end):
    texts = [f"Good food, nice {WORDS[row % 6]}{end}\n" * (row % 4) + f'"well", he said, {row}' for row in range(40)]
    cells = [{"id": str(row), "source": "web", "text": text, "label": label[row % 2]} for row, text in enumerate(texts)]
    with (tmp_path / "d.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore", quoting=quoting, lineterminator=end)
        writer.writeheader()
        writer.writerows(cells)
    drop = take(tmp_path / "d.csv")
    assert drop.payload()["text"].to_pylist() == texts
    assert drop.manifest["questions"] == []
    assert lines_of(drop)["quoted"] == sum(text.count("\n") for text in texts) > 40


def test_doubled_quotes_before_a_line_break_are_no_stray_ones(tmp_path, take):
    texts = [f'He said, "nice"\nand left {row}' for row in range(40)]
    with (tmp_path / "d.csv").open("w", newline="") as file:
        rows = ((text, ["pos", "neg"][row % 2]) for row, text in enumerate(texts))
        csv.writer(file).writerows([("text", "label"), *rows])
    assert take(tmp_path / "d.csv").payload()["text"].to_pylist() == texts


def test_a_drop_of_texts_over_three_lines_only_is_read(tmp_path, take):
    texts = [f"first, {row}\nsecond, {row}\nthird, {row}" for row in range(40)]
    with (tmp_path / "d.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *((text, row % 2) for row, text in enumerate(texts))])
    assert take(tmp_path / "d.csv").payload()["text"].to_pylist() == texts


def test_a_quote_cut_off_at_the_end_is_one_rejected_row(tmp_path, take):
    drop = take(write(tmp_path / "d.csv", [*plain(), '40,"a text that', "was cut off"]))
    assert drop.manifest["counts"]["by_reason"] == {"row_unreadable": 1}
    assert lines_of(drop) == {"lines": 43, "rows": 41, "header": 1, "quoted": 1, "blank": 0}


def test_blank_lines_are_counted_apart(tmp_path, take):
    lines = plain()
    drop = take(write(tmp_path / "d.csv", [*lines[:9], "", *lines[9:], "", ""], "\r\n"))
    assert lines_of(drop) == {"lines": 44, "rows": 40, "header": 1, "quoted": 0, "blank": 3}
    jsonl = write(
        tmp_path / "e.jsonl",
        ["", *(json.dumps({"text": f"{line} .", "label": row % 2}) for row, line in enumerate(lines[1:])), " "],
    )
    assert lines_of(take(jsonl)) == {"lines": 42, "rows": 40, "header": 0, "quoted": 0, "blank": 2}


def test_lines_of_several_files_are_summed(tmp_path, take):
    (tmp_path / "d").mkdir()
    write(tmp_path / "d" / "a.csv", plain())
    write(tmp_path / "d" / "b.csv", [plain()[0], "x,one more,1"])
    assert lines_of(take(tmp_path / "d")) == {"lines": 43, "rows": 41, "header": 2, "quoted": 0, "blank": 0}


def test_in_tsv_a_quote_is_a_letter(tmp_path, take):
    lines = plain(sep="\t")
    lines[3], lines[9], lines[20] = '2\t"is it\t0', '8\t"Is it?"\t0', '19\ta screen of 5"\t1'
    drop = take(write(tmp_path / "d.tsv", lines))
    assert drop.payload()["text"].to_pylist()[2:20:6] == ['"is it', '"Is it?"', "is words of 14"]
    assert lines_of(drop) == {"lines": 41, "rows": 40, "header": 1, "quoted": 0, "blank": 0}


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("text", ['"well", he said', "two\nlines", "a\ttab"])
def test_tsv_that_was_written_with_quotes_is_read_with_them(tmp_path, take, quoting, text):
    texts = [f"{text} {row}" if row % 3 else f"plain {row}" for row in range(40)]
    with (tmp_path / "d.tsv").open("w", newline="") as file:
        rows = ((row, text, row % 2) for row, text in enumerate(texts))
        csv.writer(file, delimiter="\t", quoting=quoting).writerows([("id", "text", "label"), *rows])
    drop = take(tmp_path / "d.tsv")
    assert drop.payload()["text"].to_pylist() == texts
    assert lines_of(drop)["rows"] == 40


cells = st.text(st.sampled_from(list('ab ,"\n\r\t')), max_size=6)


@pytest.mark.slow
@SLOW
@given(rows=st.lists(cells, min_size=2, max_size=12), sep=st.sampled_from([",", "\t"]), quoting=st.sampled_from([0, 1]))
def test_what_a_csv_writer_wrote_is_seen_as_a_csv_reader_sees_it(tmp_path, rows, sep, quoting):
    file, buffer = tmp_path / ("d.tsv" if sep == "\t" else "d.csv"), io.StringIO(newline="")
    texts = [f"{text}x" for text in [*rows, *WORDS]]
    writer = csv.writer(buffer, delimiter=sep, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([("id", "text", "label"), *((n, text, n % 2) for n, text in enumerate(texts))])
    file.write_text(buffer.getvalue(), newline="")
    drop = ingest(str(file), tmp_path / "drops", DropConfig(input_column="text", label_column="label"))
    assert lines_of(drop)["lines"] == buffer.getvalue().count("\n")
    assert (len(drop), drop.manifest["counts"]["seen"]) == (len(texts), len(texts))
    assert drop.payload()["text"].to_pylist() == texts


letters = st.text(st.sampled_from(list('ab "')), max_size=4)


@SLOW
@given(rows=st.lists(letters, min_size=2, max_size=12), sep=st.sampled_from([",", "\t"]))
def test_plain_lines_with_stray_quotes_are_all_seen_or_refused(rows, sep):
    lines = [sep.join(("id", "text", "label")), *(sep.join((str(n), f"{t}x", str(n % 2))) for n, t in enumerate(rows))]
    handle, count = io.BytesIO("".join(f"{line}\n" for line in lines).encode()), Lines()
    dialect = dialect_of(handle, Limits(), ".tsv" if sep == "\t" else ".csv")
    handle.seek(0)
    try:
        records = list(csv_rows(handle, Limits(), dialect, count, "d"))
    except BadInput as error:
        assert (error.code, sep) == ("rows_swallowed", ",")  # noqa: PT017
        return
    assert len(records) == len(rows) == count.rows == count.lines - 1
