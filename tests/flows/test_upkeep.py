"""What is removed, and what never is: old stage folders go, a drop whose run may be forgotten starts none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import names
from telltale_core.errors import ConfigError
from telltale_core.inbox import Inbox
from telltale_core.storage import open_store
from telltale_core.storage.expiry import expire

DAY_S = 86_400.0


def aged(path: Path, days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, (time.time() - days * DAY_S,) * 2)
    return path


def test_a_folder_goes_once_its_newest_file_is_old_and_its_record_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file, days in (("train/a/train.json", 90), ("train/a/loss.parquet", 91), ("locks/train-a", 400)):
        aged(tmp_path / file, days)
    for file, days in (("train/b/train.json", 90), ("train/b/loss.parquet", 1)):
        aged(tmp_path / file, days)
    order: list[str] = []
    store = type(open_store(tmp_path))
    delete = store.delete
    monkeypatch.setattr(store, "delete", lambda self, key: order.append(key) or delete(self, key))
    gone = expire(str(tmp_path), older_than_s=60 * DAY_S)
    assert (gone.folders, gone.kept, order) == (("train/a",), 1, ["train/a/train.json", "train/a/loss.parquet"])
    assert (tmp_path / "train/b/train.json").exists()
    assert (tmp_path / "locks/train-a").exists()
    with pytest.raises(ConfigError, match="a review may be open"):
        expire(str(tmp_path), older_than_s=DAY_S)


def test_a_drop_whose_run_may_be_forgotten_is_started_by_nobody_and_said_so(tmp_path: Path) -> None:
    for name, days in (("old", names.OLD_DROP_DAYS + 1), ("new", 1)):
        aged(tmp_path / "signs" / name / "a.parquet", days)
        aged(tmp_path / "signs" / name / "_SUCCESS", days)
    inbox = Inbox(url=str(tmp_path), old_s=names.OLD_DROP_DAYS * DAY_S)
    new, old = inbox.arrivals()
    assert (new.complete, new.old) == (True, False)
    assert (old.complete, old.old, old.refused) == (False, True, "")
    assert "older than 60 days: start it by the form" in old.why


def test_the_bridge_and_the_sweep_open_the_inbox_with_that_limit(tmp_path: Path) -> None:
    from flows.start_run import Feed

    feed = Feed(inbox=str(tmp_path), clean=str(tmp_path / "clean"), quiet_s=60.0, datasets=None)
    assert feed.open().old_s == names.OLD_DROP_DAYS * DAY_S < names.RUNS_KEPT_DAYS * DAY_S


def test_the_weekly_verify_names_what_is_damaged_with_its_cure(
    run_cleanse: Callable[..., Any], small_settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import verify_all as module
    from flows.start_run import Feed
    from telltale_core import publish

    assert run_cleanse(small_settings).name == "Completed"
    feed = Feed(inbox=str(tmp_path / "in"), clean=str(tmp_path), quiet_s=60.0, datasets={"out": ["a"], "none": ["b"]})
    monkeypatch.setattr(module, "read_feed", lambda _client: feed)
    assert module.verify_all(return_state=True).message == "1 datasets are whole"
    shard = Path(publish.read_version(tmp_path / "out").urls()[0])
    shard.chmod(0o644)
    shard.write_bytes(b"damaged")
    state = module.verify_all(return_state=True)
    assert state.name == "Failed"
    assert "out, version 1: " in state.message
    assert "telltale verify DATASET --repair" in state.message


def test_any_dataset_is_found_by_its_first_version(tmp_path: Path) -> None:
    from flows.verify_all import published_below

    for name in (
        "signs/_versions/00000001.json",
        "cars/_versions/00000001.json",
        "signs/blobs/x",
        "_doctor/blobs/probe",
    ):
        aged(tmp_path / name, 1)
    assert published_below(str(tmp_path)) == ["cars", "signs"]
