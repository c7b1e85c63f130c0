"""Proposals, outcomes and evidence made by hand: for decisions without a training."""

from __future__ import annotations

from typing import Any

import numpy as np

from telltale_core.drop.grouping import Grouping
from telltale_core.spectrum import Spectra
from telltale_core.verdict import VerdictConfig
from telltale_core.verdict.evidence import Evidence
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.near_duplicates import Copies
from telltale_core.verdict.proof import Outcome
from telltale_core.verdict.proposal import Proof, Proposal

ROWS = 40
INSIDE = 12


def evidence(copies: Copies | None = None, samples: int = 2 * ROWS) -> Evidence:
    """Return evidence on so many samples, which says nothing but which of them are copies."""
    zeros = np.zeros(samples)
    spectra = Spectra(
        features=np.zeros((samples, 1), dtype=np.float32), level=zeros, trend=zeros, motion=np.zeros((samples, 4, 3)),
        finite=np.ones(samples, dtype=bool), window=(0, 1), window_choice="by hand",
    )  # fmt: skip
    return Evidence(
        spectra=spectra, features=spectra.features, labels=np.arange(samples) // ROWS, order=np.arange(samples),
        cohorts=(), copies=copies or Copies.none(samples), grouping=Grouping.LABEL, config=VerdictConfig(),
    )  # fmt: skip


def proposal(share: float = 1.2, **changed: Any) -> Proposal:
    """Return a significant proposal of label 0 that stands out by ``share``: 12 suspects and one between of 40 rows."""
    chance_n = np.zeros(ROWS)
    chance_n[:INSIDE], chance_n[INSIDE] = 0.9, 0.3
    fields: dict[str, Any] = {
        "kind": Kind.TOGETHER, "number": 0, "cohort": 0, "label": 0, "name": "cat", "rows": np.arange(ROWS),
        "chance": chance_n, "statistic": 5 * share, "required": 5.0, "simulate": lambda: 1e-6, "p_value": 1e-6,
    }  # fmt: skip
    return Proposal(**{**fields, **changed})


def outcome(proof: Proof, own_answer: int = 0, *, suspects: int = INSIDE, turned: bool = False) -> Outcome:
    """Return the outcome of a proof that gives the first of the suspects their own label."""
    return Outcome(
        proof=proof, own=own_answer / suspects, usual=0.8, spread=0.9, own_answer=np.arange(suspects) < own_answer,
        p_value=1e-6, turned=turned,
    )  # fmt: skip
