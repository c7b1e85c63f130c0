"""The folder on disk: named by content, the same bytes for the same drop, whole or not there."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import telltale_drop_support as support

from telltale_core.drop import Drop, DropConfig, ingest, verify_drop
from telltale_core.drop.reasons import DROP_REASONS, ROW_REASONS
from telltale_core.drop.record import FILES
from telltale_core.errors import Corrupt, NotFound


@pytest.fixture
def source(tmp_path: Path) -> Path:
    images: list[bytes | None] = [*(support.make_png(seed) for seed in range(9)), b"bad"]
    labels: list[object] = [i % 3 for i in range(10)]
    return support.write_parquet(tmp_path / "in" / "train.parquet", images, labels, [f"n{i}" for i in range(10)])


def test_the_same_drop_from_another_place_gives_the_same_digest_and_bytes(tmp_path, source):
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(source, tmp_path / "elsewhere" / "train.parquet")
    first = ingest(str(source), tmp_path / "a")
    second = ingest(str(tmp_path / "elsewhere"), tmp_path / "b", DropConfig(name="other"))
    assert first.digest == second.digest
    for name in FILES:
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes()


def test_ingesting_twice_reuses_the_folder(tmp_path, source):
    first = ingest(str(source), tmp_path / "drops")
    before = (first.path / "manifest.json").stat().st_mtime_ns
    second = ingest(str(source), tmp_path / "drops", DropConfig(name="renamed"))
    assert second.path == first.path
    assert (first.path / "manifest.json").stat().st_mtime_ns == before
    assert [path.name for path in (tmp_path / "drops").iterdir()] == [first.digest]


def test_one_changed_pixel_changes_the_digest(tmp_path, source):
    images = [support.make_png(seed) for seed in range(8)] + [support.make_png(99), b"bad"]
    other = support.write_parquet(
        tmp_path / "o" / "train.parquet", images, [i % 3 for i in range(10)], [f"n{i}" for i in range(10)]
    )
    assert ingest(str(source), tmp_path / "a").digest != ingest(str(other), tmp_path / "a").digest


def test_left_over_temporary_folders_do_not_confuse(tmp_path, source):
    left = tmp_path / "drops" / ".tmp-0123456789abcdef" / "drop"
    left.mkdir(parents=True)
    (left / "inputs.npy").write_bytes(b"half")
    drop = ingest(str(source), tmp_path / "drops")
    assert verify_drop(drop.path).digest == drop.digest
    with pytest.raises(NotFound):
        Drop.open(left)


def test_a_failing_ingest_leaves_nothing_behind(tmp_path, source, monkeypatch):
    stage = importlib.import_module("telltale_core.drop.ingest")
    monkeypatch.setattr(stage, "_move_into_place", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ingest(str(source), tmp_path / "drops")
    assert not list((tmp_path / "drops").iterdir())


def test_a_damaged_folder_is_put_aside_and_written_again(tmp_path, source):
    drop = ingest(str(source), tmp_path / "drops")
    (drop.path / "inputs.npy").write_bytes(b"damaged")
    again = ingest(str(source), tmp_path / "drops")
    assert verify_drop(again.path).digest == drop.digest
    assert [path.name[:8] for path in (tmp_path / "drops").iterdir() if path.name.startswith(".")] == [".broken-"]


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_verify_finds_a_flipped_byte_in_any_file(tmp_path, source, name):
    drop = ingest(str(source), tmp_path / "drops")
    data = bytearray((drop.path / name).read_bytes())
    place = data.index(b'"kept": 9') + 8 if name == "manifest.json" else len(data) // 2
    data[place] ^= 1
    (drop.path / name).write_bytes(data)
    with pytest.raises(Corrupt):
        verify_drop(drop.path)


def test_open_refuses_another_format(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"format": "telltale.drop/9"}))
    with pytest.raises(Corrupt, match=r"telltale\.drop/9"):
        Drop.open(tmp_path)


def test_rows_of_all_files_stand_side_by_side(tmp_path, source):
    drop = ingest(str(source), tmp_path / "drops")
    samples = drop.samples()
    assert samples["sample_id"].to_pylist() == drop.sample_ids.tolist() == drop.payload()["id"].to_pylist()
    assert drop.labels is not None
    assert drop.labels.tolist() == drop.payload()["label"].to_pylist()
    assert isinstance(drop.inputs, np.memmap)
    assert not drop.inputs.flags.writeable


def test_hugging_face_datasets_loads_the_payload(tmp_path, source):
    datasets = pytest.importorskip("datasets")
    drop = ingest(str(source), tmp_path / "drops")
    rows = datasets.Dataset.from_parquet(str(drop.path / "payload.parquet"), cache_dir=str(tmp_path / "cache"))
    assert rows.features["label"].names == ["cat", "dog", "owl"]
    np.testing.assert_array_equal(np.asarray(rows[4]["image"]), drop.inputs[4])


def test_every_reason_code_is_documented():
    import telltale_core.drop as room

    text = (Path(room.__file__).parent / "README.md").read_text(encoding="utf-8")
    missing = [code for code in {**ROW_REASONS, **DROP_REASONS} if f"`{code}`" not in text]
    assert not missing
