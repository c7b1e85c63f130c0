"""Every Arrow type that a Parquet file may hold: kept beside the input as it is, or a typed refusal; never a crash."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import tempfile
import uuid
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from telltale_core.drop import Drop, DropConfig, Limits, ingest
from telltale_core.errors import BadInput, TelltaleError
from tests.support import drops as support

PNGS = [support.make_png(seed) for seed in range(4)]


def extension(kind: pa.DataType, values: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, values)


PASSENGERS = {
    "string_view": pa.array(["a", None, "b", "c"], pa.string_view()),
    "binary_view": pa.array([b"a", None, b"b", b"c"], pa.binary_view()),
    "list<string_view>": pa.array([["a"], None, [], ["b", None]], pa.list_(pa.string_view())),
    "large_string": pa.array(["a", None, "b", "c"], pa.large_string()),
    "dictionary": pa.array(["a", None, "b", "a"]).dictionary_encode(),
    "list<dictionary>": pa.ListArray.from_arrays(
        pa.array([0, 1, 2, 2, 3], pa.int32()), pa.array(["a", "b", "a"]).dictionary_encode()
    ),
    "map": pa.array([[("k", "v")], None, [], [("k", None)]], pa.map_(pa.string(), pa.string())),
    "nested struct": pa.array([{"a": {"b": ["x"]}}, None, {"a": None}, {"a": {"b": []}}]),
    "list_view": pa.array([[1], None, [], [2, 3]], pa.list_view(pa.int32())),
    "large_list_view": pa.array([[1], None, [], [2, 3]], pa.large_list_view(pa.int32())),
    "fixed list": pa.array([[1, 2], None, [3, 4], [5, None]], pa.list_(pa.int16(), 2)),
    "decimal128": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal(-3), decimal.Decimal(0)]),
    "decimal256": pa.array([1, None, 2, 3], pa.decimal256(60, 2)),
    "duration": pa.array([1, None, 2, 3], pa.duration("us")),
    "duration ns": pa.array([1, None, 2, 3], pa.duration("ns")),
    "time ns": pa.array([1, None, 2, 3], pa.time64("ns")),
    "timestamp ns": pa.array([1, None, 2**62, -(2**62)], pa.timestamp("ns", "UTC")),
    "timestamp beyond the calendar": pa.array([2**62, None, -(2**62), 0], pa.timestamp("ms")),
    "date": pa.array([dt.date(2020, 1, 1), None, dt.date.min, dt.date.max]),
    "half": pa.array([1.5, None, 2.0, float("nan")], pa.float16()),
    "uint64": pa.array([1, None, 2**64 - 1, 2**63], pa.uint64()),
    "null": pa.nulls(4),
    "uuid": extension(pa.uuid(), pa.array([uuid.UUID(int=i).bytes for i in range(4)], pa.binary(16))),
    "bool8": extension(pa.bool8(), pa.array([1, None, 0, 1], pa.int8())),
    "json": extension(pa.json_(), pa.array(["{}", None, "[]", "1"])),
    "json of views": extension(pa.json_(pa.string_view()), pa.array(["{}", None, "[]", "1"], pa.string_view())),
    "opaque text": extension(pa.opaque(pa.string(), "t", "v"), pa.array(["a", None, "b", "c"])),
}


def write(path: Path, columns: dict[str, pa.Array]) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path


@pytest.mark.parametrize("name", PASSENGERS)
def test_a_column_of_any_type_is_kept_beside_the_input(tmp_path, take, name):
    column = PASSENGERS[name]
    path = write(tmp_path / "d.parquet", {"image": pa.array(PNGS), "label": pa.array([0, 1, 0, 1]), "other": column})
    drop = take(path)
    read = pq.read_table(path)["other"]
    actual = drop.payload()["other"].combine_chunks()
    expected = read.combine_chunks()
    if isinstance(expected, pa.ExtensionArray) and not isinstance(actual, pa.ExtensionArray):
        expected = expected.storage
    if name in {"half", "list_view", "large_list_view"}:  # NaN; what Arrow casts wrongly
        assert repr(actual.to_pylist()) == repr(expected.to_pylist())
    else:
        assert actual.equals(expected.cast(actual.type))


@pytest.mark.parametrize("name", PASSENGERS)
def test_a_column_of_any_type_as_input_id_or_label_ends_in_samples_or_a_typed_error(tmp_path, name):
    column = PASSENGERS[name]
    others = {"label": pa.array([0, 1, 0, 1]), "id": pa.array(list("abcd")), "x": pa.array([1.0, 2.0, 3.0, 4.0])}
    for role, settings_ in {
        "x": [{"input_column": "x", "modality": kind} for kind in ("image", "text", "table")]
        + [{"input_columns": ("x", "id"), "id_column": "", "modality": kind} for kind in ("text", "table")],
        "id": [{"id_column": "id", "input_column": "x", "modality": "table"}],
        "label": [{"label_column": "label", "input_column": "x", "modality": "table"}],
    }.items():
        path = write(tmp_path / f"{role}.parquet", {**others, role: column})
        for options in settings_:
            try:
                check_sum(ingest(str(path), tmp_path / "drops", DropConfig(**options)))
            except TelltaleError:
                continue


def check_sum(drop: Drop) -> None:
    counts = drop.manifest["counts"]
    assert counts["seen"] == counts["kept"] + counts["rejected"]
    assert (len(drop.sample_ids), drop.rejected().num_rows) == (counts["kept"], counts["rejected"])
    assert drop.payload().num_rows == counts["kept"]


def test_polars_like_views_are_read_as_texts_and_labels(tmp_path, take):
    columns = {
        "id": pa.array(list("abcd"), pa.string_view()),
        "text": pa.array(["red", "green", "blue", "grey"], pa.string_view()),
        "label": pa.array(["x", "y", "x", "y"], pa.string_view()),
    }
    drop = take(write(tmp_path / "d.parquet", columns))
    assert drop.sample_ids.tolist() == list("abcd")
    assert drop.label_names == ("x", "y")


def test_files_with_texts_and_with_views_of_texts_are_one_drop(tmp_path, take):
    (tmp_path / "d").mkdir()
    for number, kind in enumerate([pa.string(), pa.string_view()]):
        columns = {"id": pa.array([f"{number}a", f"{number}b"], kind), "image": pa.array(PNGS[:2]), "label": [0, 1]}
        write(tmp_path / "d" / f"{number}.parquet", columns)
    assert len(take(tmp_path / "d")) == 4


def test_a_uuid_column_is_an_id(tmp_path, take):
    ids = [uuid.UUID(int=number) for number in range(4)]
    column = extension(pa.uuid(), pa.array([one.bytes for one in ids], pa.binary(16)))
    drop = take(write(tmp_path / "d.parquet", {"id": column, "image": pa.array(PNGS), "label": [0, 1, 0, 1]}))
    assert drop.sample_ids.tolist() == [str(one) for one in ids]


def test_repeated_column_names_are_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array(PNGS), pa.array([0, 1, 0, 1]), pa.array([0, 1, 0, 1])], ["image", "a", "a"])
    pq.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(BadInput, match="columns_unclear"):
        ingest(str(tmp_path / "d.parquet"), tmp_path / "drops")


@pytest.mark.parametrize("number", [2**53 + 1, -(2**62) - 1, 2**63 - 1, 2**64 + 1])
def test_whole_numbers_that_no_float_holds_keep_their_digits_beside_fractions(tmp_path, take, number):
    rows = [{"image": [[0]], "label": 0, "id": number, "n": number}, {"image": [[9]], "label": 1, "id": 7, "n": 0.5}]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    drop = take(tmp_path / "d.jsonl")
    assert drop.sample_ids.tolist() == [str(number), "7"]
    assert [str(value) for value in drop.payload()["n"].to_pylist()] == [str(number), "0.5"]


def test_small_whole_numbers_beside_fractions_are_fractions(tmp_path, take):
    rows = [{"image": [[0]], "label": 0, "n": 2**53}, {"image": [[9]], "label": 1, "n": 0.5}]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert take(tmp_path / "d.jsonl").payload()["n"].to_pylist() == [2.0**53, 0.5]


def test_lists_within_lists_beyond_reason_reject_their_row_only(tmp_path, take, reasons):
    deep = "[" * 400 + "]" * 400
    lines = [f'{{"image": [[{i}]], "label": {label}, "o": []}}' for i, label in enumerate([0, 1, 0])]
    lines += [f'{{"image": [[5]], "label": 0, "o": {deep}}}', f'{{"image": [[5]], "label": {deep}}}']
    (tmp_path / "d.jsonl").write_text("\n".join([*lines, f'{{"image": {deep}, "label": 1}}']))
    codes = reasons(take(tmp_path / "d.jsonl"))
    assert codes == {"d.jsonl#3": "row_unreadable", "d.jsonl#4": "label_invalid", "d.jsonl#5": "values_invalid"}


FLAT = st.sampled_from(
    [
        pa.null(), pa.bool_(), pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float64(), pa.string(), pa.binary(),
        pa.large_string(), pa.string_view(), pa.binary_view(), pa.binary(3), pa.date32(), pa.timestamp("ns"),
        pa.timestamp("s", "UTC"), pa.time64("ns"), pa.duration("ns"), pa.decimal128(20, 3), pa.decimal256(50, 0),
        pa.dictionary(pa.int32(), pa.string()),
    ]
)  # fmt: skip
KINDS = st.recursive(
    FLAT,
    lambda inner: st.one_of(
        inner.map(pa.list_),
        inner.map(pa.large_list),
        inner.map(pa.list_view),
        inner.map(lambda kind: pa.list_(kind, 2)),
        inner.map(lambda kind: pa.map_(pa.string(), kind)),
        st.lists(inner, min_size=1, max_size=3).map(lambda all_: pa.struct([(f"f{i}", k) for i, k in enumerate(all_)])),
    ),
    max_leaves=4,
)


NAMES = ["id", "image", "label", "target", "text", "features", "pixels", "a", "b.c", "\u00e9"]


def cells(kind: pa.DataType, rng: np.random.Generator, count: int) -> list[object]:
    """Random Python values of an Arrow type, a fifth of them null."""
    return [None if rng.random() < 0.2 or pa.types.is_null(kind) else cell(kind, rng) for _ in range(count)]


def cell(kind: pa.DataType, rng: np.random.Generator) -> object:
    if pa.types.is_map(kind):
        return [(f"k{i}", one) for i, one in enumerate(cells(kind.item_type, rng, int(rng.integers(3))))]
    if pa.types.is_fixed_size_list(kind):
        return cells(kind.value_type, rng, kind.list_size)
    if pa.types.is_struct(kind):
        return {field.name: cells(field.type, rng, 1)[0] for field in kind}
    if pa.types.is_nested(kind):
        return cells(kind.value_type, rng, int(rng.integers(3)))
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return str(rng.choice(["", "a", "b", "7", "0.5", "\u202ex", "long" * 30]))
    if kind == pa.string_view():
        return str(rng.choice(["a", "b"]))
    if pa.types.is_fixed_size_binary(kind):
        return bytes(rng.bytes(kind.byte_width))
    if pa.types.is_decimal(kind):
        return decimal.Decimal(int(rng.integers(-9, 9)))
    if pa.types.is_floating(kind):
        return float(rng.choice([0.0, 1.0, -2.5, np.nan, np.inf]))
    if pa.types.is_boolean(kind):
        return bool(rng.integers(2))
    if pa.types.is_integer(kind):
        return int(rng.choice([0, 1, 2, 100]))
    if pa.types.is_temporal(kind):
        return pa.scalar(int(rng.integers(0, 1 << (14 if kind.bit_width == 32 else 40))), _of_width(kind)).cast(kind)
    return bytes(rng.bytes(int(rng.integers(4)))) if rng.random() < 0.5 else PNGS[int(rng.integers(4))]


def _of_width(kind: pa.DataType) -> pa.DataType:
    return pa.int32() if kind.bit_width == 32 else pa.int64()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    kinds=st.dictionaries(
        st.sampled_from(["id", "image", "label", "target", "text", "features", "pixels", "a", "b.c", "\u00e9"]),
        KINDS,
        min_size=1,
        max_size=5,
    ),
    rows=st.integers(0, 9),
    seed=st.integers(0, 1 << 16),
    easy=st.booleans(),
    modality=st.sampled_from([None, "image", "text", "table"]),
    small=st.booleans(),
)
def test_any_table_ends_in_kept_and_rejected_rows_or_a_typed_error(kinds, rows, seed, easy, modality, small):
    rng = np.random.default_rng(seed)
    columns = {name: pa.array(cells(kind, rng, rows), kind) for name, kind in kinds.items()}
    if easy:  # what can be learnt from, so that most such drops are kept
        columns["label"] = pa.array([number % 2 for number in range(rows)], pa.int64())
        columns["image"] = pa.array([PNGS[number % 4] for number in range(rows)], pa.binary())
    limits = Limits(max_decoded_row_bytes=400, max_field_bytes=100, max_media_bytes=300) if small else Limits()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.parquet"
        try:
            pq.write_table(
                pa.table(columns), path, row_group_size=int(rng.integers(1, 9)), use_dictionary=bool(seed % 2)
            )
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            return  # pyarrow cannot write it
        try:
            check_sum(ingest(str(path), Path(folder) / "drops", DropConfig(modality=modality, limits=limits)))
        except TelltaleError:
            return
