"""Evidence for all tests of detectors; a tiny net is trained on it once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from telltale_core.bench.detectors import CleanSet, Evidence
from telltale_core.bench.detectors.runner import Question
from telltale_core.drop import ingest
from telltale_core.drop.demo import write_image_drop
from telltale_core.proxy import ProxyConfig, fit, train
from tests.support.evidence import CLASSES, make_evidence


@pytest.fixture(scope="session")
def evidence() -> Evidence:
    base, _ = make_evidence()
    model = fit(base.inputs, base.labels, CLASSES, ProxyConfig(epochs=2, width=4, batch_size=16, threads=1))
    return dataclasses.replace(base, model=model)


@pytest.fixture(scope="session")
def truth() -> np.ndarray:
    return make_evidence()[1]


@pytest.fixture(scope="module")
def question(evidence, tmp_path_factory):
    place = tmp_path_factory.mktemp("asked")
    names = ["a", "b", "c", "<script>d"]
    write_image_drop(place / "drop", evidence.inputs, evidence.labels, evidence.sample_ids.tolist(), names)
    drop = ingest(str(place / "drop"), place / "drops")
    train(drop, place / "train", ProxyConfig(epochs=4, width=4, batch_size=16, threads=1, device="cpu"))
    clean = CleanSet(labels=evidence.clean.labels, inputs=evidence.clean.inputs, source="vouched for")
    return Question(drop=drop, train_dir=place / "train", work=place / "work", clean=clean)
