"""The folder on disk: named by content, the same bytes for the same drop, whole or not there."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from telltale_core.drop import Drop, DropConfig, ingest, public_source, verify_drop
from telltale_core.drop.record import FILES
from telltale_core.drop.workspace import workspace
from telltale_core.errors import Corrupt, NotFound
from telltale_core.modality.reasons import DROP_REASONS, ROW_REASONS
from tests.support import drops as support


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


def test_the_same_rows_found_again_have_the_name_and_source_of_this_ingest(tmp_path, source):
    ingest(str(source), tmp_path / "drops", DropConfig(name="first"))
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(source, tmp_path / "elsewhere" / "train.parquet")
    again = ingest(str(tmp_path / "elsewhere"), tmp_path / "drops")
    assert (again.name, again.manifest["source"]) == ("elsewhere", "elsewhere")
    assert again.manifest["config"]["name"] is None
    assert (Drop.open(again.path).name, len(list((tmp_path / "drops").iterdir()))) == ("first", 1)


@pytest.mark.parametrize("address_template", ["{}", "file://{}", "{}/"])
def test_of_a_local_source_only_the_last_part_of_its_path_is_told(tmp_path, source, address_template):
    drop = ingest(address_template.format(source.parent), tmp_path / "drops")
    assert (drop.name, drop.manifest["source"]) == ("in", "in")
    assert str(tmp_path) not in (drop.path / "manifest.json").read_text()


@pytest.mark.parametrize("url", ["s3://raw/drops/four", "s3://raw/drops/four/", "gs://raw/drops/four"])
def test_a_url_is_told_whole(url):
    assert public_source(url) == url.rstrip("/")


def test_one_changed_pixel_changes_the_digest(tmp_path, source):
    images = [support.make_png(seed) for seed in range(8)] + [support.make_png(99), b"bad"]
    other = support.write_parquet(
        tmp_path / "o" / "train.parquet", images, [i % 3 for i in range(10)], [f"n{i}" for i in range(10)]
    )
    assert ingest(str(source), tmp_path / "a").digest != ingest(str(other), tmp_path / "a").digest


def test_left_over_temporary_folders_do_not_confuse(tmp_path, source):
    folder = tmp_path / "drops" / ".tmp-0123456789abcdef" / "drop"
    folder.mkdir(parents=True)
    (folder / "inputs.npy").write_bytes(b"half")
    drop = ingest(str(source), tmp_path / "drops")
    assert verify_drop(drop.path).digest == drop.digest
    with pytest.raises(NotFound):
        Drop.open(folder)


def leave(drops: Path, name: str, age_h: float) -> Path:
    folder = drops / name
    (folder / "drop").mkdir(parents=True)
    (folder / "drop" / "inputs.npy").write_bytes(b"half")
    at = time.time() - 3600 * age_h
    os.utime(folder, (at, at))
    return folder


def test_the_next_ingest_removes_what_killed_ones_left_a_day_ago(tmp_path, source):
    old = leave(tmp_path / "drops", ".tmp-0123456789abcdef", 25)
    fresh = leave(tmp_path / "drops", ".tmp-fedcba9876543210", 23)
    foreign = leave(tmp_path / "drops", ".tmp-of-somebody-else", 1000)
    broken = leave(tmp_path / "drops", ".broken-0123456789abcdef", 1000)
    drop = ingest(str(source), tmp_path / "drops")
    assert set((tmp_path / "drops").iterdir()) == {fresh, foreign, broken, drop.path}
    assert not old.exists()


def test_the_folder_of_an_ingest_that_runs_for_days_stays(tmp_path, source):
    with workspace(tmp_path / "drops") as space:
        at = time.time() - 72 * 3600
        os.utime(space.path, (at, at))
        ingest(str(source), tmp_path / "drops")
        assert (space.path / "drop").is_dir()
    assert not space.path.exists()


def test_a_link_in_the_place_of_a_left_over_folder_is_not_followed(tmp_path, source):
    precious = leave(tmp_path, "precious", 1000)
    (tmp_path / "drops").mkdir()
    (tmp_path / "drops" / ".tmp-0123456789abcdef").symlink_to(precious)
    ingest(str(source), tmp_path / "drops")
    assert (precious / "drop" / "inputs.npy").read_bytes() == b"half"


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
    place = data.index(b'"kept":9') + 7 if name == "manifest.json" else len(data) // 2
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
    import telltale_core.drop as package

    text = (Path(package.__file__).parent / "README.md").read_text(encoding="utf-8")
    missing = [code for code in {**ROW_REASONS, **DROP_REASONS} if f"`{code}`" not in text]
    assert not missing
