"""Tables: columns of numbers and categories, lists of numbers, missing values, several targets, sets of labels."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.drop import DropConfig, ingest, pack, verify_drop
from telltale_core.drop.grouping import Grouping
from telltale_core.errors import BadInput, ConfigError

ROWS = 300


def columns_of(rows=ROWS, seed=0):
    random = np.random.default_rng(seed)
    return {
        "id": [f"r{row}" for row in range(rows)],
        "age": random.integers(18, 80, rows).tolist(),
        "income": [None if row % 50 == 7 else float(value) for row, value in enumerate(random.normal(5, 2, rows))],
        "town": [("north", "south", "east")[row % 3] for row in range(rows)],
        "target": random.normal(0, 1, rows).tolist(),
    }


def write(folder, columns, name="rows.parquet"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if name.endswith(".parquet"):
        pq.write_table(pa.table(columns), path)
        return folder
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder
    split = "\t" if name.endswith(".tsv") else ","
    lines = [split.join("" if value is None else str(value) for value in row.values()) for row in rows]
    path.write_text("\n".join([split.join(columns), *lines]) + "\n")
    return folder


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.tsv", "rows.jsonl"])
def test_all_formats_give_the_same_packed_rows(tmp_path, name):
    drop = ingest(str(write(tmp_path / "drop", columns_of(), name)), tmp_path / "drops")
    assert (drop.modality, drop.task, len(drop)) == ("table", "regression", ROWS)
    assert drop.manifest["columns"]["input"] == ["age", "income", "town"]
    assert [column["kind"] for column in drop.packing["columns"]] == ["number", "number", "category"]
    assert drop.packing["columns"][2]["categories"] == ["east", "north", "south"]
    assert drop.inputs.dtype == np.float32
    assert np.isnan(drop.inputs[:, 1]).sum() == 6
    by_column = columns_of()
    assert drop.inputs[:3, 2].tolist() == [1.0, 2.0, 0.0]
    assert drop.inputs[:, 0].tolist() == by_column["age"]
    assert drop.targets == pytest.approx(by_column["target"])
    assert verify_drop(drop.path).payload().num_rows == ROWS


def test_a_list_column_called_features_is_the_input(tmp_path):
    values = np.random.default_rng(1).normal(size=(ROWS, 4)).astype(np.float32)
    by_column = columns_of()
    table = {"id": by_column["id"], "features": values.tolist(), "target": by_column["target"]}
    drop = ingest(str(write(tmp_path / "drop", table)), tmp_path / "drops")
    np.testing.assert_array_equal(drop.inputs, values)


def test_rows_that_do_not_fit_their_columns_are_rejected_with_the_columns_name(tmp_path):
    by_column = columns_of()
    by_column["age"] = [*map(str, by_column["age"][:-3]), "young", "inf", ""]
    by_column["income"][-1] = by_column["town"][-1] = None
    by_column["target"][0] = float("nan")
    drop = ingest(str(write(tmp_path / "drop", by_column)), tmp_path / "drops")
    rejected = drop.rejected()
    codes = dict(zip(rejected["sample_id"].to_pylist(), rejected["reason_code"].to_pylist(), strict=True))
    assert codes == {
        "r0": "target_not_finite", "r297": "values_invalid", "r298": "values_invalid", "r299": "media_missing",
    }  # fmt: skip
    assert "'age'" in rejected["reason"].to_pylist()[1]


def test_free_text_among_the_columns_is_refused_with_what_to_do(tmp_path):
    by_column = columns_of(600)
    folder = write(tmp_path / "drop", by_column | {"note": [f"words {row}" for row in range(600)]})
    with pytest.raises(BadInput, match=r"'note'.*input_columns"):
        ingest(str(folder), tmp_path / "drops")
    drop = ingest(str(folder), tmp_path / "drops", DropConfig(input_columns=("age", "town")))
    assert drop.inputs.shape == (600, 2)


def test_rare_categories_share_a_number_and_new_rows_are_packed_like_the_drop(tmp_path):
    by_column = columns_of(900)
    by_column["town"] = [f"t{row % 290}" if row < 580 else "t0" for row in range(900)]
    drop = ingest(str(write(tmp_path / "drop", by_column)), tmp_path / "drops")
    assert drop.inputs[:, 2].max() == 256
    packed = pack(drop, [{"age": "40", "income": None, "town": "t0"}, {"age": 41, "income": 1.5, "town": "unheard of"}])
    assert packed[0, 2] == 0.0
    assert np.isnan(packed[0, 1])
    assert packed[1].tolist() == [41.0, 1.5, 256.0]


def test_several_targets_are_a_list_column_or_columns(tmp_path):
    by_column = columns_of()
    pair = np.stack([by_column["target"], by_column["age"]], axis=1)
    several = {"id": by_column["id"], "income": by_column["income"], "target": pair.tolist()}
    several["target"][5] = [1.0]
    drop = ingest(str(write(tmp_path / "one", several)), tmp_path / "drops")
    assert drop.task == "regression"
    assert drop.manifest["counts"]["by_reason"] == {"target_invalid": 1, "media_missing": 6}
    kept = [int(name[1:]) for name in drop.sample_ids]
    assert drop.targets == pytest.approx(pair[kept])
    config = DropConfig(target_columns=("target", "age"))
    other = ingest(str(write(tmp_path / "two", by_column, "rows.csv")), tmp_path / "drops", config)
    assert other.targets == pytest.approx(pair)
    assert other.manifest["columns"]["target"] == ["target", "age"]
    assert [column["name"] for column in other.packing["columns"]] == ["income", "town"]


def test_label_sets_are_lists_or_columns_of_flags(tmp_path):
    by_column = columns_of()
    sets = [["ab"[k] for k in (0, 1) if row % (k + 2)] + ["c"] * (row % 5 == 0) for row in range(ROWS)]
    listed = {"id": by_column["id"], "income": by_column["income"], "age": by_column["age"], "labels": sets}
    drop = ingest(str(write(tmp_path / "one", listed, "rows.jsonl")), tmp_path / "drops")
    assert (drop.task, drop.num_classes, drop.label_names, drop.labels) == ("multilabel", 3, ("a", "b", "c"), None)
    flags = np.array([[name in labels for name in "abc"] for labels in sets], dtype=np.int64)
    np.testing.assert_array_equal(drop.label_sets, flags)
    columns = {
        "id": by_column["id"],
        "age": by_column["age"],
        **{name: flags[:, k].tolist() for k, name in enumerate("abc")},
    }
    columns["c"][3] = 7
    other = ingest(str(write(tmp_path / "two", columns)), tmp_path / "drops", DropConfig(label_columns=("a", "b", "c")))
    np.testing.assert_array_equal(other.label_sets, np.delete(flags, 3, axis=0))
    assert other.manifest["counts"]["by_reason"] == {"label_invalid": 1}


def test_a_constant_target_and_one_label_set_only_are_refused(tmp_path):
    by_column = columns_of()
    with pytest.raises(BadInput) as error:
        ingest(str(write(tmp_path / "one", by_column | {"target": [0.5] * ROWS})), tmp_path / "drops")
    assert error.value.code == "nothing_to_learn"
    with pytest.raises(ConfigError, match="give one of"):
        DropConfig(target_columns=("a",), label_column="b")


def test_like_targets_are_one_cohort_and_equal_ones_are_never_parted(tmp_path):
    by_column = columns_of(4000)
    by_column["target"] = [1.25 if row % 20 == 0 else value for row, value in enumerate(by_column["target"])]
    drop = ingest(str(write(tmp_path / "drop", by_column)), tmp_path / "drops")
    cohorts = drop.cohorts
    assert cohorts.grouping is Grouping.TARGET_RANGE
    assert len(np.unique(cohorts.number[drop.targets == 1.25])) == 1
    assert len(cohorts.names) == cohorts.number.max() + 1 == 10
    assert np.bincount(cohorts.number).min() > 200
    order = np.argsort(drop.targets, kind="stable")
    assert (np.diff(cohorts.number[order]) >= 0).all()
