"""The report says how much of what is suspected are copies of each other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.drop.record import NOTES
from telltale_core.report import read_run, views
from telltale_core.report.repeats import repeats_among_suspects


def test_copies_among_the_suspected_samples_are_counted_by_label_and_named_in_the_limits(make, tmp_path):
    run = read_run(*make(tmp_path).args)
    assert repeats_among_suspects(run) == []
    ids = run.drop.sample_ids
    suspected = np.flatnonzero(run.decision_N == "quarantine")
    of: list[str | None] = [None] * len(ids)
    size = np.ones(len(ids), dtype=np.int64)
    for row in suspected[:15]:
        of[row], size[row] = str(ids[suspected[0]]), 15
    columns = {"sample_id": ids.tolist(), "lost": np.zeros(len(ids), np.int32), "repeat_of": of, "repeats": size}
    pq.write_table(pa.table(columns), run.drop.path / NOTES)
    manifest = {**run.drop.manifest, "files": {NOTES: ""}}
    noted = dataclasses.replace(run, drop=dataclasses.replace(run.drop, manifest=manifest))
    (line,) = repeats_among_suspects(noted)
    assert line.startswith("Of the 26 suspected samples of dog 15 are near-duplicates: 12 different samples")
    assert line in views.caveats(noted)
