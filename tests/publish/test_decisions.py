"""A person releases and holds single samples, by id or by group: the version holds that, and says who and why."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from telltale_core.errors import BadInput, Conflict, NeedsReview
from telltale_core.publish import PublishConfig, Sources, log, publish, repair, verify, why
from telltale_core.publish.decisions import decided
from telltale_core.verdict import Verdict
from tests.support import storage as support
from tests.support.verdicts import verdict_of, write_verdict

BY = {"by": "ann", "reason": "looked at it"}


@pytest.fixture
def job(tmp_path: Path):
    """Rows 0 to 2 are quarantined as group 0, row 3 is set aside as group 1, the rest is kept; it asks for a person."""
    drop = support.make_drop(tmp_path / "drop", n=8, images=False)
    rows = {
        "sample_id": [str(name) for name in drop.sample_ids],
        "decision": ["quarantine"] * 3 + ["review"] + ["keep"] * 4,
        "cluster": [0, 0, 0, 1, 1, -1, -1, -1],
    }
    return drop, write_verdict(tmp_path / "verdict", rows, drop_digest=drop.digest, needs_review=True)


def code_of(job, out) -> str:
    with pytest.raises(NeedsReview) as asked:
        publish(*job, out, run_key="r", lineage=support.CODE)
    return asked.value.approval


def go(job, out, **named: list[str]):
    lineage = {**support.CODE, "approved": code_of(job, out), "review": {**BY, **named}}
    return publish(*job, out, run_key="r", lineage=lineage)


def states(out) -> str:
    return "".join(why(out, f"s0-{row:04d}").state[0] for row in range(8))


@pytest.mark.parametrize(
    ("named", "after"),
    [
        ({}, "qqqrpppp"),
        ({"release": ["s0-0001"]}, "qpqrpppp"),
        ({"hold": ["s0-0006"]}, "qqqrppqp"),
        ({"release": ["group 0"], "hold": ["group 1"]}, "ppprqppp"),
        ({"release": ["Group 0", "s0-0003"], "hold": ["s0-0002"]}, "ppqppppp"),
    ],
)
def test_what_a_person_decides_of_samples_and_groups_is_what_the_version_holds(job, tmp_path, named, after):
    version = go(job, tmp_path / "out", **named)
    assert states(tmp_path / "out") == after
    assert version.counts["published"] == after.count("p")
    assert version.manifest["lineage"]["review"] == {**BY, **named}
    assert verify(tmp_path / "out").problems == ()


def test_the_reason_says_who_and_why_and_what_was_said_before(job, tmp_path):
    go(job, tmp_path / "out", release=["s0-0000"], hold=["s0-0007"])
    released, held = why(tmp_path / "out", "s0-0000"), why(tmp_path / "out", "s0-0007")
    assert released.reason == "released by ann: looked at it (before: moves on its own)"
    assert held.reason == "held by ann: looked at it (before: moves on its own)"
    rows = support.read_rows(log(tmp_path / "out")[0].quarantine_urls())
    assert [row["sample_id"] for row in rows if row["reason"].startswith("held by ann")] == ["s0-0007"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"release": ["nobody"]}, r"release: 'nobody' is no sample .*\(groups: 0, 1\).*group 3"),
        ({"hold": ["group 7"]}, r"hold: 'group 7' is no sample"),
        ({"hold": ["s0-0"]}, r"'s0-0' may be any of 8 samples, such as 's0-0000'"),
        ({"release": ["s0-0001"], "hold": ["s0-0001"]}, r"both released and held"),
        ({"release": ["group 0"], "hold": ["group 0"]}, r"both released and held"),
        ({"release": [""]}, "'' is no sample"),
    ],
)
def test_a_name_that_is_no_sample_or_stands_for_both_is_refused_and_nothing_is_published(job, tmp_path, named, message):
    with pytest.raises(BadInput, match=message):
        go(job, tmp_path / "out", **named)
    assert log(tmp_path / "out") == []


def test_the_approval_covers_what_was_shown_whatever_is_decided_of_samples(job, tmp_path):
    before = code_of(job, tmp_path / "out")
    assert go(job, tmp_path / "out", hold=["s0-0006"]).manifest["lineage"]["approved"] == before
    lineage = {**support.CODE, "approved": "0" * 16, "review": {**BY, "hold": ["s0-0006"]}}
    with pytest.raises(NeedsReview):
        publish(*job, tmp_path / "other", run_key="r", lineage=lineage)


def test_a_run_is_one_version_and_a_later_decision_is_no_silent_success(job, tmp_path):
    first = go(job, tmp_path / "out", hold=["s0-0006"])
    lineage = {**support.CODE, "review": {**BY, "hold": ["s0-0006"]}}
    assert publish(*job, tmp_path / "out", run_key="r", lineage=lineage).sha256 == first.sha256
    lineage["review"]["hold"] = ["s0-0007"]
    with pytest.raises(Conflict, match="version 1 already, without this decision on single samples"):
        publish(*job, tmp_path / "out", run_key="r", lineage=lineage)


def test_a_decision_on_what_was_shown_before_is_asked_again_where_nothing_else_is_open_now(job, tmp_path):
    out, before = tmp_path / "out", code_of(job, tmp_path / "out")
    opened = Verdict.open(job[1])
    dataclasses.replace(opened, record=dataclasses.replace(opened.record, needs_review=False)).write(job[1])
    lineage = {**support.CODE, "approved": before, "review": {**BY, "hold": ["s0-0006"]}}
    with pytest.raises(NeedsReview, match="decision_outdated") as asked:
        publish(*job, out, run_key="r", lineage=lineage)
    assert log(out) == []
    version = publish(*job, out, run_key="r", lineage={**lineage, "approved": asked.value.approval})
    assert (states(out), version.manifest["lineage"]["review"]["by"]) == ("qqqrppqp", "ann")


def test_whoever_decides_of_no_sample_is_not_asked_where_nothing_is_open(job, tmp_path):
    opened = Verdict.open(job[1])
    dataclasses.replace(opened, record=dataclasses.replace(opened.record, needs_review=False)).write(job[1])
    version = publish(*job, tmp_path / "out", run_key="r", lineage={**support.CODE, "approved": "0" * 16, "review": BY})
    assert "review" not in version.manifest["lineage"]


def test_repair_makes_a_version_again_with_what_was_decided(job, tmp_path):
    version = go(job, tmp_path / "out", release=["group 0"])
    before = {blob.path: (tmp_path / "out" / blob.path).read_bytes() for blob in version.blobs()}
    for path in before:
        (tmp_path / "out" / path).unlink()
    sources = Sources(drop=job[0], verdict_dir=job[1], config=PublishConfig(), report=None)
    assert repair(tmp_path / "out", lambda _: sources).unrepaired == ()
    assert {path: (tmp_path / "out" / path).read_bytes() for path in before} == before


def test_an_id_that_looks_like_a_group_is_a_sample_unless_there_is_that_group():
    verdict = verdict_of({"sample_id": ["group 0", "b"], "decision": ["keep", "keep"], "cluster": [-1, 0]})
    with pytest.raises(BadInput, match="is a group of the verdict, and a sample is called so"):
        decided(verdict, {**BY, "hold": ["group 0"]})
    alone = verdict_of({"sample_id": ["group 7", "b"], "decision": ["keep", "keep"], "cluster": [-1, 0]})
    assert decided(alone, {**BY, "hold": ["group 7"]}).decision.tolist() == ["quarantine", "keep"]


def test_what_an_earlier_drop_brought_can_be_neither_held_nor_released_by_appending(job, tmp_path):
    append, out = PublishConfig(mode="append"), tmp_path / "out"
    first = support.make_drop(tmp_path / "first", n=5, images=False)
    rows = {"sample_id": [str(name) for name in first.sample_ids], "decision": ["quarantine"] + ["keep"] * 4}
    verdict_dir = write_verdict(tmp_path / "before", rows | {"cluster": [0] + [-1] * 4}, drop_digest=first.digest)
    publish(first, verdict_dir, out, run_key="a", lineage=support.CODE, config=append)
    with pytest.raises(NeedsReview) as asked:
        publish(*job, out, run_key="r", lineage=support.CODE, config=append)
    for named, cure in (({"hold": ["s0-0004"]}, "publish.mode"), ({"release": ["s0-0000"]}, "telltale restore")):
        lineage = {**support.CODE, "approved": asked.value.approval, "review": {**BY, **named}}
        with pytest.raises(BadInput, match=f"in version 1 already.*{cure}"):
            publish(*job, out, run_key="r", lineage=lineage, config=append)
    assert len(log(out)) == 1
