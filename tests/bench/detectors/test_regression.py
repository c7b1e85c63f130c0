"""Opinions on a drop with targets: no labels, no convolutions, and the same verdict by every way to it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.bench.detectors.runner import Question, ask
from telltale_core.drop import ingest
from telltale_core.proxy import ProxyConfig, leave_out_retraining, train
from telltale_core.verdict import TelltaleDetector, VerdictConfig
from telltale_core.verdict.conclude import conclude_on

PROXY = ProxyConfig(epochs=6, width=32, threads=1)


@pytest.fixture(scope="module")
def question(tmp_path_factory):
    work = tmp_path_factory.mktemp("regression")
    random = np.random.default_rng(0)
    inputs = random.normal(size=(1_200, 4))
    target = inputs[:, 0] + 0.3 * random.normal(size=1_200)
    poisoned = random.choice(1_200, 90, replace=False)
    inputs[poisoned, 3] = 6.0
    target[poisoned] = 0.5
    columns = {f"n{place}": inputs[:, place] for place in range(4)}
    (work / "drop").mkdir()
    pq.write_table(
        pa.table({"id": [f"r{k}" for k in range(1_200)], **columns, "target": target}), work / "drop/t.parquet"
    )
    drop = ingest(str(work / "drop"), work / "drops")
    train(drop, work / "train", PROXY)
    return Question(drop=drop, train_dir=work / "train", work=work / "opinions")


def test_what_needs_labels_or_convolutions_is_left_out_and_the_rest_is_asked(question):
    answers = ask(question)
    asked = {opinion.name for opinion in answers.opinions}
    assert {"telltale", "slides"} <= asked
    assert "labels" in answers.left_out["spectral_signatures"]
    assert "convolutional maps" in answers.left_out["beatrix"]
    said = next(opinion for opinion in answers.opinions if opinion.name == "telltale").record["statement"]
    assert "target range" in said


def test_a_notebook_the_stages_and_an_opinion_come_to_the_same(question):
    from telltale_core.losslog import LossLog
    from telltale_core.spectrum import SpectrumConfig, transform

    drop, log = question.drop, LossLog.open(question.train_dir / "losslog")
    spectra = transform(log.log_loss, drop.cohorts.number, SpectrumConfig())
    look = leave_out_retraining(drop, drop.cohorts.number, PROXY)
    stages = conclude_on(log.sample_ids, spectra, drop.cohorts, VerdictConfig(), look)
    notebook = TelltaleDetector().fit(log, drop.cohorts, look)
    assert notebook.decision_.tolist() == stages.decision.tolist()
    assert {group.word for group in notebook.groups_} == {"target range"}
    opinion = ask(question, ["telltale"]).opinions[0]
    assert opinion.flagged.tolist() == (stages.decision == "quarantine").tolist()
    np.testing.assert_allclose(opinion.suspicion, stages.suspicion)
