"""CSV and JSON as spreadsheets, pandas and R write them: encodings, delimiters, headers, arrays."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from telltale_core.drop import Limits
from telltale_core.drop.readers.payload_columns import column_kinds
from telltale_core.drop.understanding import understood_lines
from telltale_core.errors import BadInput

ROWS = [(f"{i} 1 2 3", "ab"[i % 2]) for i in range(12)]


def csv_text(delimiter: str = ",", header: str = "pixels{}label") -> str:
    return "\n".join([header.format(delimiter), *(f"{pixels}{delimiter}{label}" for pixels, label in ROWS)]) + "\n"


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t", ", "])
def test_the_header_tells_the_delimiter(tmp_path, take, delimiter):
    (tmp_path / "d.csv").write_text(csv_text(delimiter))
    drop = take(tmp_path / "d.csv")
    assert (len(drop), drop.label_names) == (12, ("a", "b"))


def test_the_index_that_pandas_writes_is_a_column(tmp_path, take):
    pd.DataFrame({"pixels": [p for p, _ in ROWS], "label": [name for _, name in ROWS]}).to_csv(tmp_path / "d.csv")
    drop = take(tmp_path / "d.csv")
    assert drop.payload().column_names == ["Unnamed: 0", "image", "label"]
    assert len(drop) == 12


@pytest.mark.parametrize("name", ["d.csv", "d.csv.gz"])
def test_a_header_within_joined_files_is_a_rejected_row(tmp_path, take, name):
    data = csv_text().encode()
    (tmp_path / name).write_bytes(gzip.compress(data) * 2 if name.endswith("gz") else data * 2)
    drop = take(tmp_path / name, unpack=True)
    assert (drop.manifest["counts"]["kept"], drop.label_names) == (24, ("a", "b"))
    assert "the record is the header again" in drop.rejected()["reason"][0].as_py()


def joined(rows: list[str], header: str) -> str:
    """A table of two halves, each with the header."""
    half = len(rows) // 2
    return "\n".join([header, *rows[:half], header, *rows[half:]]) + "\n"


@pytest.mark.parametrize(
    ("header", "again"),
    [
        (",text,label", ",text,label"),
        ("\ufeffi,text,label", "\ufeffi,text,label"),
        ('"i","text","label"', '\ufeff"i","text","label"'),
        ("i,text,label", "i,text,label  "),
        ("i, text, label", " i, text,label"),
    ],
)
def test_a_header_is_seen_again_whatever_is_about_its_names(tmp_path, take, header, again):
    rows = [f"{n},a text of {n},{'ab'[n % 2]}" for n in range(12)]
    (tmp_path / "d.csv").write_text("\n".join([header, *rows[:6], again, *rows[6:]]) + "\n", encoding="utf-8")
    drop = take(tmp_path / "d.csv")
    assert (len(drop), drop.label_names) == (12, ("a", "b"))
    assert "the record is the header again" in drop.rejected()["reason"][0].as_py()


@pytest.mark.parametrize("other_splits", ["leave", "carry"])
@pytest.mark.parametrize("odd", ["text,label,split", "a text, of two,b,test"])
def test_a_record_that_is_no_row_is_rejected_once_and_of_no_split(tmp_path, take, odd, other_splits):
    rows = [f"a text of {n},{'ab'[n % 2]},{'test' if n % 4 == 3 else 'train'}" for n in range(40)]
    (tmp_path / "d.csv").write_text("\n".join(["text,label,split", *rows[:20], odd, *rows[20:]]))
    drop = take(tmp_path / "d.csv", other_splits=other_splits)
    assert (len(drop), drop.manifest["counts"]["by_reason"]) == (30, {"row_unreadable": 1})
    assert drop.manifest["accounting"]["splits"]["rows_of_others"] == {"test": 10}
    assert json.loads(drop.rejected()["columns"][0].as_py())["text"] in {"text", "a text"}


def test_a_header_within_leaves_numbers_with_commas_numbers(tmp_path, take):
    rows = [f"{n},5;{n * n},25;{'ab'[n % 2]}" for n in range(16)]
    (tmp_path / "d.csv").write_text(joined(rows, "f1;f2;label"))
    packed = take(tmp_path / "d.csv").manifest["packing"]["columns"]
    assert [column["kind"] for column in packed] == ["number", "number"]


def test_null_says_nothing_of_the_kind_of_a_column():
    assert column_kinds([{"x": None}, {"x": 1, "y": 2}, {"x": 1.5, "y": None}]) == {"x": "real", "y": "whole"}


def test_json_by_columns_is_refused_with_what_is_read(tmp_path, take):
    pd.DataFrame({"text": ["one", "two"], "label": [0, 1]}).to_json(tmp_path / "d.json")
    with pytest.raises(BadInput, match=r"one array of objects .*or JSON lines"):
        take(tmp_path / "d.json")


def accents(path: Path, encoding: str) -> Path:
    path.write_bytes(
        ("pixels,label\n" + "".join(f"{p},{'é' if i % 3 else 'b'}\n" for i, (p, _) in enumerate(ROWS))).encode(encoding)
    )
    return path


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman", "utf-16", "utf-32", "utf-8-sig"])
def test_another_encoding_loses_no_row(tmp_path, take, encoding):
    path = accents(tmp_path / "d.csv", encoding)
    if encoding in {"cp1252", "mac_roman"}:
        with pytest.raises(BadInput, match=r"8 lines of 'd\.csv' .* line 3: set drop\.encoding") as error:
            take(path)
        assert error.value.code == "encoding_unclear"
        drop = take(path, encoding=encoding)
        assert f"encoding of 'd.csv': {encoding}" in understood_lines(drop)
    else:
        drop = take(path)
    assert (len(drop), drop.label_names) == (12, ("b", "é"))


JUNK = {
    "utf-16, an odd byte": ("utf-16", lambda data: data[:-1]),
    "utf-16, half a pair": ("utf-16", lambda data: data[:-6] + b"\0\xd8a\0" + data[-2:]),
    "utf-32, cut": ("utf-32", lambda data: data[:-1]),
    "cp1252": ("cp1252", lambda data: data[:-2] + b"\x81\n"),
    "shift_jis": ("shift_jis", lambda data: data[:-2] + b"\x81\x20\n"),
    "gb18030": ("gb18030", lambda data: data[:-2] + b"\x81\x30\x81\n"),
}


@pytest.mark.parametrize("kind", JUNK)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_what_cannot_be_decoded_is_a_rejected_row(tmp_path, take, reasons, kind, suffix):
    encoding, damage = JUNK[kind]
    rows = [(pixels, name) for pixels, name in [*ROWS, ("9 9 9 9", "a")]]
    text = "pixels,label\n" + "".join(f"{pixels},{name}\n" for pixels, name in rows)
    if suffix == "jsonl":
        text = "".join(json.dumps({"pixels": pixels, "label": name}) + "\n" for pixels, name in rows)
    (tmp_path / f"d.{suffix}").write_bytes(damage(text.encode(encoding)))
    drop = take(tmp_path / f"d.{suffix}", **({} if encoding.startswith("utf") else {"encoding": encoding}))
    assert (len(drop), list(reasons(drop).values())) == (12, ["row_unreadable"])


def test_a_file_without_the_mark_of_its_encoding_is_refused_with_the_cure(tmp_path, take):
    (tmp_path / "d.csv").write_text(csv_text())
    with pytest.raises(BadInput, match=r"the mark of utf-16: set another drop\.encoding") as error:
        take(tmp_path / "d.csv", encoding="utf-16")
    assert error.value.code == "encoding_unclear"


def test_files_of_one_encoding_are_counted(tmp_path, take):
    for number in range(30):
        rows = "".join(f"{number} {i} 2 3,{'é' if i % 2 else 'b'}\n" for i in range(3))
        (tmp_path / f"{number:02d}.csv").write_text(f"pixels,label\n{rows}", encoding="cp1252")
    drop = take(tmp_path, encoding="cp1252")
    assert drop.manifest["accounting"]["encodings"] == {
        "cp1252": {"count": 30, "first": [f"{n:02d}.csv" for n in range(5)]}
    }
    assert "encoding of '00.csv' and 29 more: cp1252" in understood_lines(drop)


def test_one_damaged_line_among_others_with_accents_is_a_rejected_row(tmp_path, take, reasons):
    path = accents(tmp_path / "d.csv", "utf-8")
    path.write_bytes(path.read_bytes() + b"9 9 9 9,\xe9\n9 9 9 9,\xe9\n")
    assert list(reasons(take(path)).values()) == ["row_unreadable"] * 2


@pytest.mark.parametrize("word", ["caf\u00e9", "\u00e9t\u00e9", "na\u00efve"])
def test_one_accent_alone_shows_that_a_file_is_not_utf8(tmp_path, take, word):
    rows = [f"word{n} other,{'ab'[n % 2]}" for n in range(8)]
    (tmp_path / "d.csv").write_bytes("\n".join(["text,label", *rows, f"{word} other,a"]).encode("latin-1"))
    with pytest.raises(BadInput, match=r"1 lines of 'd.csv' are not UTF-8, the first is line 10: set drop\.encoding"):
        take(tmp_path / "d.csv")
    pytest.importorskip("tokenizers")
    assert len(take(tmp_path / "d.csv", encoding="latin-1")) == 9


def test_one_line_of_other_bytes_is_a_rejected_row(tmp_path, take, reasons):
    rows = [f"{n} 1 2 3,{'ab'[n % 2]}".encode() for n in range(8)]
    (tmp_path / "d.csv").write_bytes(b"\n".join([b"pixels,label", *rows, b"9 9\x9c\xff\xfe 9,a"]))
    assert list(reasons(take(tmp_path / "d.csv")).values()) == ["row_unreadable"]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_is_read_as_json_lines_are(tmp_path, take, indent):
    rows = [{"pixels": p, "label": name, "note": 'a ] " } \\'} for p, name in ROWS]
    (tmp_path / "d.json").write_text(json.dumps(rows, indent=indent))
    (tmp_path / "l.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert take(tmp_path / "d.json").payload() == take(tmp_path / "l.jsonl").payload()


@pytest.mark.parametrize("text", ['[{"a": 1}, 2]', '[{"a": 1}', '[{"a": "x}]', '[{"a": 1} x {"a": 2}]'])
def test_a_damaged_json_array_is_refused_with_its_element(tmp_path, take, text):
    (tmp_path / "d.json").write_text(text)
    with pytest.raises(BadInput, match=r"element [12]") as error:
        take(tmp_path / "d.json")
    assert error.value.code == "file_corrupt"


def test_a_label_that_begins_late_is_found(tmp_path, take):
    rows = [{"pixels": "1 2 3 4", **({"label": i % 2} if i >= 150 else {})} for i in range(200)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert take(tmp_path / "d.jsonl").manifest["counts"]["by_reason"] == {"label_missing": 150}


def test_columns_that_begin_late_are_held_up_to_a_sum_of_bytes(tmp_path, take):
    plain = [json.dumps({"pixels": "1 2 3 4", "kind": i % 2}) for i in range(150)]
    late = [json.dumps({"pixels": "1 2 3 4", "kind": 0, f"late{i}": ["x" * 100_000] * 10}) for i in range(40)]
    (tmp_path / "d.jsonl").write_text("\n".join([*plain, *late]))
    with pytest.raises(BadInput, match="in the first row") as error:
        take(tmp_path / "d.jsonl")
    assert error.value.code == "columns_unclear"


def test_a_decimal_comma_is_a_point(tmp_path, take):
    rows = [f"{i},5;1.{200 + i},25;word{i % 3};{i * 7},5" for i in range(60)]
    (tmp_path / "d.csv").write_text("\n".join(["age;income;town;target", *rows]))
    drop = take(tmp_path / "d.csv")
    assert (drop.task, drop.modality) == ("regression", "table")
    assert drop.targets is not None
    assert drop.targets[:2].tolist() == [0.5, 7.5]
    assert drop.payload()["age"][1].as_py() == "1.5"


def test_a_column_without_any_value_is_left_out_and_said(tmp_path, take):
    (tmp_path / "d.csv").write_text("age,town,note,label\n" + "".join(f"{i},t{i % 3},,c{i % 2}\n" for i in range(40)))
    drop = take(tmp_path / "d.csv")
    assert drop.inputs.shape == (40, 2)
    assert "empty in all rows: ['note']" in drop.manifest["packing"]["rule"]


def test_a_packed_table_is_read_and_a_bomb_is_not(tmp_path, take):
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(csv_text().encode()))
    assert len(take(tmp_path / "d.csv.gz", unpack=True)) == 12
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(csv_text().encode() + bytes(10 << 20)))
    with pytest.raises(BadInput) as error:
        take(tmp_path / "bomb.csv.gz", unpack=True, limits=Limits(max_drop_bytes=1 << 20))
    assert error.value.code == "file_corrupt"


@pytest.mark.parametrize(("name", "cure"), [("d.xlsx", "as CSV"), ("d.h5", "npz"), ("d.txt", "called .csv")])
def test_what_is_not_read_says_what_to_do(tmp_path, take, name, cure):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / name).write_text("text\tlabel\n")
    with pytest.raises(BadInput, match=cure):
        take(tmp_path / "d")


@pytest.mark.parametrize(
    "rows",
    [
        ['"3","Wall St. Bears Claw Back Into the Black","Short-sellers are seeing green again {}."'] * 12,
        ['"0","{}","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","user{}","a text about {}"'] * 12,
        ['"1","1","a text about {}"'] * 12,
    ],
)
def test_a_csv_without_a_header_is_refused_with_what_lacks(tmp_path, take, rows):
    (tmp_path / "d.csv").write_text("".join(row.replace("{}", str(i)) + "\n" for i, row in enumerate(rows)))
    with pytest.raises(BadInput, match="write one above it that names the columns"):
        take(tmp_path / "d.csv")


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_a_first_line_is_missed_only_where_there_is_one(tmp_path, take, ending):
    frame = pd.DataFrame({"0": range(6), "1": [*"ab"] * 3})
    path = tmp_path / f"d.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    with pytest.raises(BadInput, match="give label_column") as error:
        take(path)
    assert (error.value.code, "first line" in str(error.value)) == ("column_missing", False)
