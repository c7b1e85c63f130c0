"""What is removed, and what never is: old stage folders go, a drop whose run may be forgotten starts none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows import names
from telltale_core import stages
from telltale_core.errors import ConfigError
from telltale_core.inbox import Inbox
from telltale_core.storage import WorkArea, open_store
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
    a, b = f"train/{'a' * 64}", f"train/{'b' * 64}"
    others = ("locks/train-a", "clean/signs/_versions/1.json", f"inbox/{'c' * 64}/x", "train/notes.txt")
    for file, days in ((f"{a}/train.json", 90), (f"{a}/loss.parquet", 91), *((name, 400) for name in others)):
        aged(tmp_path / file, days)
    for file, days in ((f"{b}/train.json", 90), (f"{b}/loss.parquet", 1)):
        aged(tmp_path / file, days)
    order: list[str] = []
    store = type(open_store(tmp_path))
    delete = store.delete
    monkeypatch.setattr(store, "delete", lambda self, key: order.append(key) or delete(self, key))
    gone = expire(str(tmp_path), stages.FOLDERS, older_than_s=60 * DAY_S)
    assert (gone.folders, gone.kept, order) == ((a,), 1, [f"{a}/train.json", f"{a}/loss.parquet"])
    assert (tmp_path / b / "train.json").exists()
    assert all((tmp_path / name).exists() for name in others), "nothing but stage folders is touched"
    with pytest.raises(ConfigError, match="a review may be open"):
        expire(str(tmp_path), stages.FOLDERS, older_than_s=DAY_S)


def test_a_folder_that_a_run_wrote_to_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = aged(tmp_path / "train" / ("a" * 64) / "train.json", 90)
    store = type(open_store(tmp_path))
    scan, asked = store.scan, []

    def scanned(self: Any, folder: str = "") -> Any:
        asked.append(folder)
        if folder:
            os.utime(record)
        return scan(self, folder)

    monkeypatch.setattr(store, "scan", scanned)
    assert expire(str(tmp_path), stages.FOLDERS, older_than_s=60 * DAY_S).folders == ()
    assert record.exists()
    assert asked == ["", f"train/{'a' * 64}"]


def test_a_result_that_is_used_again_counts_as_new(tmp_path: Path) -> None:
    record = aged(tmp_path / "train" / ("a" * 64) / "train.json", 90)
    WorkArea(tmp_path).renew("train", "a" * 64, "train.json")
    assert time.time() - record.stat().st_mtime < DAY_S
    assert expire(str(tmp_path), stages.FOLDERS, older_than_s=60 * DAY_S).folders == ()


def test_a_drop_whose_run_may_be_forgotten_is_started_by_nobody_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = (names.OLD_DROP_DAYS + 1) * DAY_S
    for name, days in (("old", 400), ("new", 1 - later / DAY_S)):
        aged(tmp_path / "signs" / name / "a.parquet", days)
        aged(tmp_path / "signs" / name / "_SUCCESS", days)
    inbox = Inbox(url=str(tmp_path), old_s=names.OLD_DROP_DAYS * DAY_S)
    assert all(arrival.complete for arrival in inbox.arrivals()), "a copy that keeps its old time has only just come"
    now_s = time.time()
    monkeypatch.setattr("telltale_core.inbox.listing.time", SimpleNamespace(time=lambda: now_s + later))
    new, old = inbox.arrivals()
    assert (new.complete, new.old) == (True, False)
    assert (old.complete, old.old, old.refused) == (False, True, "")
    assert "older than 60 days: start it by the form" in old.why


def test_old_drops_without_a_run_are_named_one_by_one_and_no_more_than_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks import artifacts

    texts: list[str] = []
    monkeypatch.setattr(artifacts, "create_markdown_artifact", lambda text, **_more: texts.append(text))
    artifacts.show_forgotten([])
    drops = [(f"s3://raw/inbox/signs/<{number:03d}>", "older than 60 days: start it") for number in range(105)]
    artifacts.show_forgotten(drops)
    [text] = texts
    assert text.startswith("# 105 old drops have no run")
    assert text.count("older than 60 days") == artifacts.REFUSED
    assert f"and {105 - artifacts.REFUSED} more" in text
    assert "<000>" not in text


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
