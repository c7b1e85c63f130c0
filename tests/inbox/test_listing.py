from __future__ import annotations

import json
import os
import time
from pathlib import Path

import fsspec
import pytest

from telltale_core.errors import BadInput, ConfigError
from telltale_core.inbox import Arrival, Inbox


def put(root: Path, key: str, content: bytes = b"rows", age_s: float = 0.0) -> None:
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - age_s,) * 2)


def only(root: Path, quiet_s: float = 60) -> Arrival:
    [arrival] = Inbox(url=str(root), quiet_s=quiet_s).arrivals()
    return arrival


def test_a_marked_drop_is_complete_and_its_mark_is_no_part_of_it(tmp_path: Path) -> None:
    put(tmp_path, "signs/monday/train.parquet")
    before = only(tmp_path)
    assert (before.dataset, before.name, before.complete) == ("signs", "monday", False)
    put(tmp_path, "signs/monday/_SUCCESS", b"")
    after = only(tmp_path)
    assert (after.complete, after.files, after.bytes) == (True, 1, 4)
    assert after.digest == before.digest
    assert after.key == f"cleanse:{tmp_path}/signs/monday:{after.digest[:32]}"


def test_a_drop_without_a_mark_is_complete_after_the_quiet_time(tmp_path: Path) -> None:
    put(tmp_path, "signs/monday/a.png", age_s=120)
    put(tmp_path, "signs/monday/b.png", age_s=50)
    assert not only(tmp_path, quiet_s=60).complete
    assert only(tmp_path, quiet_s=40).complete


@pytest.mark.parametrize(
    ("named", "complete"),
    [
        ({"a.png": 4, "x/b.png": 4}, True),
        ({"a.png": 4}, True),
        ({"a.png": 5}, False),
        ({"a.png": 4, "c.png": 4}, False),
    ],
)
def test_a_manifest_waits_for_every_file_that_it_names(tmp_path: Path, named: dict[str, int], complete: bool) -> None:
    put(tmp_path, "signs/monday/a.png", age_s=1000)
    put(tmp_path, "signs/monday/x/b.png", age_s=1000)
    put(tmp_path, "signs/monday/_SUCCESS", b"")
    put(tmp_path, "signs/monday/_MANIFEST.json", json.dumps({"files": named}).encode())
    assert only(tmp_path).complete is complete


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"files": []}', b'{"files": {"a": "4"}}', b'{"files": {}}', b"\xff", b'{"files":' * 9000]
)
def test_a_manifest_that_is_none_keeps_its_drop_waiting_and_says_so(tmp_path: Path, text: bytes) -> None:
    put(tmp_path, "signs/monday/a.png", age_s=1000)
    put(tmp_path, "signs/monday/_MANIFEST.json", text)
    arrival = only(tmp_path)
    assert not arrival.complete
    assert "manifest_invalid" in arrival.why


def test_any_changed_file_changes_the_digest(tmp_path: Path) -> None:
    put(tmp_path, "signs/monday/a.png", age_s=100)
    digests = {only(tmp_path).digest}
    put(tmp_path, "signs/monday/a.png", b"more rows", age_s=100)
    digests.add(only(tmp_path).digest)
    put(tmp_path, "signs/monday/b.png", age_s=100)
    digests.add(only(tmp_path).digest)
    assert len(digests) == 3


def test_files_beside_the_drops_are_no_drops(tmp_path: Path) -> None:
    for key in ("README.md", "signs/readme.txt", "_old/x/a.png", "signs/.tmp/a.png", "signs/tuesday/_SUCCESS"):
        put(tmp_path, key)
    [empty] = Inbox(url=str(tmp_path)).arrivals()
    assert (empty.name, empty.complete, empty.why) == ("tuesday", False, "no file but marks")


@pytest.mark.parametrize(
    ("bucket", "key", "place"),
    [
        ("raw", "inbox/signs/monday/a.png", ("signs", "monday")),
        ("raw", "inbox/signs/monday/deep/a.png", ("signs", "monday")),
        ("other", "inbox/signs/monday/a.png", None),
        ("raw", "inboxes/signs/monday/a.png", None),
        ("raw", "inbox/signs/a.png", None),
        ("raw", "inbox/../monday/a.png", ("..", "monday")),  # a place, to be refused and said
        ("raw", "inbox//monday/a.png", None),
        ("raw", "inbox//signs/monday/a.png", None),
        ("raw", "inbox/si\x1bgns/monday/a.png", ("si\x1bgns", "monday")),  # the same
    ],
)
def test_an_objects_place_is_told_by_its_key(bucket: str, key: str, place: tuple[str, str] | None) -> None:
    assert Inbox(url="s3://raw/inbox").place_of(bucket, key) == place


def test_a_key_with_an_empty_folder_is_not_taken_for_the_one_without() -> None:
    store = fsspec.filesystem("memory")
    store.pipe({"/empty/inbox/signs/monday/a.png": b"x"})
    inbox = Inbox(url="memory://empty/inbox")
    before = inbox.arrivals()
    store.store["/empty/inbox//signs/monday/b.png"] = store.store["/empty/inbox/signs/monday/a.png"]
    assert inbox.arrivals() == before
    assert [arrival.place for arrival in before] == [("signs", "monday")]


def test_an_inbox_must_be_an_address_without_secrets() -> None:
    with pytest.raises(BadInput, match="url_refused"):
        Inbox(url="s3://key:secret@raw/inbox")
    with pytest.raises(ConfigError, match="quiet_s"):
        Inbox(url="s3://raw/inbox", quiet_s=0)
