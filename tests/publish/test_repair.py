"""A lost manifest is not lost data: gc refuses, a retry does not say that all is well, `verify --repair` mends it."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from telltale_core.errors import Corrupt, NotFound
from telltale_core.publish import (
    PublishConfig,
    Sources,
    gc,
    log,
    publish,
    read_version,
    repair,
    restore,
    verify,
)
from telltale_core.publish.blob_writer import MIN_GRACE_S
from telltale_core.publish.manifest import MIRROR, key_of
from tests.support import storage as support

SMALL = PublishConfig(shard_bytes=2000)


@pytest.fixture
def job(tmp_path):
    return support.make_job(tmp_path / "job")


def go(job, out, run_key="1"):
    page = job[1] / "report.html"
    page.write_text("<p>found</p>")
    return publish(*job, out, run_key=run_key, lineage=support.CODE, config=SMALL, report=page)


@pytest.fixture
def out(job, tmp_path):
    """Three versions of one drop; all blobs are so old that gc may take them."""
    out = tmp_path / "out"
    go(job, out)
    restore(out, ["s0-0001"], reason="fine", by="ann")
    restore(out, ["s0-0002"], reason="fine", by="ann")
    then = time.time() - MIN_GRACE_S - 3600
    for path in (out / "blobs").rglob("*.*"):
        os.utime(path, (then, then))
    return out


def sources(job):
    return lambda _version: Sources(drop=job[0], verdict_dir=job[1], config=SMALL, report=job[1] / "report.html")


def nothing(_version):
    raise NotFound("the work area holds no drop")


def files(out: Path) -> dict[str, bytes]:
    contents = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return {key: data for key, data in contents.items() if not key.startswith(".tmp")}


def forget(out: Path, name: str) -> None:
    """Lose the manifests of a case: all, or the one of this number; with or without what stands in the mirror."""
    for folder in ("_versions", MIRROR) if name.endswith("both") else ("_versions",):
        if name.startswith("all"):
            shutil.rmtree(out / folder)
        else:
            (out / folder / f"{int(name[0]):08d}.json").unlink()


@pytest.mark.parametrize("lost", ["all", "1", "2", "3", "all both", "1 both", "2 both"])
def test_gc_removes_nothing_where_a_manifest_is_lost_and_names_the_cure(out, lost):
    forget(out, lost)
    before = files(out)
    with pytest.raises((Corrupt, NotFound), match=r"--repair|from a backup"):
        gc(out, older_than_s=MIN_GRACE_S, dry_run=False)
    assert files(out) == before


@pytest.mark.parametrize("lost", ["all", "1", "2", "3"])
def test_what_reads_or_publishes_refuses_where_a_manifest_is_lost(job, out, lost):
    forget(out, lost)
    for read in (log, lambda out: go(job, out, "next"), lambda out: restore(out, ["s0-0003"], reason="x", by="ann")):
        with pytest.raises(Corrupt, match="is missing, but it was published"):
            read(out)
    if lost in {"all", "3"}:
        with pytest.raises(Corrupt, match="00000003"):
            read_version(out)


@pytest.mark.parametrize("lost", ["all", "1", "2", "3"])
def test_repair_writes_lost_manifests_from_the_mirror(out, lost):
    before = files(out)
    forget(out, lost)
    done = repair(out, nothing)
    assert (len(done.written), done.unrepaired) == (3 if lost == "all" else 1, ())
    assert files(out) == before
    assert verify(out).problems == verify(out).notes == ()


@pytest.mark.parametrize("folder", ["_versions", MIRROR])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_repair_writes_over_a_damaged_manifest_and_a_damaged_mirror(out, folder, number):
    before = files(out)
    path = out / key_of(number, folder)
    path.write_bytes(support.flip_bit(path.read_bytes(), random.Random(number)))
    assert [Path(url) for url in repair(out, nothing).written] == [path]
    assert files(out) == before


def test_repair_says_what_stands_nowhere(out):
    forget(out, "2 both")
    done = repair(out, nothing)
    assert done.written == ()
    assert "00000002.json are both lost or damaged: restore one of them from a backup" in done.unrepaired[0]


@pytest.mark.parametrize("harm", ["gone", "flipped"])
@pytest.mark.parametrize("number", [1, 3])
def test_repair_makes_every_blob_of_a_version_again(job, out, harm, number):
    before = files(out)
    blobs = list(read_version(out, number).blobs())
    for blob in blobs:
        path = out / blob.path
        path.write_bytes(support.flip_bit(path.read_bytes(), random.Random(1)))
        if harm == "gone":
            path.unlink()
    assert len(verify(out, number).problems) >= len(blobs)
    done = repair(out, sources(job), number)
    assert done.unrepaired == ()
    assert len(done.written) >= len(blobs)
    assert verify(out, number).ok
    now = files(out)
    assert {key: before[key] for key in now} == now


def test_repair_names_what_the_work_area_cannot_give(job, out):
    hurt = out / next(read_version(out, 1).blobs("report")).path
    hurt.write_bytes(b"?")
    (job[1] / "report.html").write_text("<p>another</p>")
    done = repair(out, sources(job), 1)
    assert done.written == ()
    assert hurt.name in done.unrepaired[0]
    assert hurt.read_bytes() == b"?"
    assert any("the work area holds no drop" in line for line in repair(out, nothing, 1).unrepaired)


@pytest.mark.parametrize("harm", ["gone", "flipped"])
def test_a_retry_of_a_damaged_version_is_not_called_done(job, out, harm):
    path = out / next(read_version(out, 1).blobs("quarantine")).path
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(support.flip_bit(path.read_bytes(), random.Random(2)))
    with pytest.raises(Corrupt, match=r"version 1, which this run published, is damaged.*--repair"):
        go(job, out)
    repair(out, sources(job), 1)
    assert go(job, out).number == 1


def test_a_retry_of_a_damaged_restore_is_not_called_done(job, out):
    (out / next(read_version(out).blobs("index")).path).unlink()
    with pytest.raises(Corrupt, match="version 3"):
        restore(out, ["s0-0002"], reason="fine", by="ann")
    assert repair(out, sources(job)).unrepaired == ()
    assert restore(out, ["s0-0002"], reason="fine", by="ann").number == 3


def test_a_mirror_that_could_not_be_written_is_made_up_for(job, tmp_path):
    store, transport = support.faulty_store(
        f"memory://{tmp_path.name}/d",
        lambda operation, key: (
            ("before", support.InjectedReply(403, "AccessDenied"))
            if operation == "create" and key.startswith(MIRROR)
            else None
        ),
    )
    assert go(job, store).number == 1
    assert verify(store).ok
    assert "has no mirror yet" in verify(store).notes[0]
    transport.plan = lambda *_: None
    go(job, store)
    assert verify(store).notes == ()


def test_gc_makes_up_for_a_mirror_before_it_removes_anything(job, out):
    shutil.rmtree(out / MIRROR)
    loose = out / "blobs" / "sha256" / "ab" / f"ab{0:062d}.parquet"
    loose.parent.mkdir(exist_ok=True)
    loose.write_bytes(b"left by a crash")
    os.utime(loose, (0, 0))
    assert len(gc(out, older_than_s=MIN_GRACE_S, dry_run=False).removed) == 1
    assert len(list((out / MIRROR).iterdir())) == 3


def test_a_number_given_twice_after_a_loss_is_noticed(job, tmp_path):
    for name in ("a", "b"):
        go(job, tmp_path / name, f"run {name}")
    (tmp_path / "a" / key_of(1)).write_bytes((tmp_path / "b" / key_of(1)).read_bytes())
    assert "is not its manifest" in verify(tmp_path / "a").problems[0]
    assert "differ, and nothing says which of them is right" in repair(tmp_path / "a", nothing).unrepaired[0]
