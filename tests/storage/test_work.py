from __future__ import annotations

import uuid

import pytest

from telltale_core.errors import BadInput, NotFound
from telltale_core.storage import WorkArea

RECORD = "train.json"


@pytest.fixture(params=["memory", "s3"])
def remote(request):
    return request.getfixturevalue("s3_url") if request.param == "s3" else f"memory://{uuid.uuid4().hex}/data"


def fill(area: WorkArea, *names: str, content: str = "x"):
    for name in names:
        path = area.path("train", "k1") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_a_local_root_is_the_folder_itself(tmp_path):
    area = WorkArea(tmp_path)
    assert area.path("train", "k1") == tmp_path / "train" / "k1"
    with pytest.raises(NotFound, match="run the stage 'train'"):
        area.fetch("train", "k1", RECORD)
    fill(area, "losslog/a", RECORD)
    assert area.push("train", "k1", RECORD) == 0
    assert area.has("train", "k1", RECORD)
    assert area.fetch("train", "k1", RECORD) == tmp_path / "train" / "k1"


def test_another_machine_fetches_what_was_pushed(remote, tmp_path):
    one, two = WorkArea(remote, cache=tmp_path / "1"), WorkArea(remote, cache=tmp_path / "2")
    fill(one, "losslog/a", "losslog/b", RECORD)
    assert not two.has("train", "k1", RECORD)
    one.push("train", "k1", RECORD)
    assert two.has("train", "k1", RECORD)
    folder = two.fetch("train", "k1", RECORD)
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "losslog/a",
        "losslog/b",
        RECORD,
    ]


def test_only_new_and_changed_files_are_pushed(remote, tmp_path):
    area = WorkArea(remote, cache=tmp_path / "1")
    fill(area, "losslog/epoch-0", "checkpoint/state")
    assert area.push("train", "k1", RECORD) == 2
    fill(area, "losslog/epoch-1")
    fill(area, "checkpoint/state", content="changed")
    assert area.push("train", "k1", RECORD) == 2
    assert area.push("train", "k1", RECORD) == 0
    assert not area.has("train", "k1", RECORD)


def test_files_that_are_gone_here_go_there(remote, tmp_path):
    area = WorkArea(remote, cache=tmp_path / "1")
    fill(area, "losslog/a", "checkpoint/state")
    area.push("train", "k1", RECORD)
    (area.path("train", "k1") / "checkpoint" / "state").unlink()
    fill(area, RECORD)
    area.push("train", "k1", RECORD)
    assert area.store.list("train/k1") == ["train/k1/losslog/a", f"train/k1/{RECORD}"]


def test_an_unfinished_folder_is_fetched_to_resume_and_replaces_a_stale_one(remote, tmp_path):
    one, two = WorkArea(remote, cache=tmp_path / "1"), WorkArea(remote, cache=tmp_path / "2")
    fill(two, "checkpoint/state", "losslog/old", content="s")
    fill(one, "checkpoint/state", content="n")
    one.push("train", "k1", RECORD)
    folder = two.fetch("train", "k1", RECORD)
    assert (folder / "checkpoint" / "state").read_text() == "n"
    assert not (folder / "losslog" / "old").exists()
    assert two.push("train", "k1", RECORD) == 0


def test_the_record_is_pushed_last_and_withdrawn_while_files_change(remote, tmp_path):
    area = WorkArea(remote, cache=tmp_path / "1")
    sent: list[str] = []
    upload, delete = area.store.upload, area.store.delete
    area.store.upload = lambda path, key: (sent.append(key.rsplit("/", 1)[1]), upload(path, key))
    area.store.delete = lambda key: (sent.append("-" + key.rsplit("/", 1)[1]), delete(key))
    fill(area, "z", "a", RECORD)
    area.push("train", "k1", RECORD)
    assert sent == ["a", "z", RECORD]
    sent.clear()
    fill(area, "z", content="other")
    area.push("train", "k1", RECORD)
    assert sent == [f"-{RECORD}", "z", RECORD]


def test_a_complete_local_copy_is_not_fetched_again(remote, tmp_path):
    one, two = WorkArea(remote, cache=tmp_path / "1"), WorkArea(remote, cache=tmp_path / "2")
    fill(one, "a", RECORD)
    one.push("train", "k1", RECORD)
    stamp = (two.fetch("train", "k1", RECORD) / "a").stat().st_mtime_ns
    assert (two.fetch("train", "k1", RECORD) / "a").stat().st_mtime_ns == stamp


def test_files_that_are_not_asked_for_are_fetched_once_they_are(remote, tmp_path):
    one, two = WorkArea(remote, cache=tmp_path / "1"), WorkArea(remote, cache=tmp_path / "2")
    fill(one, "payload", "split-1", "inputs", RECORD)
    one.push("train", "k1", RECORD)
    folder = two.fetch("train", "k1", RECORD, without=("payload", "split-*"))
    assert sorted(path.name for path in folder.iterdir()) == ["inputs", RECORD]
    stamp = (folder / "inputs").stat().st_mtime_ns
    assert two.fetch("train", "k1", RECORD, without=("payload", "split-*")) == folder
    assert not (folder / "payload").exists()
    assert sorted(path.name for path in two.fetch("train", "k1", RECORD).iterdir()) == sorted(
        ["inputs", "payload", "split-1", RECORD]
    )
    assert (folder / "inputs").stat().st_mtime_ns == stamp


def test_unfinished_files_are_not_pushed(remote, tmp_path):
    area = WorkArea(remote, cache=tmp_path / "1")
    fill(area, "a", ".b.part")
    assert area.push("train", "k1", RECORD) == 1


def test_stage_names_are_keys(tmp_path):
    with pytest.raises(BadInput):
        WorkArea(tmp_path).path("..", "x")


def test_a_checkpoint_is_sent_after_what_it_names_and_removed_once_the_record_stands(remote, tmp_path, monkeypatch):
    area, calls = WorkArea(remote, cache=tmp_path / "1"), []
    upload, delete = area.store.upload, area.store.delete
    monkeypatch.setattr(area.store, "upload", lambda path, key: (calls.append(("sent", key)), upload(path, key))[1])
    monkeypatch.setattr(area.store, "delete", lambda key: (calls.append(("removed", key)), delete(key))[1])
    fill(area, "checkpoint/m", "losslog/a", "recordings/b")
    area.push("train", "k1", RECORD)
    assert [key for _, key in calls] == ["train/k1/losslog/a", "train/k1/recordings/b", "train/k1/checkpoint/m"]
    calls.clear()
    (area.path("train", "k1") / "checkpoint" / "m").unlink()
    fill(area, RECORD)
    area.push("train", "k1", RECORD)
    assert calls == [("sent", f"train/k1/{RECORD}"), ("removed", "train/k1/checkpoint/m")]
