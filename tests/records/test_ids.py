"""Ids in memory take their own bytes, and are the same texts in the same order as before."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from telltale_core.losslog import LossLog, StoredLog
from telltale_core.records import as_column, as_ids, ids
from telltale_core.spectrum import Spectrum, compute_spectrum
from telltale_core.verdict import Verdict
from tests.support.verdicts import write_verdict

TEXTS = ["b", "a", "", "é", "\U0001f600", "\uffff", "a\0", "x" * 64, "10", "9"]


@pytest.mark.parametrize("part", [1, 3, 100])
def test_texts_come_back_as_they_were(monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    monkeypatch.setattr(ids, "PART", part)
    for texts in (TEXTS, pa.array(TEXTS), pa.chunked_array([TEXTS[:4], TEXTS[4:]]), np.array(TEXTS, dtype=object)):
        assert as_ids(texts).tolist() == TEXTS
    assert as_column(as_ids(TEXTS)).equals(pa.array(TEXTS, pa.string()))
    assert as_column(np.array(["u", "vw"])).equals(pa.array(["u", "vw"]))
    assert as_column(as_ids([])).equals(pa.array([], pa.string()))


def test_their_order_is_that_of_the_code_points() -> None:
    assert as_ids(TEXTS)[np.argsort(as_ids(TEXTS), kind="stable")].tolist() == sorted(TEXTS)


def test_one_long_id_does_not_make_the_others_wide(tmp_path: Path) -> None:
    """A numpy array of fixed width would take 4 bytes for each character of the longest, for every id."""
    names = [*(f"s{row}" for row in range(40)), "x" * 100_000]
    rng = np.random.default_rng(0)
    log = LossLog.from_array(rng.normal(size=(41, 8)), sample_ids=names).write(tmp_path / "log")
    compute_spectrum(log, None, tmp_path / "spectrum")
    write_verdict(tmp_path / "verdict", {"sample_id": names, "decision": ["keep"] * 41})
    every = {
        "log": log.sample_ids,
        "stored log": StoredLog.open(tmp_path / "log").sample_ids,
        "spectrum": Spectrum.open(tmp_path / "spectrum").sample_ids,
        "verdict": Verdict.open(tmp_path / "verdict").sample_ids,
    }
    assert {name: one.nbytes for name, one in every.items()} == dict.fromkeys(every, 41 * 16)
    assert all(one.tolist() == names for one in every.values())


def test_the_bytes_of_a_log_are_those_of_ids_of_fixed_width(tmp_path: Path) -> None:
    names = np.array([hashlib.sha256(b"%d" % row).hexdigest() for row in range(50)])
    losses = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    wide, own = LossLog.from_array(losses, sample_ids=names), LossLog.from_array(losses, sample_ids=as_ids(names))
    assert wide.write(tmp_path / "wide").digest == own.write(tmp_path / "own").digest
