"""What a local publication reports stays through a power cut: shown by the order of its system calls."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Any

import pytest

from telltale_core.publish import log, publish, verify
from telltale_core.storage import open_store
from telltale_core.storage.local import LEFT_OVER_S
from tests.support import storage as support

Call = tuple[str, Path]


class Disk:
    """Records what is made, linked and synced, and says what a power cut after any call would leave."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[Call] = []
        real = {name: getattr(os, name) for name in ("fsync", "link", "mkdir")}

        def fsync(handle: int) -> None:
            real["fsync"](handle)
            self.calls.append(("fsync", Path(f"/proc/self/fd/{handle}").readlink()))

        def link(source: Any, target: Any, **more: Any) -> None:
            assert ("fsync", Path(source)) in self.calls, f"{target} gets its name before its bytes are on disk"
            real["link"](source, target, **more)
            self.calls.append(("made", Path(target)))

        def mkdir(path: Any, *rest: Any, **more: Any) -> None:
            real["mkdir"](path, *rest, **more)
            self.calls.append(("made", Path(path)))

        for name, function in (("fsync", fsync), ("link", link), ("mkdir", mkdir)):
            monkeypatch.setattr(os, name, function)

    def kept(self, calls: int, top: Path) -> set[Path]:
        """Return which names below ``top`` are sure to be on disk after so many calls, with all folders above them."""
        synced: set[Path] = set()
        waiting: set[Path] = set()
        for kind, path in self.calls[:calls]:
            if kind == "made":
                waiting.add(path)
            else:
                synced |= {name for name in waiting if name.parent == path}
        return {path for path in synced if all(p in synced for p in path.parents if top in p.parents)}


@pytest.fixture
def job(tmp_path):
    return support.make_job(tmp_path / "job", n=12, images=False)


def go(job, out, run_key="r"):
    return publish(*job, out, run_key=run_key, lineage=support.CODE)


def test_whenever_the_power_is_cut_a_manifest_has_all_that_it_names(job, tmp_path, monkeypatch):
    """Data before its name, names before the manifest, the manifest's name before success; up to the root's parent."""
    out = tmp_path / "made" / "too" / "out"
    disk = Disk(monkeypatch)
    versions = [go(job, out, run_key) for run_key in ("1", "2")]
    for version in versions:
        manifest = out / "_versions" / f"{version.number:08d}.json"
        blobs = {out / blob.path for blob in version.blobs()}
        committed = disk.calls.index(("made", manifest))
        assert disk.kept(committed, tmp_path) >= blobs
        assert manifest in disk.kept(len(disk.calls), tmp_path)
    new_paths = {path for kind, path in disk.calls if kind == "made"} - {out / ".tmp"}
    assert {out, out.parent, out.parent.parent, out / "_versions", out / "_mirror", out / "blobs"} <= new_paths
    assert new_paths <= disk.kept(len(disk.calls), tmp_path)


@pytest.mark.parametrize("killed_after", ["blobs", "manifest"])
def test_what_a_killed_publisher_left_unsynced_is_synced_before_it_is_relied_on(
    job, tmp_path, monkeypatch, killed_after
):
    twin, out = tmp_path / "twin", tmp_path / "out"
    version = go(job, twin)
    names = [blob.path for blob in version.blobs()]
    for name in [*names, *(["_versions/00000001.json"] if killed_after == "manifest" else [])]:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes((twin / name).read_bytes())
    disk = Disk(monkeypatch)
    assert go(job, out).number == 1
    synced = [path for kind, path in disk.calls if kind == "fsync"]
    if killed_after == "manifest":
        assert {out / "_versions", out, tmp_path} <= set(synced)
        return
    before = synced[: synced.index(out / "_versions")]
    for name in names:
        assert {(out / name).parent, (out / name).parent.parent, out / "blobs", out, tmp_path} <= set(before)


def test_a_name_that_stood_already_is_synced_by_who_finds_it(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "k").write_bytes(b"x")
    disk = Disk(monkeypatch)
    open_store(tmp_path).create("a/k", b"x")
    assert ("fsync", tmp_path / "a") in disk.calls


def test_a_root_in_a_folder_of_others_is_no_obstacle(tmp_path, monkeypatch):
    real = os.open

    def refuse(path, *rest, **more):
        if Path(path) == tmp_path:
            raise PermissionError(13, "not yours")
        return real(path, *rest, **more)

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os, "open", refuse)
    open_store(tmp_path / "out").create("a/k", b"x")


def left_over(root: Path, name: str, age_s: float) -> Path:
    path = root / ".tmp" / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"half a blob")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_scratch_of_the_dead_is_swept_and_that_of_the_living_is_not(job, tmp_path):
    dead, young = left_over(tmp_path, "dead", 2 * LEFT_OVER_S), left_over(tmp_path, "young", 60)
    held = left_over(tmp_path, "held", 2 * LEFT_OVER_S)
    with held.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        go(job, tmp_path)
        assert [path.exists() for path in (dead, young, held)] == [False, True, True]
    go(job, tmp_path, "next")
    assert [path.exists() for path in (dead, young, held)] == [False, True, False]
    assert len(log(tmp_path)) == 2
    assert verify(tmp_path).ok


def test_a_file_that_is_being_written_is_locked_and_an_old_one_survives_a_sweep(tmp_path):
    store = open_store(tmp_path)
    with store.transport._finished(b"slow") as temp:
        os.utime(temp, (0, 0))
        open_store(tmp_path).create("other", b"x")
        assert temp.exists()
    assert not temp.exists()


def test_a_file_swept_before_it_was_locked_is_begun_again(tmp_path, monkeypatch):
    real, swept = fcntl.flock, []

    def late(file, how):
        if not swept:
            swept.append(Path(file.name))
            swept[0].unlink()
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    store = open_store(tmp_path)
    store.create("k", b"x")
    assert (store.read("k"), len(swept)) == (b"x", 1)
