"""A version carries the splits that nobody judged, marked as such, under every rule that holds for its other files."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from telltale_core.errors import Corrupt
from telltale_core.publish import PublishConfig, Sources, gc, log, publish, repair, restore, verify
from telltale_core.publish.blob_writer import MIN_GRACE_S
from telltale_core.publish.manifest import FORMAT, key_of, parse, seal
from telltale_core.storage import open_store
from tests.support import storage as support

SMALL = PublishConfig(shard_bytes=2000)


@pytest.fixture
def job(tmp_path):
    return with_split(support.make_job(tmp_path / "job"))


def with_split(job):
    """The drop, beside whose samples lies a split of 20 rows that was not judged."""
    drop, verdict_dir = job
    payload = pq.read_table(drop.path / "payload.parquet")
    pq.write_table(payload.slice(0, 20), drop.path / "split-000.parquet")
    drop.manifest["other_splits"] = [
        {"split": "test", "file": "split-000.parquet", "rows": 20, "unlabelled": 0, "left_out": {"media_missing": 1}}
    ]
    return drop, verdict_dir


def go(job, out, run_key="1", config=SMALL):
    return publish(*job, out, run_key=run_key, lineage=support.CODE, config=config)


def test_a_split_lies_in_files_of_its_own_and_is_counted_apart(job, tmp_path):
    version = go(job, tmp_path / "out")
    splits = version.unjudged_splits()
    assert set(splits) == {"test"}
    assert len(splits["test"]) > 1
    assert not set(splits["test"]) & {*version.urls(), *version.quarantine_urls()}
    assert support.read_rows(splits["test"]) == pq.read_table(job[0].path / "split-000.parquet").to_pylist()
    assert version.counts["unjudged"] == 20
    assert version.counts["ingested"] == 43
    assert version.manifest["other_splits"][0]["left_out"] == {"media_missing": 1}
    both = load_dataset("parquet", data_files={"train": version.urls(), **splits}, cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in both.items()} == {"train": 33, "test": 20}


def test_verify_finds_what_is_lost_of_it_and_repair_writes_the_same_bytes(job, tmp_path):
    out = tmp_path / "out"
    version = go(job, out)
    assert verify(out).ok
    assert verify(out).rows == 43 + 20
    path = Path(version.unjudged_splits()["test"][0])
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert any(path.name in problem for problem in verify(out).problems)
    with pytest.raises(Corrupt):
        go(job, out)
    sources = Sources(drop=job[0], verdict_dir=job[1], config=SMALL, report=None)
    assert repair(out, lambda _version: sources).unrepaired == ()
    assert path.read_bytes() == data


def test_an_appended_version_carries_those_of_all_drops_and_equal_files_once(job, tmp_path):
    append, out = PublishConfig(mode="append", shard_bytes=2000), tmp_path / "out"
    first = go(job, out, config=append)
    rows = support.read_rows(first.unjudged_splits()["test"])
    same = with_split(support.make_job(tmp_path / "same", seed=1))
    pq.write_table(pq.read_table(job[0].path / "split-000.parquet"), same[0].path / "split-000.parquet")
    second = go(same, out, "2", append)
    assert second.unjudged_splits() == first.unjudged_splits()
    assert second.counts["unjudged"] == 20
    other = with_split(support.make_job(tmp_path / "other", seed=2))
    third = go(other, out, "3", append)
    assert support.read_rows(third.unjudged_splits()["test"])[:20] == rows
    assert third.counts["unjudged"] == 40
    assert third.manifest["other_splits"][0]["left_out"] == {"media_missing": 2}
    bare = support.make_job(tmp_path / "bare", seed=3)
    assert go(bare, out, "4", append).unjudged_splits() == third.unjudged_splits()
    assert verify(out).ok


def test_a_restore_carries_it_on_and_gc_takes_none_of_it(job, tmp_path):
    out = tmp_path / "out"
    first = go(job, out)
    second = restore(out, ["s0-0001"], reason="fine", by="ann")
    assert second.unjudged_splits() == first.unjudged_splits()
    assert second.counts["unjudged"] == 20
    then = time.time() - MIN_GRACE_S - 3600
    for path in (out / "blobs").rglob("*.*"):
        os.utime(path, (then, then))
    assert gc(out, older_than_s=MIN_GRACE_S, dry_run=False).removed == ()
    assert verify(out).ok
    assert [version.number for version in log(out)] == [1, 2]


def test_columns_that_are_left_out_are_left_out_of_it_too(job, tmp_path):
    job[0].manifest["unread"] = [{"column": "label", "like": "label", "asks": False}]
    version = go(job, tmp_path / "out", config=SMALL.replace(unread="drop"))
    published = [column["name"] for column in version.manifest["schema"]]
    assert pq.read_schema(version.unjudged_splits()["test"][0]).names == published
    assert "label" not in published


def test_a_version_that_carries_none_says_so(tmp_path):
    version = go(support.make_job(tmp_path / "plain"), tmp_path / "out")
    assert version.unjudged_splits() == {}
    assert "unjudged" not in version.counts


@pytest.mark.parametrize(
    "wrong",
    [
        lambda manifest: manifest["counts"].pop("unjudged"),
        lambda manifest: manifest["other_splits"].append(manifest["other_splits"][0]),
        lambda manifest: manifest["other_splits"][0].pop("files"),
        lambda manifest: manifest.update(other_splits={"test": []}),
        lambda manifest: manifest["other_splits"][0]["files"][0].update(path="../out"),
    ],
)
def test_a_manifest_whose_splits_do_not_add_up_is_refused(job, tmp_path, wrong):
    out = tmp_path / "out"
    go(job, out)
    manifest = json.loads((out / key_of(1)).read_bytes())
    wrong(manifest)
    assert manifest["format"] == FORMAT
    with pytest.raises(Corrupt):
        parse(open_store(out), 1, seal(manifest))
