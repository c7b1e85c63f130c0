"""``publish.mode = "append"``: a version holds the newest version's samples and the drop's, each once."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.drop import DropConfig, ingest
from telltale_core.errors import BadInput, Corrupt, NeedsReview
from telltale_core.publish import (
    PublishConfig,
    Sources,
    appending,
    export,
    gc,
    log,
    publish,
    read_version,
    repair,
    restore,
    verify,
    why,
)
from telltale_core.publish.blob_writer import MIN_GRACE_S
from telltale_core.publish.history import own_files
from telltale_core.records import as_ids
from telltale_core.report.history import entries_of
from tests.support import storage as support

APPEND = PublishConfig(mode="append", shard_bytes=2000)
MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A dataset in memory; races and kills on other stores are in ``tests/faults``."""
    return f"memory://{tmp_path.name}/d"


@pytest.fixture
def jobs(tmp_path: Path):
    return [support.make_job(tmp_path / f"job-{seed}", seed=seed, n=20, images=False) for seed in range(3)]


def go(job, dataset, run_key: str, *, config: PublishConfig = APPEND, code: str = "v1", **more):
    return publish(
        *job, dataset, run_key=run_key, lineage={**support.CODE, "code_version": code}, config=config, **more
    )


def table_drop(
    folder: Path, ids: list[str], *, held: frozenset[int] | set[int] = frozenset(), label: int = 0, **changes
):
    """Return a drop of pictures under these ids, each of the content of its id, and the verdict on it."""
    (folder / "in").mkdir(parents=True)
    names = changes.get("names", ["cat", "dog"])
    columns = {
        "id": ids,
        "image": pa.array([{"bytes": support.png(int(one[1:]), 8), "path": folder.name} for one in ids], MEDIA),
        "label": [(int(one[1:]) + label) % 2 for one in ids],
        **changes.get("columns", {}),
    }
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, folder / "in" / "a.parquet")
    drop = ingest(str(folder / "in"), folder / "drops", DropConfig(**changes.get("settings", {})))
    return drop, support.make_verdict(folder / "verdict", drop, set(held), set())


def test_a_version_holds_the_rows_of_all_drops_and_its_counts_add_up(jobs, store):
    first, second, third = (go(job, store, f"r{number}") for number, job in enumerate(jobs))
    assert (first.appended_to, second.appended_to, third.appended_to) == (None, 1, 2)
    assert third.counts == {"ingested": 69, "published": 39, "quarantined": 15, "review": 6, "rejected": 9}
    assert third.own_counts == first.counts
    for name in ("files", "quarantine", "rejected", "index"):
        assert third.manifest[name][: len(second.manifest[name])] == second.manifest[name]
    assert all(verify(store, version.number).problems == () for version in log(store))
    assert [blob.path for blob in own_files(third)] == [blob.path for blob in third.blobs("files")][
        -len(own_files(third)) :
    ]
    assert sum(blob.rows or 0 for blob in own_files(third)) == 13


def test_nothing_is_written_again_and_the_rows_come_in_the_drops_order(jobs, tmp_path):
    out = tmp_path / "out"
    before = {path: path.stat().st_mtime_ns for path in (go(jobs[0], out, "a"), out)[1].rglob("*.parquet")}
    version = go(jobs[1], out, "b")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    rows = support.read_rows(version.urls())
    assert rows == [row for job in jobs[:2] for row in support.read_rows([str(job[0].path / "payload.parquet")])[7:]]
    assert read_version(out).urls() == version.urls()


def test_the_same_run_twice_is_one_version_also_behind_others(jobs, store):
    first = go(jobs[0], store, "a")
    second = go(jobs[1], store, "b")
    assert [go(jobs[0], store, "a").sha256, go(jobs[1], store, "b").sha256] == [first.sha256, second.sha256]
    assert len(log(store)) == 2


def test_a_dry_run_foretells_the_union_and_writes_nothing(jobs, tmp_path):
    go(jobs[0], tmp_path / "out", "a")
    plan = go(jobs[1], tmp_path / "out", "b", dry_run=True)
    assert len(log(tmp_path / "out")) == 1
    done = go(jobs[1], tmp_path / "out", "b").manifest
    assert {name: plan.manifest[name] for name in ("files", "index", "counts", "appended")} == {
        name: done[name] for name in ("files", "index", "counts", "appended")
    }


def test_the_default_replaces_and_an_append_goes_on_from_there(jobs, store):
    go(jobs[0], store, "a", config=PublishConfig())
    replaced = go(jobs[1], store, "b", config=PublishConfig())
    assert (replaced.follows, replaced.counts["ingested"]) == (None, 23)
    assert go(jobs[2], store, "c").counts["ingested"] == 46


def test_a_sample_that_is_there_is_not_added_again_and_that_is_said(tmp_path):
    out = tmp_path / "out"
    go(table_drop(tmp_path / "a", ["n1", "n2", "n3", "n4"], held={0}), out, "a")
    version = go(table_drop(tmp_path / "b", ["n1", "n2", "n5", "n6"], held={3}), out, "b")
    assert version.manifest["appended"]["there"] == {"keep": 1, "quarantine": 1}
    assert version.counts == {"ingested": 6, "published": 4, "quarantined": 2, "review": 0, "rejected": 0}
    assert [row["id"] for row in support.read_rows(version.urls())] == ["n2", "n3", "n4", "n5"]
    assert verify(out).problems == ()
    assert why(out, "n1").state == "quarantined"


def test_samples_named_by_content_are_known_again_whatever_their_file_is_called(tmp_path):
    settings = {"settings": {"id_column": ""}}
    go(table_drop(tmp_path / "a", ["n1", "n2"], **settings), tmp_path / "out", "a")
    drop = table_drop(tmp_path / "b", ["n2", "n3"], **settings)
    assert go(drop, tmp_path / "out", "b").manifest["appended"]["there"] == {"keep": 1}


def test_an_id_that_names_another_sample_is_refused(tmp_path):
    go(table_drop(tmp_path / "a", ["n1", "n2"], held={0}), tmp_path / "out", "a")
    with pytest.raises(BadInput, match=r"id 'n1' of this drop names another sample in version 1: .*drop\.id_column"):
        go(table_drop(tmp_path / "b", ["n4", "n1"], label=1), tmp_path / "out", "b")
    assert len(log(tmp_path / "out")) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": {"age": [1, 2]}}, "'age' int64"),
        ({"names": ["dog", "cat"]}, "label_names"),
        ({"settings": {"task": "regression"}}, "modality|task|columns"),
    ],
)
def test_a_drop_that_is_unlike_the_version_is_refused_with_the_cure_before_anybody_is_asked(tmp_path, changes, message):
    go(table_drop(tmp_path / "a", ["n1", "n2"]), tmp_path / "out", "a")
    with pytest.raises(BadInput, match=rf"({message}).*publish\.mode = \"replace\""):
        go(table_drop(tmp_path / "b", ["n3", "n4"], **changes), tmp_path / "out", "b")


def test_the_same_drop_under_other_settings_is_refused(jobs, store):
    go(jobs[0], store, "a")
    go(jobs[1], store, "b")
    with pytest.raises(BadInput, match="version 1 holds this drop already"):
        go(jobs[0], store, "other settings")


def test_published_samples_that_are_suspects_now_are_a_question(tmp_path):
    out = tmp_path / "out"
    go(table_drop(tmp_path / "a", ["n1", "n2"]), out, "a")
    job = table_drop(tmp_path / "b", ["n2", "n3"], held={0})
    with pytest.raises(
        NeedsReview, match="1 samples that it holds back, such as 'n2', are published in version 1"
    ) as asked:
        go(job, out, "b")
    assert [question.code for question in asked.value.questions] == ["published_before"]
    lineage = {**support.CODE, "approved": asked.value.approval}
    assert publish(*job, out, run_key="b", lineage=lineage, config=APPEND).counts["published"] == 3


@pytest.mark.slow
def test_the_rows_of_drops_are_compared_not_those_of_the_union(tmp_path):
    for number in range(11):
        go(support.make_job(tmp_path / str(number), seed=number, n=8, images=False), tmp_path / "out", str(number))
    assert read_version(tmp_path / "out").counts["ingested"] == 11 * 11  # nobody was asked for ten times as many rows


def test_why_says_which_code_judged_a_sample_of_any_of_the_drops(jobs, tmp_path):
    out = tmp_path / "out"
    go(jobs[0], out, "a", code="old")
    go(jobs[1], out, "b", code="new")
    restore(out, ["s0-0001", "s1-0001"], reason="fine", by="ann")
    go(support.make_job(tmp_path / "longer", seed=2, n=21, images=False), out, "c", code="newest")
    explanations = {name: why(out, name) for name in ("s0-0012", "s0-0001", "s1-0001", "s1-0002", "s2-0000", "s2-0010")}
    assert [one.code_version for one in explanations.values()] == ["old", "old", "new", "new", "newest", "newest"]
    assert [one.version for one in explanations.values()] == [4] * 6
    assert (explanations["s0-0001"].state, explanations["s2-0000"].state) == ("published", "quarantined")
    row = explanations["s1-0001"]
    origin = support.read_rows([str(jobs[1][0].path / "payload.parquet")])
    assert support.read_rows([row.file])[row.row] == origin[1]
    assert why(out, "train.parquet#21").code_version == "newest"


def test_samples_of_each_drop_are_restored_and_stay_so_behind_further_drops(jobs, store):
    go(jobs[0], store, "a")
    go(jobs[1], store, "b")
    restored = restore(store, ["s0-0001", "s1-0005"], reason="fine", by="ann")
    assert restored.counts == {"ingested": 46, "published": 28, "quarantined": 9, "review": 3, "rejected": 6}
    appended = go(jobs[2], store, "c")
    assert (appended.appended_to, why(store, "s0-0001").state) == (3, "published")
    assert restore(store, ["s0-0001", "s1-0005"], reason="fine", by="ann").number == 3
    again = restore(store, ["s0-0002"], reason="fine", by="ann", number=1)  # of an older version: nothing is superseded
    assert (again.restored_from, again.counts["ingested"]) == (4, 69)
    assert verify(store).problems == ()


def test_a_restore_works_where_held_rows_have_columns_that_were_left_out(tmp_path):
    out, drop_unread = tmp_path / "out", PublishConfig(mode="append", unread="drop")
    notes = {"columns": {"note": ["a long free text about this one sample"] * 2}}
    go(table_drop(tmp_path / "a", ["n1", "n2"], held={0}, **notes), out, "a", config=drop_unread)
    go(table_drop(tmp_path / "b", ["n3", "n4"], held={0}), out, "b", config=drop_unread)
    version = restore(out, ["n1", "n3"], reason="fine", by="ann")
    assert [row["id"] for row in support.read_rows(version.urls())] == ["n2", "n4", "n1", "n3"]


def test_gc_keeps_what_an_appended_version_names_and_export_lists_all_of_it(jobs, tmp_path):
    out = tmp_path / "out"
    go(jobs[0], out, "a")
    go(jobs[1], out, "b")
    assert gc(out, older_than_s=MIN_GRACE_S, dry_run=False).removed == ()
    assert export(out, tmp_path / "verdicts.csv", "csv") == 40


@pytest.mark.parametrize("harm", ["gone", "flipped"])
def test_repair_makes_every_blob_of_an_appended_version_again(jobs, tmp_path, harm):
    out = tmp_path / "out"
    go(jobs[0], out, "a")
    version = go(jobs[1], out, "b")
    before = {blob.path: (out / blob.path).read_bytes() for blob in version.blobs()}
    for path, data in before.items():
        (out / path).write_bytes(support.flip_bit(data, random.Random(1)))
        if harm == "gone":
            (out / path).unlink()
    with pytest.raises(Corrupt, match="--repair"):
        go(jobs[1], out, "b")
    by_drop = {job[0].digest: job for job in jobs}

    def find(wanted):
        drop, verdict = by_drop[wanted.manifest["drop"]["digest"]]
        return Sources(drop=drop, verdict_dir=verdict, config=APPEND, report=None)

    assert repair(out, find).unrepaired == ()
    assert {path: (out / path).read_bytes() for path in before} == before


def test_the_history_shows_each_drops_own_share(jobs, tmp_path):
    drop = support.make_drop(tmp_path / "clean", n=20, seed=9, images=False)
    go(jobs[0], tmp_path / "out", "a")
    go((drop, support.make_verdict(tmp_path / "verdict", drop, set(), set())), tmp_path / "out", "b")
    assert [entry.share for entry in entries_of(version.manifest for version in log(tmp_path / "out"))] == [7 / 20, 0.0]


def test_the_ids_are_listed_once_whatever_is_held_back():
    """They were listed anew for each sample that is held back."""
    listed = []

    class Held:
        def rows(self, *_):
            return np.arange(1, 50)

        @property
        def sample_ids(self):
            listed.append(1)
            return as_ids(f"s{row}" for row in range(60))

    there = {f"s{row}": "keep" for row in range(40, 60)}
    (question,) = appending.questions_of(appending.Overlap(base=SimpleNamespace(number=3), there=there), Held())
    assert question.text.startswith("10 samples that it holds back, such as 's40', are published in version 3")
    assert len(listed) == 1
