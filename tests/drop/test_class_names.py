"""Class names that differ between the places that state them are refused, with both spellings; none is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from telltale_core.errors import BadInput
from tests.support import drops as support

PNGS = [support.make_png(seed) for seed in range(4)]


def shard(path: Path, names: list[str], nested: bool = False) -> Path:
    label: dict[str, object] = {"names": names, "_type": "ClassLabel"}
    other = {"feature": label, "_type": "Sequence"} if nested else {"dtype": "int64", "_type": "Value"}
    plain = {"names": ["cat", "dog"], "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, "label": plain if nested else label, "tags": other}
    ids = [f"{path.stem}{number}" for number in range(4)]
    return support.write_parquet(path, PNGS, [0, 1, 0, 1], ids, features=features, tags=[[0]] * 4)


@pytest.mark.parametrize("nested", [False, True])
def test_files_that_call_a_class_otherwise_are_refused_with_both_names(tmp_path, take, nested):
    shard(tmp_path / "d" / "a.parquet", ["cat", "dog"], nested)
    shard(tmp_path / "d" / "b.parquet", ["cat", "hound"], nested)
    with pytest.raises(BadInput, match=r"'dog' and 'hound' \(label 1\) in 'a\.parquet' and 'b\.parquet'") as error:
        take(tmp_path / "d")
    assert error.value.code == "schema_mismatch"


def test_files_with_the_same_class_names_are_one_drop(tmp_path, take):
    for name in "ab":
        shard(tmp_path / "d" / f"{name}.parquet", ["cat", "dog"])
    assert take(tmp_path / "d").label_names == ("cat", "dog")


def test_where_drop_toml_calls_a_class_otherwise_than_the_metadata_a_person_decides_or_a_setting(tmp_path, take):
    shard(tmp_path / "d" / "a.parquet", ["cat", "dog"])
    (tmp_path / "d" / "drop.toml").write_text('label_names = ["dog", "cat"]')
    drop = take(tmp_path / "d")
    assert drop.label_names == ("cat", "dog")
    assert [question["code"] for question in drop.manifest["questions"]] == ["drop_toml_names"]
    assert take(tmp_path / "d", label_names=("x", "y")).label_names == ("x", "y")
