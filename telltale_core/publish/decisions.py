"""Single samples released or held by a person: the verdict as it is published, once somebody looked at them.

A decision names samples by their id or its beginning, or all of a group as ``group 3``. Of a group a release takes what
is held back, and a hold what is kept. What is named by an id goes before what is named by a group. A text that is both
an id and a group is refused, for ids are the contributor's.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from telltale_core.errors import BadInput
from telltale_core.publish.finding import FIRST, LEAST_CHARS
from telltale_core.records import Ids
from telltale_core.verdict import Verdict
from telltale_core.verdict.record import counts_of

NAMES = ("release", "hold")
UNKNOWN = "unknown_sample"
_GROUP = re.compile(r"group\s+(\d{1,9})", re.IGNORECASE)
_BECOMES = {"release": "keep", "hold": "quarantine"}
_SAYS = {"release": "released", "hold": "held"}


def named_in(review: Mapping[str, Any] | None) -> dict[str, list[str]]:
    """Return the samples that a person's decision names, by what is to become of them; nothing where it names none."""
    return {name: list(review[name]) for name in NAMES if review and review.get(name)}


def decided(verdict: Verdict, review: Mapping[str, Any] | None) -> Verdict:
    """Return the verdict with a person's decisions: other ``decision`` and ``reason`` of the samples that they name.

    Raises :class:`BadInput` where a name is no sample and no group of the drop, or stands for both.
    """
    if not (named := named_in(review)) or review is None:
        return verdict
    decision_N, reasons = verdict.decision, verdict.table["reason"].to_pylist()
    wanted_N = _wanted(verdict, named)
    for name, becomes in _BECOMES.items():
        for row in np.flatnonzero((wanted_N == name) & ((decision_N == "keep") != (becomes == "keep"))):
            reasons[row] = f"{_SAYS[name]} by {review['by']}: {review['reason']} (before: {reasons[row]})"
            decision_N[row] = becomes
    table = verdict.table
    for column, values in (("decision", decision_N.tolist()), ("reason", reasons)):
        at = table.schema.get_field_index(column)
        table = table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))
    return dataclasses.replace(
        verdict, table=table, record=dataclasses.replace(verdict.record, counts=counts_of(decision_N))
    )


def _wanted(verdict: Verdict, named: Mapping[str, Sequence[str]]) -> np.ndarray[Any, Any]:
    """Return what is to become of each sample: ``release``, ``hold`` or nothing."""
    group_N = np.asarray(verdict.table["cluster"].to_pylist(), np.int64)
    wanted_N = np.full(len(group_N), "", dtype="U8")
    single_N = wanted_N.copy()
    ids = verdict.sample_ids
    for name, texts in named.items():
        for text in texts:
            match = _GROUP.fullmatch(text.strip())
            of_group_N = group_N == (int(match[1]) if match else -1)
            if match and text in ids and of_group_N.any():
                _refuse(f"{text[:80]!a} is a group of the verdict, and a sample is called so")
            by_group = match is not None and text not in ids
            rows = of_group_N if by_group else _rows(ids, text)
            chosen_N = wanted_N if by_group else single_N
            if not rows.any():
                numbers = ", ".join(map(str, sorted({*group_N.tolist()} - {-1})[:20])) or "none"
                _refuse(
                    f"{name}: {text[:80]!a} is no sample of this drop and no group of its verdict (groups: {numbers})"
                )
            if ((chosen_N[rows] != "") & (chosen_N[rows] != name)).any():
                _refuse(f"{text[:80]!a} is to be both released and held")
            chosen_N[rows] = name
    return np.where(single_N != "", single_N, wanted_N)


def _rows(ids: Ids, text: str) -> np.ndarray[Any, Any]:
    """Return which sample a text names, by its id or by the beginning of one only."""
    same_N = np.asarray(ids == text)
    if same_N.any():
        return same_N
    begin_N = np.strings.startswith(ids, text) if len(text) >= LEAST_CHARS else same_N
    if (begin := ids[begin_N].tolist())[1:]:
        shown = ", ".join(f"{one!a}" for one in begin[:FIRST])
        _refuse(f"{text[:80]!a} may be any of {len(begin):,} samples, such as {shown}")
    return begin_N


def _refuse(problem: str) -> None:
    cure = "Name samples by their ids, as the review artifact and `telltale export` have them, or a group as 'group 3'"
    raise BadInput(UNKNOWN, f"{problem}. Nothing was published. {cure}")
