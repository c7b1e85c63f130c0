"""Hostile text in ids, labels, names and lines: odd text is kept, misleading text rejected, all of it capped."""

from __future__ import annotations

import json

import pytest

from telltale_core.drop import Limits
from telltale_core.errors import BadInput
from tests.support import drops as support

PNGS = [support.make_png(seed) for seed in range(4)]


def write_jsonl(path, rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


GOOD = [{"id": f"g{i}", "image": [[i] * 4] * 4, "label": i % 2} for i in range(4)]


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "=cmd|' /C calc'!A0", "\U0001f984", "../../etc/passwd", "'; --", " "]
)
def test_odd_ids_are_kept_to_the_letter(tmp_path, take, hostile):
    path = support.write_parquet(tmp_path / "d.parquet", PNGS, [0, 1, 2, 0], [hostile, "b", "c", "d"])
    assert take(path).sample_ids[0] == hostile


@pytest.mark.parametrize(
    ("hostile", "code"),
    [
        ("a\x00b", "id_invalid"),
        ("\x1b[31mred", "id_invalid"),
        ("line\nbreak", "id_invalid"),
        ("\u202egnp.tac", "id_invalid"),
        ("x" * 257, "id_too_long"),
        ("", "id_missing"),
        (None, "id_missing"),
    ],
)
def test_ids_that_mislead_or_are_too_long_are_rejected(tmp_path, take, reasons, hostile, code):
    path = support.write_parquet(tmp_path / "d.parquet", PNGS, [0, 1, 2, 0], [hostile, "b", "c", "d"])
    drop = take(path)
    assert reasons(drop) == {"d.parquet#0": code}
    assert all(len(text) < 300 and text.isprintable() for text in drop.rejected()["reason"].to_pylist())


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_text_of_ten_megabytes_rejects_its_row_only(tmp_path, take, reasons, kind):
    long = "x" * (10 << 20)
    if kind == "parquet":
        path = support.write_parquet(tmp_path / "d.parquet", PNGS, [0, 1, 2, 0], [*"abcd"], note=["", long, "", ""])
    else:
        path = write_jsonl(tmp_path / "d.jsonl", [GOOD[0], GOOD[1] | {"note": long}, *GOOD[2:]])
    drop = take(path)
    assert reasons(drop) == {f"d.{kind}#1": "field_too_long"}
    assert len(drop.rejected()["columns"][0].as_py()) <= Limits().max_rejected_raw_bytes
    assert len(drop) == 3


def test_a_line_over_the_cap_is_skipped_unread(tmp_path, take, reasons):
    path = write_jsonl(tmp_path / "d.jsonl", [GOOD[0], '{"a": "' + "x" * 5000, *GOOD[1:]])
    drop = take(path, limits=Limits(max_row_bytes=1000))
    assert reasons(drop) == {"d.jsonl#1": "row_too_long"}
    assert len(drop) == 4


@pytest.mark.parametrize(
    "line",
    ["{", "[1]", "7", '"text"', "[" * 100_000, '{"id": "\\ud800", "image": [[1]], "label": 0}', "1" * 5000, '{"": 1}'],
)
def test_lines_that_are_no_row_are_rejected(tmp_path, take, reasons, line):
    drop = take(write_jsonl(tmp_path / "d.jsonl", [*GOOD, line]))
    assert reasons(drop) == {"d.jsonl#4": "row_unreadable"}


def test_csv_records_of_another_width_or_encoding_are_rejected(tmp_path, take, reasons):
    good = [f"{i},{' '.join(['7'] * 16)},{i % 2}".encode() for i in range(4)]
    lines = [
        b"id,pixels,label",
        good[0],
        b"9,1 2 3 4",
        good[1],
        b"\xff\xfe,1 2,0",
        good[2],
        b"5,1 1 1 1,0,extra",
        good[3],
    ]
    (tmp_path / "d.csv").write_bytes(b"\n".join(lines) + b"\n")
    drop = take(tmp_path / "d.csv")
    assert set(reasons(drop).values()) == {"row_unreadable"}
    assert (len(drop), drop.rejected().num_rows) == (4, 3)


def test_an_unclosed_quote_is_one_bad_record(tmp_path, take):
    good = [f"{i},{' '.join(['7'] * 16)},{i % 2}" for i in range(4)]
    (tmp_path / "d.csv").write_text("\n".join(["id,pixels,label", *good, '9,"1 1', *["x" * 1000] * 400]))
    drop = take(tmp_path / "d.csv")
    assert len(drop) == 4
    assert set(drop.rejected()["reason_code"].to_pylist()) == {"row_unreadable"}


@pytest.mark.parametrize("header", ["id,id,label", "", "a,,b", "a,\x1b[31m,b"])
def test_headers_that_repeat_or_hide_names_are_refused(tmp_path, take, header):
    (tmp_path / "d.csv").write_text(header + "\n1,2,3\n")
    with pytest.raises(BadInput) as error:
        take(tmp_path / "d.csv")
    assert error.value.code == "columns_unclear"


def test_labels_with_markup_are_kept_as_class_names(tmp_path, take):
    for index, name in enumerate(["<b>cat", "=dog()"]):
        (tmp_path / "d" / name).mkdir(parents=True)
        (tmp_path / "d" / name / "0.png").write_bytes(PNGS[index])
    assert take(tmp_path / "d").label_names == ("<b>cat", "=dog()")


def test_file_names_that_are_no_utf8_are_escaped(tmp_path, take):
    for index, name in enumerate([b"cat", b"dog"]):
        folder = str(tmp_path / "d").encode() + b"/" + name
        __import__("os").makedirs(folder)
        with open(folder + b"/\xff\x1b.png", "wb") as file:  # noqa: PTH123
            file.write(PNGS[index])
    assert take(tmp_path / "d").samples()["source"][0].as_py() == "cat/\\xff\\x1b.png"


def test_more_classes_than_the_limit_are_refused(tmp_path, take):
    rows = [{"image": [[i]], "label": f"class {i}"} for i in range(30)]
    with pytest.raises(BadInput) as error:
        take(write_jsonl(tmp_path / "d.jsonl", rows), limits=Limits(max_classes=9))
    assert error.value.code == "too_many_classes"


def test_malformed_hugging_face_metadata_is_ignored(tmp_path, take):
    for features in ({"label": 3}, {"label": {"_type": "ClassLabel", "names": [1, 2]}}, [], "x"):
        path = support.write_parquet(tmp_path / "d.parquet", PNGS, [0, 1, 0, 1], features=features)
        assert take(path).num_classes == 2
