"""Verdicts made by hand, written by the product's own record layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from telltale_core.verdict.record import SCHEMA, Group, Verdict, VerdictRecord, counts_of


def group(**changes: Any) -> Group:
    known = {"label": 0, "label_name": None, "samples": 9, "size": 0, "statistic": 1.0, "threshold": 4.0}
    return Group(**{**known, "p_value": None, "tested": True, "called": False, **changes})


def verdict_of(rows: Mapping[str, Sequence[Any]], **changes: Any) -> Verdict:
    """Return a verdict with these columns (``sample_id``, ``decision`` and what else differs from the usual)."""
    n = len(rows["sample_id"])
    usual = {"suspicion": [0.1] * n, "cluster": [-1] * n, "reason": ["moves on its own"] * n}
    table = pa.table({name: rows.get(name, usual.get(name)) for name in SCHEMA.names}, schema=SCHEMA)
    known: dict[str, Any] = {
        "drop_digest": "d0" * 32, "statement": "No poison found.", "poison_found": False, "questions": [],
        "needs_review": False, "p_value": 1.0, "false_alarm_rate": 0.01, "groups": [], "untested": 0,
        "doubtful_labels": 0, "caveats": [], "config": {},
        "counts": counts_of(np.asarray(rows["decision"], dtype="U10")),
    }  # fmt: skip
    return Verdict(record=VerdictRecord(**{**known, **changes}), table=table)


def write_verdict(folder: Path, rows: Mapping[str, Sequence[Any]], **changes: Any) -> Path:
    """Return ``folder`` with such a verdict in it."""
    verdict_of(rows, **changes).write(folder)
    return folder
