"""Each row is kept with an id or rejected with a reason; nothing disappears."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telltale_core.digest import sha256_bytes
from telltale_core.drop import DropConfig, ingest
from telltale_core.errors import BadInput
from telltale_core.modality.image.containers import FORMATS
from tests.support import drops as support

PNGS = [support.make_png(seed) for seed in range(8)]


def test_the_bad_drop_of_the_issue_is_cleansed_of_its_bad_rows(tmp_path, take, reasons):
    images = [
        *PNGS[:4],
        support.make_jpeg(9, (32, 32))[:-200],
        PNGS[5],
        PNGS[0],
        b"#!/bin/sh\n",
        support.pixel_bomb(13000, 13000),
    ]
    path = support.write_parquet(
        tmp_path / "bad.parquet", images, [0, 1, 2, 0, 1, 73, 0, 1, 2], [*"abcdef", "a", "h", "i"]
    )
    drop = take(path)
    assert drop.sample_ids.tolist() == ["a", "b", "c", "d"]
    assert reasons(drop) == {
        "bad.parquet#4": "media_unreadable",
        "bad.parquet#5": "label_out_of_range",
        "bad.parquet#6": "duplicate_id",
        "bad.parquet#7": "media_unsupported",
        "bad.parquet#8": "too_many_pixels",
    }
    counts = drop.manifest["counts"]
    assert (counts["seen"], counts["kept"], counts["rejected"]) == (9, 4, 5)
    assert drop.payload().num_rows == len(drop.inputs) == 4


def test_a_rejected_row_carries_its_evidence(tmp_path, take):
    path = support.write_parquet(tmp_path / "d.parquet", [*PNGS[:3], b"not an image"], [0, 1, 2, 0], [*"abcd"])
    rejected = take(path).rejected().to_pylist()
    assert rejected == [
        {
            "source": "d.parquet#3",
            "row": 3,
            "sample_id": "d",
            "reason_code": "media_unsupported",
            "reason": f"the media is no image that is read ({', '.join(FORMATS)}) but of kind unknown: "
            "look into it, and leave it out where it is no picture",
            "columns": '{"id": "d", "image": {"path": null}, "label": 0}',
            "raw": b"not an image",
            "raw_sha256": sha256_bytes(b"not an image"),
        }
    ]


def test_raw_evidence_is_capped(tmp_path, take):
    from telltale_core.drop import Limits

    path = support.write_parquet(tmp_path / "d.parquet", [*PNGS[:3], b"x" * 9000], [0, 1, 2, 0])
    drop = take(path, limits=Limits(max_rejected_raw_bytes=100))
    assert len(drop.rejected()["raw"][0].as_py()) == 100


@pytest.mark.parametrize(
    ("label", "code"),
    [
        (None, "label_missing"),
        (float("nan"), "label_missing"),
        (-1, "label_out_of_range"),
        (3, "label_out_of_range"),
        (2**31, "label_out_of_range"),
        (2**80, "label_out_of_range"),
        (float("inf"), "label_out_of_range"),
        (1.5, "label_not_whole"),
        ("zebra", "label_unknown"),
        ("", "label_missing"),
        ([1], "label_invalid"),
        ({"a": 1}, "label_invalid"),
    ],
)
def test_labels_that_are_no_class_are_rejected(tmp_path, take, reasons, label, code):
    lines = [{"image": [[i] * 4] * 4, "label": i % 3} for i in range(6)]
    lines.append({"image": [[9] * 4] * 4, "label": label})
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert reasons(take(tmp_path / "d.jsonl", num_classes=3)) == {"d.jsonl#6": code}


@pytest.mark.parametrize("label", [2, 2.0, "2", " 2 ", "2.0", "owl"])
def test_labels_in_any_spelling_of_a_class_are_kept(tmp_path, take, label):
    lines = [{"image": [[i] * 4] * 4, "label": i % 2} for i in range(4)]
    lines.append({"image": [[9] * 4] * 4, "label": label})
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, lines)))
    drop = take(tmp_path / "d.jsonl", label_names=("cat", "dog", "owl"))
    assert drop.labels is not None
    assert drop.labels[-1] == 2


def test_a_stray_label_far_above_the_others_is_no_class(tmp_path, take, reasons):
    path = support.write_parquet(tmp_path / "d.parquet", PNGS, [0, 1, 2, 3, 0, 1, 2, 73], features=None)
    drop = take(path)
    assert drop.num_classes == 4
    assert reasons(drop) == {"d.parquet#7": "label_out_of_range"}


def test_an_absent_class_is_allowed_and_recorded(tmp_path, take):
    drop = take(support.write_parquet(tmp_path / "d.parquet", PNGS, [0, 2] * 4))
    assert drop.num_classes == 3
    assert drop.manifest["absent_classes"] == [1]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (None, "target_missing"),
        (float("nan"), "target_not_finite"),
        (float("inf"), "target_not_finite"),
        ("far", "target_invalid"),
    ],
)
def test_targets_that_are_no_finite_number_are_rejected(tmp_path, take, reasons, target, code):
    lines = [{"image": [[i] * 4] * 4, "target": i + 0.5} for i in range(6)]
    lines.append({"image": [[9] * 4] * 4, "target": target})
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert reasons(take(tmp_path / "d.jsonl")) == {"d.jsonl#6": code}


def test_one_class_only_leaves_nothing_to_learn(tmp_path, take):
    with pytest.raises(BadInput) as error:
        take(support.write_parquet(tmp_path / "d.parquet", PNGS, [1] * 8))
    assert error.value.code == "nothing_to_learn"


def test_one_row_leaves_nothing_to_learn(tmp_path, take):
    with pytest.raises(BadInput) as error:
        take(support.write_parquet(tmp_path / "d.parquet", PNGS[:1], [1]))
    assert error.value.code == "nothing_to_learn"


def test_a_constant_target_leaves_nothing_to_learn(tmp_path, take):
    with pytest.raises(BadInput) as error:
        take(support.write_parquet(tmp_path / "d.parquet", PNGS, [0.5] * 8, features=None), task="regression")
    assert error.value.code == "nothing_to_learn"


def test_an_empty_drop_is_refused(tmp_path, take):
    (tmp_path / "d").mkdir()
    for source in (tmp_path / "d", support.write_parquet(tmp_path / "e.parquet", [], [], label_type=pa.int64())):
        with pytest.raises(BadInput) as error:
            take(source)
        assert error.value.code == "drop_empty"


def test_a_drop_of_bad_rows_only_is_refused_with_their_counts(tmp_path, take):
    with pytest.raises(BadInput, match=r"all 3 rows .*media_unsupported: 2, media_missing: 1") as error:
        take(support.write_parquet(tmp_path / "d.parquet", [b"no", b"neither", None], [0, 1, 2]))
    assert error.value.code == "no_row_kept"
    assert "the first: 'd.parquet#0': the media is no image that is read" in str(error.value)
    assert "drop.input_column" in str(error.value)
    (written,) = (tmp_path / "drops").rglob("rejected.parquet")
    assert f"refused/{written.parent.name}/rejected.parquet" in str(error.value)
    assert pq.read_table(written)["reason_code"].to_pylist() == ["media_unsupported"] * 2 + ["media_missing"]


def test_an_id_used_again_with_other_bytes_or_another_label_is_a_conflict(tmp_path, take, reasons):
    path = support.write_parquet(
        tmp_path / "d.parquet", [PNGS[0], PNGS[1], PNGS[2], PNGS[0]], [0, 1, 1, 2], ["a", "b", "a", "a"]
    )
    drop = take(path)
    assert reasons(drop) == {"d.parquet#2": "id_conflict", "d.parquet#3": "id_conflict"}
    assert drop.sample_ids.tolist() == ["a", "b"]


def test_an_id_is_free_again_when_its_first_row_was_rejected(tmp_path, take):
    path = support.write_parquet(tmp_path / "d.parquet", [b"bad", PNGS[0], PNGS[1]], [0, 0, 1], ["a", "a", "b"])
    assert take(path).sample_ids.tolist() == ["a", "b"]


def test_the_same_bytes_under_two_ids_are_kept_and_counted(tmp_path, take):
    drop = take(support.write_parquet(tmp_path / "d.parquet", [PNGS[0], PNGS[0], PNGS[1]], [0, 0, 1], [*"abc"]))
    assert len(drop) == 3
    assert drop.manifest["counts"]["same_content"] == 1


def test_the_same_bytes_under_two_ids_can_be_rejected(tmp_path, take, reasons):
    path = support.write_parquet(tmp_path / "d.parquet", [PNGS[0], PNGS[0], PNGS[0], PNGS[1]], [0, 0, 2, 1], [*"abcd"])
    assert reasons(take(path, duplicates="reject")) == {"d.parquet#1": "duplicate_content"}


def test_without_an_id_column_ids_come_from_the_content(tmp_path, take):
    order = [0, 1, 2, 3]
    first = take(support.write_parquet(tmp_path / "a.parquet", [PNGS[i] for i in order], [0, 1, 0, 1]))
    back = take(support.write_parquet(tmp_path / "b.parquet", [PNGS[i] for i in order[::-1]], [1, 0, 1, 0]))
    assert first.sample_ids.tolist() == back.sample_ids.tolist()[::-1]


def test_content_ids_of_identical_rows_are_numbered(tmp_path, take):
    ids = take(support.write_parquet(tmp_path / "d.parquet", [PNGS[0]] * 3 + [PNGS[1]], [0, 0, 0, 1])).sample_ids
    assert len(set(ids.tolist())) == 4
    assert ids[1] == f"{ids[0]}-2"
    assert ids[2] == f"{ids[0]}-3"


def test_an_id_column_can_be_declined(tmp_path, take):
    drop = take(support.write_parquet(tmp_path / "d.parquet", PNGS[:3], [0, 1, 2], ["a", "a", "a"]), id_column="")
    assert len(drop) == 3
    assert drop.manifest["columns"]["id"] is None


def test_missing_media_is_rejected(tmp_path, take, reasons):
    path = support.write_parquet(tmp_path / "d.parquet", [*PNGS[:3], None, b""], [0, 1, 2, 0, 1])
    assert reasons(take(path)) == {"d.parquet#3": "media_missing", "d.parquet#4": "media_missing"}


row_strategy = st.fixed_dictionaries(
    {
        "id": st.one_of(st.none(), st.integers(-2, 5), st.text(max_size=3), st.booleans()),
        "label": st.one_of(st.none(), st.integers(-1, 4), st.floats(), st.sampled_from(["0", "cat", "", "x"])),
        "image": st.one_of(
            st.none(),
            st.just("missing.png"),
            st.text(max_size=4),
            st.lists(st.integers(-1, 256), min_size=4, max_size=4),
            st.lists(st.lists(st.integers(0, 255), min_size=0, max_size=2), max_size=2),
        ),
    }
)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(row_strategy, max_size=8), junk=st.sampled_from(["", "[]", "{", "\ufffd", '"x"', "NaN"]))
def test_every_row_is_kept_or_rejected(tmp_path, rows, junk):
    file = tmp_path / "d.jsonl"
    file.write_text("\n".join([*map(json.dumps, rows), junk]), encoding="utf-8")
    total = len(rows) + bool(junk)
    config = DropConfig(label_names=("cat", "dog", "owl"), id_column="id", input_column="image", label_column="label")
    try:
        drop = ingest(str(file), tmp_path / "drops", config)
    except BadInput as error:
        assert error.code in {"no_row_kept", "nothing_to_learn", "drop_empty", "column_missing"}  # noqa: PT017
        return
    counts = drop.manifest["counts"]
    assert counts["seen"] == total == counts["kept"] + counts["rejected"]
    assert counts["rejected"] == drop.rejected().num_rows == sum(counts["by_reason"].values())
    assert len(drop) == len(drop.inputs) == drop.payload().num_rows == len(set(drop.sample_ids.tolist()))
    assert np.isin(drop.labels, [0, 1, 2]).all()


def test_a_csv_row_with_a_field_too_many_keeps_its_id_among_the_rejected(tmp_path):
    lines = ["id,text,label", *(f"r{row},words of row {row},{row % 2}" for row in range(40)), "r40,one,two,0"]
    (tmp_path / "drop.csv").write_text("\n".join(lines), encoding="utf-8")
    drop = ingest(str(tmp_path / "drop.csv"), tmp_path / "drops")
    (rejected,) = drop.rejected().to_pylist()
    assert rejected["reason_code"] == "row_unreadable"
    assert "4 fields, the header 3" in rejected["reason"]
    assert json.loads(rejected["columns"]) == {"id": "r40", "text": "one", "label": "two"}
