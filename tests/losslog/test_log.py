import json
import shutil
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from telltale_core.errors import ConfigError, Corrupt, NotFound, OverBudget
from telltale_core.losslog import LogPlan, LossLog, LossLogWriter, StoredLog
from telltale_core.losslog.epochs import SCHEMA, read_epoch


@pytest.fixture
def log():
    random = np.random.default_rng(0)
    losses = random.normal(size=(120, 1)) + random.normal(size=(120, 12))
    ids = [f"s{i}" for i in range(120)]
    return LossLog.from_array(losses, sample_ids=ids, snapshots_per_epoch=2, drop_digest="d" * 64)


def test_a_log_written_and_opened_is_the_same_log(log, tmp_path):
    read = log.write(tmp_path)
    for name in ("sample_ids", "log_loss", "epochs", "steps"):
        np.testing.assert_array_equal(getattr(read, name), getattr(log, name))
    assert (read.drop_digest, len(read)) == (log.drop_digest, 120)
    assert read.log_loss.dtype == np.float32


def test_a_log_that_is_opened_is_what_its_epochs_hold(log, tmp_path):
    log.write(tmp_path)
    parts = [read_epoch(tmp_path, plan_of(log), epoch) for epoch in range(6)]
    read = LossLog.open(tmp_path)
    assert read.log_loss.tobytes() == np.concatenate([losses for _, losses in parts], axis=1).tobytes()
    assert read.log_loss.flags.c_contiguous
    assert read.steps.tolist() == [step for steps, _ in parts for step in steps]


def test_a_log_has_its_drops_own_ids_where_they_are_the_same(log, tmp_path):
    log.write(tmp_path)
    ids = np.array([f"s{i}" for i in range(120)])
    same, other = (SimpleNamespace(digest="d" * 64, sample_ids=order) for order in (ids, ids[::-1]))
    assert LossLog.open(tmp_path, drop=same).sample_ids is ids
    assert LossLog.open(tmp_path, drop=other).sample_ids.tolist() == ids.tolist()


def test_equal_logs_are_equal_bytes_and_digests(log, tmp_path):
    first, second = log.write(tmp_path / "a"), log.write(tmp_path / "b")
    assert first.digest == second.digest
    for path in sorted((tmp_path / "a").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_files_have_the_stated_schema_and_encodings(log, tmp_path):
    log.write(tmp_path)
    with pq.ParquetFile(tmp_path / "member-0" / "epoch-0002.parquet") as file:
        assert file.schema_arrow.equals(SCHEMA)
        assert (file.metadata.num_rows, file.metadata.num_row_groups) == (240, 2)
        sample, *_, loss = (file.metadata.row_group(0).column(i) for i in range(5))
        assert "DELTA_BINARY_PACKED" in sample.encodings
        assert "BYTE_STREAM_SPLIT" in loss.encodings
        assert loss.compression == "ZSTD"


def test_fifty_thousand_samples_by_a_hundred_snapshots_stay_small(tmp_path):
    """Random losses are the worst case: 200 bytes a sample for a hundred float32 would be 400 uncompressed."""
    random = np.random.default_rng(0).normal(-5, 3, size=(5000, 100))
    LossLog.from_array(random).write(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.parquet")) < 5000 * 100 * 4


def middle(folder):
    return folder / "member-0" / "epoch-0001.parquet"


def tear(path):
    path.write_bytes(path.read_bytes()[:-40])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(bytes(data))


def another_epoch(path):
    shutil.copy(path.with_name("epoch-0002.parquet"), path)


def drop_rows(path):
    pq.write_table(pq.read_table(path).slice(0, 239), path)


def duplicate_a_row(path):
    table = pq.read_table(path)
    take = list(range(240))
    take[5] = 4
    pq.write_table(table.take(take), path)


DAMAGES = [tear, flip, another_epoch, drop_rows, duplicate_a_row]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_epoch_file_is_refused_by_name(log, tmp_path, damage):
    log.write(tmp_path)
    damage(middle(tmp_path))
    with pytest.raises(Corrupt, match="epoch-0001"):
        LossLog.open(tmp_path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_epoch_does_not_count_as_standing(log, tmp_path, damage):
    log.write(tmp_path)
    damage(middle(tmp_path))
    files = json.loads((tmp_path / "log.json").read_text())["files"]
    digests = [files[f"member-0/epoch-{epoch:04d}.parquet"] for epoch in range(6)]
    writer = LossLogWriter.create(tmp_path, plan_of(log), log.sample_ids)
    assert writer.epochs_standing(digests) == 1


def plan_of(log):
    return LogPlan(drop_digest=log.drop_digest, n_samples=120, epochs=6, snapshots_per_epoch=2)


def test_a_missing_epoch_file_is_refused_by_name(log, tmp_path):
    log.write(tmp_path)
    middle(tmp_path).unlink()
    with pytest.raises(Corrupt, match=r"epoch-0001\.parquet is missing"):
        LossLog.open(tmp_path)


def test_a_duplicated_epoch_file_is_refused_by_name(log, tmp_path):
    log.write(tmp_path)
    shutil.copy(middle(tmp_path), middle(tmp_path).with_name("epoch-0001 (1).parquet"))
    with pytest.raises(Corrupt, match=r"epoch-0001 \(1\)"):
        LossLog.open(tmp_path)


def test_an_unfinished_log_is_refused(log, tmp_path):
    LossLogWriter.create(tmp_path, plan_of(log), log.sample_ids)
    with pytest.raises(Corrupt, match="unfinished"):
        LossLog.open(tmp_path)


def test_no_log_at_all_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        LossLog.open(tmp_path)


def test_finishing_needs_every_epoch(log, tmp_path):
    writer = LossLogWriter.create(tmp_path, plan_of(log), log.sample_ids)
    with pytest.raises(NotFound, match="member-0/epoch-0000"):
        writer.finish()


def test_a_part_of_an_epoch_cannot_be_written(log, tmp_path):
    writer = LossLogWriter.create(tmp_path, plan_of(log), log.sample_ids)
    with pytest.raises(ConfigError, match="an epoch of this log"):
        writer.write_epoch(0, np.arange(2, dtype=np.int32), log.log_loss[:119, :2])


def test_a_folder_with_another_log_is_not_written_over(log, tmp_path):
    log.write(tmp_path)
    other = LogPlan(drop_digest="e" * 64, n_samples=120, epochs=6, snapshots_per_epoch=2)
    with pytest.raises(ConfigError, match="another drop or plan"):
        LossLogWriter.create(tmp_path, other, log.sample_ids)


def test_a_record_with_nonsense_is_refused(log, tmp_path):
    log.write(tmp_path)
    record = json.loads((tmp_path / "log.json").read_text())
    (tmp_path / "log.json").write_text(json.dumps(record | {"epochs": -1}))
    with pytest.raises(Corrupt, match="does not state"):
        LossLog.open(tmp_path)


def test_a_log_is_written_as_by_earlier_releases_with_one_proxy(log, tmp_path):
    log.write(tmp_path)
    record = json.loads((tmp_path / "log.json").read_text())
    assert record["members"] == 1
    assert sorted(record["files"]) == [
        *(f"member-0/epoch-{epoch:04d}.parquet" for epoch in range(6)),
        "samples.parquet",
    ]


def test_a_log_of_several_proxies_is_refused_with_the_cure(log, tmp_path):
    log.write(tmp_path)
    record = json.loads((tmp_path / "log.json").read_text())
    (tmp_path / "log.json").write_text(json.dumps(record | {"members": 2, "epochs": 3}))
    with pytest.raises(Corrupt, match=r"log\.json must hold the losses of 1 proxy, got 2 .* train again"):
        LossLog.open(tmp_path)
    with pytest.raises(ConfigError, match="another drop or plan"):
        LossLogWriter.create(tmp_path, plan_of(log), log.sample_ids)


def test_a_killed_writers_leavings_are_swept(log, tmp_path):
    log.write(tmp_path)
    leaving = tmp_path / "member-0" / ".part-epoch-0001.parquet-00"
    leaving.write_bytes(b"half")
    LossLogWriter.create(tmp_path, plan_of(log), log.sample_ids)
    assert not leaving.exists()


def test_a_full_disk_is_reported_with_path_and_size_and_leaves_nothing(log, tmp_path, monkeypatch):
    import os

    def full(fd):
        raise OSError(28, os.strerror(28))

    writer = LossLogWriter.create(tmp_path, plan_of(log), log.sample_ids)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OverBudget, match=r"epoch-0000\.parquet \([\d,]+ bytes needed\)"):
        writer.write_epoch(0, np.arange(2, dtype=np.int32), log.log_loss[:, :2])
    assert list((tmp_path / "member-0").iterdir()) == []


def test_non_finite_losses_are_kept_as_they_are_and_told_apart(log, tmp_path):
    losses = log.log_loss.copy()
    losses[3, 5], losses[7, 0] = np.nan, -np.inf
    read = LossLog.from_array(losses, snapshots_per_epoch=2).write(tmp_path)
    np.testing.assert_array_equal(read.log_loss, losses)
    assert np.flatnonzero(~read.finite).tolist() == [3, 7]


def test_two_samples_may_not_share_an_id():
    with pytest.raises(ConfigError, match="distinct ids"):
        LossLog.from_array(np.zeros((2, 3)), sample_ids=["a", "a"])


def test_a_stored_log_reads_the_losses_of_rows_in_any_order(log, tmp_path):
    log.write(tmp_path)
    stored, rows = StoredLog.open(tmp_path), np.array([4, 0, 119, 4])
    np.testing.assert_array_equal(stored.losses_of(rows), log.log_loss[rows])
    np.testing.assert_array_equal(stored.epochs, log.epochs)
    assert stored.digest == LossLog.open(tmp_path).digest
