from __future__ import annotations

import datetime as dt
import json
import random
import time
import types
from pathlib import Path

import numpy as np
import pytest

from telltale_core.errors import BadInput, ConfigError, Conflict, Corrupt, NeedsReview, NotFound
from telltale_core.publish import (
    PublishConfig,
    commit,
    log,
    make_run_key,
    publish,
    read_version,
    restore,
    verify,
    why,
)
from telltale_core.publish.manifest import seal
from tests.support import approving
from tests.support import storage as support

SMALL = PublishConfig(shard_bytes=2000)


@pytest.fixture
def job(tmp_path: Path):
    return support.make_job(tmp_path / "job")


def go(job, dataset, run_key="r1", **more):
    return publish(*job, dataset, run_key=run_key, lineage=support.CODE, **more)


def test_counts_add_up_and_say_where_rows_went(job, store):
    version = go(job, store, config=SMALL)
    assert version.counts == {"ingested": 43, "published": 33, "quarantined": 5, "review": 2, "rejected": 3}
    assert len(version.urls()) > 2
    assert verify(store).ok
    assert verify(store).rows == 43


def test_kept_rows_come_back_in_drop_order_and_schema(job, tmp_path):
    version = go(job, tmp_path / "out", config=SMALL)
    rows = support.read_rows(version.urls())
    assert rows == support.read_rows([str(job[0].path / "payload.parquet")])[7:]


def test_quarantine_has_input_columns_and_remarks(job, tmp_path):
    rows = support.read_rows(go(job, tmp_path / "out").quarantine_urls())
    assert [row["sample_id"] for row in rows] == [f"s0-{i:04d}" for i in range(7)]
    assert {row["decision"] for row in rows} == {"quarantine", "review"}
    assert rows[0] == {
        "image": {"bytes": support.png(0), "path": "0.png"},
        "label": 0,
        "sample_id": "s0-0000",
        "suspicion": 0.9,
        "cluster": 0,
        "decision": "quarantine",
        "reason": "its losses say quarantine",
    }


def test_same_run_key_is_one_version(job, store):
    first, second = go(job, store), go(job, store)
    assert first.sha256 == second.sha256
    assert len(log(store)) == 1


def test_a_verdict_that_asks_for_a_person_waits_for_approval(job, store):
    path = job[1] / "verdict.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "needs_review": True}))
    with pytest.raises(NeedsReview, match="Nothing was published"):
        go(job, store)
    with pytest.raises(NeedsReview):
        go(job, store, dry_run=True)
    assert log(store) == []
    approved = approving.publish(*job, store, run_key="r1", lineage=support.CODE)
    assert go(job, store).sha256 == approved.sha256


def test_another_run_key_is_the_next_version_with_the_same_blobs(job, store):
    first = go(job, store)
    before = store.list("blobs")
    second = go(job, store, run_key="r2")
    assert (second.number, second.manifest["parent"]) == (2, {"number": 1, "sha256": first.sha256})
    assert second.manifest["files"] == first.manifest["files"]
    assert store.list("blobs") == before


def test_run_key_of_another_drop_is_refused(job, tmp_path):
    go(job, tmp_path / "out")
    other = support.make_job(tmp_path / "other", seed=5)
    with pytest.raises(Conflict, match="another drop"):
        go(other, tmp_path / "out")


def test_dry_run_writes_nothing_and_foretells_the_bytes(job, tmp_path):
    plan = go(job, tmp_path / "out", dry_run=True)
    assert not plan.committed
    assert not (tmp_path / "out").exists()
    assert plan.manifest["files"] == go(job, tmp_path / "out").manifest["files"]


def test_bytes_do_not_depend_on_the_verdicts_row_order(job, tmp_path):
    order = np.random.default_rng(0).permutation(40)
    shuffled = support.make_verdict(tmp_path / "shuffled", job[0], {0, 1, 2, 3, 4}, {5, 6}, order=order)
    first = go(job, tmp_path / "a", config=SMALL).manifest
    second = go((job[0], shuffled), tmp_path / "b", config=SMALL).manifest
    assert [first[name] for name in ("files", "quarantine", "index")] == [
        second[name] for name in ("files", "quarantine", "index")
    ]


def test_report_is_kept_with_the_version(job, tmp_path):
    page = tmp_path / "report.html"
    page.write_text("<p>found</p>")
    version = go(job, tmp_path / "out", report=page)
    (blob,) = version.blobs("report")
    assert blob.path.endswith(".html")
    assert version.store.read(blob.path) == page.read_bytes()


def test_lineage_must_name_config_code_and_seed(job, tmp_path):
    with pytest.raises(ConfigError, match="config_digest"):
        publish(*job, tmp_path / "out", run_key="r", lineage={"seed": 1, "code_version": "x"})


def test_manifest_states_lineage_drop_and_libraries(job, tmp_path):
    manifest = go(job, tmp_path / "out").manifest
    assert manifest["lineage"] == support.CODE
    assert manifest["drop"]["digest"] == job[0].digest
    assert {"python", "numpy", "pyarrow"} <= set(manifest["libraries"])
    assert manifest["verdict"]["statement"] == "poison found"


def test_a_verdict_on_another_drop_is_refused(job, tmp_path):
    other = support.make_drop(tmp_path / "other", seed=9)
    with pytest.raises(Corrupt, match="verdict belongs to drop"):
        publish(other, job[1], tmp_path / "out", run_key="r", lineage=support.CODE)
    assert not (tmp_path / "out").exists()


def test_a_verdict_that_misses_a_sample_is_refused(job, tmp_path):
    short = support.make_verdict(tmp_path / "short", job[0], set(), set(), order=list(range(39)))
    with pytest.raises(Corrupt, match="39 rows"):
        go((job[0], short), tmp_path / "out")


def test_a_damaged_payload_is_refused(job, tmp_path):
    path = job[0].path / "payload.parquet"
    path.write_bytes(support.flip_bit(path.read_bytes(), random.Random(1)))
    with pytest.raises(Corrupt, match="digest"):
        go(job, tmp_path / "out")


def test_counts_that_do_not_add_up_are_refused(job, tmp_path):
    job[0].manifest["counts"]["seen"] += 1
    with pytest.raises(Corrupt, match="ingested 44 is not published 33"):
        go(job, tmp_path / "out")
    assert log(tmp_path / "out") == []


def test_everything_quarantined_still_publishes_the_schema(tmp_path):
    drop = support.make_drop(tmp_path / "drop", n=4, rejected=0)
    verdict = support.make_verdict(tmp_path / "verdict", drop, {0, 1, 2, 3}, set())
    version = go((drop, verdict), tmp_path / "out")
    assert version.counts["published"] == 0
    assert support.read_rows(version.urls()) == []
    assert verify(tmp_path / "out").ok


def test_columns_with_our_names_are_not_overwritten(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    drop, verdict = support.make_job(tmp_path, images=False, rejected=0)
    path = drop.path / "payload.parquet"
    pq.write_table(pq.read_table(path).append_column("reason", pa.array(["mine"] * 40)), path)
    drop.manifest["files"].clear()
    row = support.read_rows(go((drop, verdict), tmp_path / "out").quarantine_urls())[0]
    assert (row["reason"], row["telltale_reason"]) == ("mine", "its losses say quarantine")


def test_order_is_by_number_not_by_clock(job, tmp_path, monkeypatch):
    jump_s = 0.0
    real = time.time

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return dt.datetime.fromtimestamp(time.time(), tz)

    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    monkeypatch.setattr(commit, "dt", types.SimpleNamespace(datetime=Clock, UTC=dt.UTC))
    for number, days in enumerate((0, -1, 1, -1), 1):
        jump_s = days * 86400.0
        assert go(job, tmp_path / "out", run_key=f"r{number}").number == number
    times = [version.manifest["created_at"] for version in log(tmp_path / "out")]
    assert times != sorted(times)
    assert read_version(tmp_path / "out").number == 4
    assert verify(tmp_path / "out").ok


def test_why_explains_every_state(job, store):
    version = go(job, store, config=SMALL)
    kept = why(store, "s0-0039")
    assert (kept.state, kept.version, kept.file in version.urls()) == ("published", 1, True)
    assert why(store, "s0-0001").sentence().startswith("s0-0001 is quarantined in version 1, suspicion 0.900")
    assert why(store, "s0-0005").state == "review"
    rejected = why(store, "train.parquet#41")
    assert (rejected.state, rejected.row, rejected.suspicion) == ("rejected", 1, None)
    assert "[unreadable_media]" in rejected.reason
    with pytest.raises(NotFound, match="hold no sample"):
        why(store, "nobody")


def test_why_names_the_row_of_a_kept_sample(job, tmp_path):
    go(job, tmp_path / "out", config=SMALL)
    for row in (7, 20, 39):
        explanation = why(tmp_path / "out", f"s0-{row:04d}")
        assert support.read_rows([explanation.file])[explanation.row]["image"]["path"] == f"{row}.png"


def test_restore_makes_a_new_version_and_leaves_the_old(job, store):
    first = go(job, store, config=SMALL)
    second = restore(store, ["s0-0001", "s0-0005"], reason="looked at it", by="ann")
    assert second.counts == {"ingested": 43, "published": 35, "quarantined": 4, "review": 1, "rejected": 3}
    assert read_version(store, 1).sha256 == first.sha256
    assert second.manifest["lineage"]["restored_from"] == 1
    assert verify(store).ok
    assert why(store, "s0-0001").state == "published"
    assert why(store, "s0-0001").reason == "restored by ann: looked at it (before: its losses say quarantine)"
    assert why(store, "s0-0001", 1).state == "quarantined"
    assert why(store, "s0-0002").state == "quarantined"


def test_restored_rows_are_the_input_rows(job, tmp_path):
    go(job, tmp_path / "out", config=SMALL)
    version = restore(tmp_path / "out", ["s0-0003", "s0-0001"], reason="fine", by="ann")
    everything = support.read_rows([str(job[0].path / "payload.parquet")])
    assert support.read_rows(version.urls())[33:] == [everything[1], everything[3]]
    left = [row["sample_id"] for row in support.read_rows(version.quarantine_urls())]
    assert left == ["s0-0000", "s0-0002", "s0-0004", "s0-0005", "s0-0006"]
    explanation = why(tmp_path / "out", "s0-0004")
    assert support.read_rows([explanation.file])[explanation.row]["sample_id"] == "s0-0004"


def test_restore_twice_is_one_version(job, store):
    go(job, store)
    first = restore(store, ["s0-0001"], reason="fine", by="ann")
    assert restore(store, ["s0-0001"], reason="fine", by="ann").sha256 == first.sha256
    assert restore(store, ["s0-0001"], reason="fine", by="ann", number=1).sha256 == first.sha256
    assert len(log(store)) == 2


def test_restore_refuses_what_is_not_set_aside(job, tmp_path):
    go(job, tmp_path / "out")
    with pytest.raises(BadInput, match="published"):
        restore(tmp_path / "out", ["s0-0020"], reason="x", by="ann")
    with pytest.raises(NotFound, match="nobody"):
        restore(tmp_path / "out", ["s0-0001", "nobody"], reason="x", by="ann")
    with pytest.raises(ConfigError):
        restore(tmp_path / "out", ["s0-0001"], reason=" ", by="ann")
    assert len(log(tmp_path / "out")) == 1


def test_publishing_the_run_again_after_a_restore_returns_its_own_version(job, tmp_path):
    go(job, tmp_path / "out")
    restore(tmp_path / "out", ["s0-0001"], reason="fine", by="ann")
    assert go(job, tmp_path / "out").number == 1


def test_verify_names_a_missing_and_a_damaged_blob(job, tmp_path):
    version = go(job, tmp_path / "out", config=SMALL)
    gone, hurt = [Path(url) for url in version.urls()[:2]]
    gone.unlink()
    hurt.write_bytes(support.flip_bit(hurt.read_bytes(), random.Random(3)))
    report = verify(tmp_path / "out")
    assert not report.ok
    assert len(report.problems) == 2
    assert gone.name in report.problems[0]
    assert hurt.name in report.problems[1]


def test_verify_notices_a_rewritten_ancestor(job, tmp_path):
    go(job, tmp_path / "out")
    go(job, tmp_path / "out", run_key="r2")
    path = tmp_path / "out" / "_versions" / "00000001.json"
    manifest = json.loads(path.read_text())
    manifest["lineage"]["seed"] = 999
    path.write_bytes(seal(manifest))
    assert "names another parent" in verify(tmp_path / "out").problems[-1]
    with pytest.raises(Corrupt, match="names another parent"):
        log(tmp_path / "out")


def test_a_missing_manifest_in_between_is_damage(job, tmp_path):
    for name in ("a", "b", "c"):
        go(job, tmp_path / "out", run_key=name)
    (tmp_path / "out" / "_versions" / "00000002.json").unlink()
    with pytest.raises(Corrupt, match="00000002"):
        log(tmp_path / "out")


def test_nothing_published_is_an_empty_log(store):
    assert log(store) == []
    with pytest.raises(NotFound, match="no published version"):
        read_version(store)


def test_run_key_depends_on_each_part():
    base = ["d", "c", "v"]
    keys = {make_run_key(*base)} | {make_run_key(*base[:i], "other", *base[i + 1 :]) for i in range(3)}
    assert len(keys) == 4
