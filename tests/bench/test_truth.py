"""Truth is for the score alone: nothing that decides can see it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from telltale_core.attacks import ImageSet
from telltale_core.bench.attacks import make_attack
from telltale_core.bench.main_job import run_pipeline
from telltale_core.drop.demo import load_digits_images, plain_ids, write_image_drop
from telltale_core.proxy import ProxyConfig
from telltale_core.verdict.scoring import score

pytestmark = pytest.mark.trains


@pytest.mark.slow
def test_shuffling_the_truth_leaves_the_verdict_byte_identical(tmp_path: Path) -> None:
    images, labels = load_digits_images(8)
    chosen = np.random.default_rng(0).permutation(len(labels))[:600]
    image_set = ImageSet(images=images[chosen], labels=labels[chosen].astype(np.int64), num_classes=10)
    poisoned_set = make_attack("badnets").poison(image_set, 0.1, 1, 0)
    ids = plain_ids(len(image_set), 0, "digit")
    proxy = ProxyConfig(epochs=6, width=4, lr=0.02, threads=1)
    verdicts, scores = [], []
    for shuffled in (False, True):
        truth = np.random.default_rng(1).permutation(poisoned_set.truth) if shuffled else poisoned_set.truth
        folder = tmp_path / str(shuffled)
        drop = write_image_drop(
            folder / "drop", poisoned_set.data.images, poisoned_set.data.labels, ids, [str(k) for k in range(10)]
        )
        (folder / "truth.json").write_text(json.dumps(truth.tolist()), encoding="utf-8")
        _, verdict, seconds = run_pipeline(drop.parent, folder / "out", folder / "work", proxy)
        verdicts.append((verdict / "verdict.parquet").read_bytes() + (verdict / "verdict.json").read_bytes())
        scores.append(score(verdict, set(np.asarray(ids)[truth].tolist())))
        assert set(seconds) == {"ingest", "train", "spectrum", "cluster", "report", "publish"}
    assert verdicts[0] == verdicts[1]
    assert scores[0]["poisoned"] == scores[1]["poisoned"] == 60
