"""Opinions side by side, kept on disk, asked for once, shown on a page."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from telltale_core.bench.detectors import make_detector
from telltale_core.bench.detectors.comparison import compare
from telltale_core.bench.detectors.comparison_page import write_comparison
from telltale_core.bench.detectors.record import measure, read_opinion, write_opinion
from telltale_core.bench.detectors.runner import ask, default_names
from telltale_core.errors import ConfigError, Corrupt, NotFound


def opinion(tmp_path, evidence, name, flagged, suspicion=None):
    detector = make_detector(name)
    n = len(evidence)
    detector.suspicion_ = np.arange(n, dtype=float) if suspicion is None else suspicion
    detector.flagged_ = np.isin(np.arange(n), flagged)
    detector.reason_ = np.full(n, f"<b>{name}</b> says so", dtype=object)
    detector.statement_, detector.details_, detector.estimate_bytes_ = f"{name} <i>found</i>", {}, 10
    usage = measure(make_detector("abl"), evidence)
    return write_opinion(detector, evidence, usage, "d" * 64, tmp_path / name)


@pytest.fixture
def three(tmp_path, evidence):
    return [
        opinion(tmp_path, evidence, "telltale", [0, 1, 2, 3]),
        opinion(tmp_path, evidence, "scan", [2, 3, 4, 5]),
        opinion(tmp_path, evidence, "abl", [0, 9], -np.arange(len(evidence), dtype=float)),
    ]


def test_overlap_and_rank_correlation_are_what_they_are_called(three) -> None:
    both = compare(three)
    assert both.overlap[0].tolist() == pytest.approx([1, 2 / 6, 1 / 5])
    assert both.rank_correlation[0].tolist() == pytest.approx([1, 1, -1])
    nobody = dataclasses.replace(three[0], flagged=np.zeros_like(three[0].flagged))
    assert np.isnan(compare([nobody, nobody]).overlap).all()


def test_detectors_that_flag_a_set_share_have_no_vote(three) -> None:
    both = compare(three)
    assert both.voters == ("telltale", "scan")
    assert np.flatnonzero(both.combined(2)).tolist() == [2, 3]
    assert np.flatnonzero(both.combined(1)).tolist() == [0, 1, 2, 3, 4, 5]
    assert sorted(both.disputed().tolist()) == [0, 1, 4, 5]
    assert both.flagged_by(0) == ["telltale", "abl"]
    assert both.record(None)["combined"] is None
    with pytest.raises(ConfigError, match="quorum must be >= 1"):
        both.combined(0)


def test_opinions_on_other_samples_are_not_compared(three) -> None:
    other = dataclasses.replace(three[1], sample_ids=three[1].sample_ids[::-1])
    with pytest.raises(Corrupt, match="different samples"):
        compare([three[0], other])
    with pytest.raises(ConfigError, match="no opinion"):
        compare([])


def test_half_an_opinion_is_told(three, tmp_path) -> None:
    (tmp_path / "scan" / "opinion.json").write_text(json.dumps({**three[1].record, "samples": 3}))
    with pytest.raises(Corrupt, match="compare the detectors again"):
        read_opinion(tmp_path / "scan")
    with pytest.raises(NotFound):
        read_opinion(tmp_path / "nothing")


CHEAP = ("spectral_signatures", "scan", "abl", "badloss", "dao")


def test_asked_once_the_opinion_is_read_the_second_time(question, monkeypatch) -> None:
    first = ask(question, CHEAP)
    assert [opinion.name for opinion in first.opinions] == ["spectral_signatures", "scan", "abl", "dao"]
    assert "known clean samples" in first.left_out["badloss"]
    monkeypatch.setattr("telltale_core.bench.detectors.runner.measure", lambda *_: pytest.fail("computed again"))
    again = ask(question, CHEAP)
    for one, other in zip(first.opinions, again.opinions, strict=True):
        np.testing.assert_array_equal(one.suspicion, other.suspicion)
    assert first.opinions[1].record["clean_set"] == {"samples": 96, "source": "vouched for"}
    recorded = [
        sorted(path.rglob("*.parquet")) for path in (question.work / "recordings", question.train_dir / "recordings")
    ]
    assert [[path.name for path in paths] for paths in recorded] == [[], ["answers.parquet", "features.parquet"]], (
        "by the training itself"
    )


def test_known_clean_ids_must_be_of_the_drop(question) -> None:
    some = question.drop.sample_ids[:20].tolist()
    asked = dataclasses.replace(question, known_clean=some)
    assert ask(asked, ["badloss"]).opinions[0].record["known_clean"] == 20
    with pytest.raises(ConfigError, match="'stranger' is named as known to be clean"):
        ask(dataclasses.replace(question, known_clean=["stranger"]), ["badloss"])


def test_a_clean_set_of_another_shape_is_refused(question) -> None:
    small = dataclasses.replace(question.clean, inputs=question.clean.inputs[:, :4])
    with pytest.raises(ConfigError, match="prepared in the same way"):
        ask(dataclasses.replace(question, clean=small), ["scan"])


def test_those_that_train_are_asked_only_by_name() -> None:
    assert not {"confusion_training", "asset"} & set(default_names())
    assert {"telltale", "spectre", "scan"} <= set(default_names())


def test_the_page_shows_opinions_agreement_and_disputed_samples_with_strange_names_escaped(question, tmp_path) -> None:
    answers = ask(question, CHEAP)
    both = compare(
        [dataclasses.replace(answers.opinions[1], flagged=np.arange(len(question.drop)) < 3), *answers.opinions]
    )
    both = dataclasses.replace(
        both, voters=("scan", "other"), votes=(np.arange(len(question.drop)) < 3).astype(np.int64)
    )
    page = write_comparison(question.drop, both, tmp_path, left_out={"badloss": "needs <x>"}, quorum=1)
    text = page.read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "needs &lt;x&gt;" in text
    assert text.count('class="sample"') == 3
    assert "flagged by at least 1" in text
    record = json.loads((tmp_path / "comparison.json").read_text())
    assert record["combined"] == {"flagged": 3, "rule": "flagged by at least 1 voters"}
    assert (
        write_comparison(question.drop, both, tmp_path, left_out={}, quorum=None)
        .read_text()
        .count("none was asked for")
        == 1
    )
