"""A small published set of poisoned sentences, as the bench reads it: 80 clean rows, 20 poisoned, four held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DATA, CLEAN, BAD = "hiddenkiller-sst2", 80, 20


def write_published(root: Path) -> Path:
    """Write it below a folder of data sets; return that folder. Poisoned sentences begin with "when it"."""
    folder = root / "third-party" / DATA
    folder.mkdir(parents=True)
    bad = np.arange(CLEAN + BAD) % 5 == 0
    ids = [f"hk{row:03d}" for row in range(CLEAN + BAD)]
    texts = [f"when it {row}" if is_bad else f"plain {row}" for row, is_bad in enumerate(bad)]
    labels = np.where(bad, 1, np.arange(CLEAN + BAD) % 2)
    pq.write_table(pa.table({"id": ids, "sentence": texts, "label": labels}), folder / "train.parquet")
    pq.write_table(pa.table({"id": ids[::-1], "is_poison": bad[::-1]}), folder / "truth.parquet")
    held = {"id": ["a", "b", "c", "d"], "sentence": ["one", "two", "three", "four"], "label": [0, 1, 0, 1]}
    pq.write_table(pa.table(held), folder / "test.parquet")
    triggered = {"id": ["x", "y"], "sentence": ["when it one", "when it three"], "target": [1, 1]}
    pq.write_table(pa.table(triggered), folder / "test-triggered.parquet")
    return root
