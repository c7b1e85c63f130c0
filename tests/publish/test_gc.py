from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from telltale_core.errors import ConfigError, Corrupt
from telltale_core.publish import PublishConfig, gc, log, publish, verify
from telltale_core.publish.blob_writer import MIN_GRACE_S
from tests.support import storage as support

OLD_S = MIN_GRACE_S + 3600


@pytest.fixture
def job(tmp_path):
    return support.make_job(tmp_path / "job")


def age(path: Path) -> None:
    then = time.time() - OLD_S
    os.utime(path, (then, then))


def orphan(out: Path, *, old: bool) -> Path:
    path = out / "blobs" / "sha256" / "ab" / f"ab{old:062d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left by a crash")
    if old:
        age(path)
    return path


def test_gc_removes_only_old_blobs_that_no_version_names(job, tmp_path):
    out = tmp_path / "out"
    publish(*job, out, run_key="r", lineage=support.CODE)
    old, young = orphan(out, old=True), orphan(out, old=False)
    for path in (out / "blobs").rglob("*.parquet"):
        if path != young:
            age(path)
    report = gc(out, older_than_s=MIN_GRACE_S, dry_run=False)
    assert [Path(key).name for key in report.removed] == [old.name]
    assert (old.exists(), young.exists(), report.young) == (False, True, 1)
    assert verify(out).ok


def test_gc_removes_nothing_unless_told_to(job, tmp_path):
    out = tmp_path / "out"
    publish(*job, out, run_key="r", lineage=support.CODE)
    old = orphan(out, old=True)
    assert len(gc(out, older_than_s=MIN_GRACE_S).removed) == 1
    assert old.exists()


def test_gc_refuses_a_grace_that_a_publish_could_outlast(tmp_path):
    with pytest.raises(ConfigError, match="older_than_s"):
        gc(tmp_path, older_than_s=MIN_GRACE_S - 1)


def test_gc_removes_nothing_where_a_manifest_cannot_be_read(job, tmp_path):
    out = tmp_path / "out"
    publish(*job, out, run_key="r", lineage=support.CODE)
    old = orphan(out, old=True)
    (out / "_versions" / "00000001.json").write_text("{}")
    with pytest.raises(Corrupt):
        gc(out, dry_run=False, older_than_s=MIN_GRACE_S)
    assert old.exists()


def test_an_old_unnamed_blob_is_not_relied_on(job, tmp_path):
    out, twin = tmp_path / "out", tmp_path / "twin"
    config = PublishConfig(shard_bytes=2000)
    wanted = publish(*job, twin, run_key="r", lineage=support.CODE, config=config)
    for blob in list(wanted.blobs("files"))[:2]:
        path = out / blob.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((twin / blob.path).read_bytes())
        age(path)
    version = publish(*job, out, run_key="r", lineage=support.CODE, config=config)
    assert {b.sha256 for b in version.blobs("files")} == {b.sha256 for b in wanted.blobs("files")}
    report = gc(out, older_than_s=MIN_GRACE_S, dry_run=False)
    assert len(report.removed) == 2
    assert verify(out).ok


def test_a_blob_damaged_by_a_crash_is_replaced_under_another_name(job, tmp_path):
    out, twin = tmp_path / "out", tmp_path / "twin"
    blob = next(publish(*job, twin, run_key="r", lineage=support.CODE).blobs("files"))
    path = out / blob.path
    path.parent.mkdir(parents=True)
    path.write_bytes((twin / blob.path).read_bytes()[:-1] + b"?")
    version = publish(*job, out, run_key="r", lineage=support.CODE)
    assert next(version.blobs("files")).path != blob.path
    assert verify(out).ok
    assert len(log(out)) == 1
