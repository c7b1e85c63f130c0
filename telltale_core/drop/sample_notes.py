"""What ingest notes beside the samples: what each lost when it was packed, and whom it repeats.

``notes.parquet`` stands in a drop only where there is something to note.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from telltale_core.drop.cohorts import Cohorts
from telltale_core.drop.config import DropConfig
from telltale_core.drop.information_loss import EFFECTS, count_losses, loss_questions
from telltale_core.drop.near_duplicates import Repeats, find_repeats
from telltale_core.drop.record import NOTES, Drop
from telltale_core.modality import modality_named
from telltale_core.modality.information_loss import Loss
from telltale_core.questions import Question
from telltale_core.records import as_column

CHUNK_BYTES = 32 << 20
LARGEST = 10
SCHEMA = pa.schema(
    [("sample_id", pa.string()), ("lost", pa.int32()), ("repeat_of", pa.string()), ("repeats", pa.int64())]
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SampleNotes:
    """The manifest's entries ``lost`` and ``repeats``, and the questions."""

    losses: dict[str, Any]
    repeats: dict[str, Any]
    questions: list[Question]


def take_notes(drop: Drop, loss_N: NDArray[np.int32], config: DropConfig) -> SampleNotes:
    """Return what there is to say of losses and repeats; writes ``notes.parquet`` into the drop's folder if needed."""
    repeats = _repeats(drop)
    if loss_N.any() or repeats.repeated.any():
        _write(drop, loss_N, repeats)
    plural = modality_named(drop.modality).plural
    counts = count_losses(loss_N)
    return SampleNotes(
        losses={"samples": int(np.count_nonzero(loss_N)), "by_cause": counts, "said": {w: _effect(w) for w in counts}},
        repeats=_summary(drop, repeats, drop.cohorts),
        questions=loss_questions(loss_N, drop.cohorts, plural, config.accept_loss or ()),
    )


def _effect(word: str) -> str:
    return EFFECTS[Loss[word.upper()]]


def _repeats(drop: Drop) -> Repeats:
    inputs_N = drop.inputs
    sketch, most_bits = modality_named(drop.modality).sketch(inputs_N, drop.packing)
    step = max(1, min(1024, CHUNK_BYTES // max(1, inputs_N[:1].nbytes)))
    parts = [sketch(np.asarray(inputs_N[start : start + step])) for start in range(0, len(inputs_N), step)]
    return find_repeats(np.concatenate(parts), most_bits)


def _write(drop: Drop, loss_N: NDArray[np.int32], repeats: Repeats) -> None:
    ids = drop.sample_ids
    of = [str(ids[leader]) if leads else None for leader, leads in zip(repeats.leader, repeats.repeated, strict=True)]
    columns = [as_column(ids), pa.array(loss_N), pa.array(of, pa.string()), pa.array(repeats.size)]
    table = pa.Table.from_arrays(columns, schema=SCHEMA)
    pq.write_table(table, drop.path / NOTES, compression="zstd", write_page_checksum=True)


def _summary(drop: Drop, repeats: Repeats, cohorts: Cohorts | None) -> dict[str, Any]:
    """Return how many groups and samples there are, the largest groups, and those with more than one label."""
    rows = np.flatnonzero(repeats.repeated)
    rows = rows[np.argsort(repeats.leader[rows], kind="stable")]
    leaders, starts = np.unique(repeats.leader[rows], return_index=True)
    groups = np.split(rows, starts[1:]) if len(rows) else []
    number = None if cohorts is None else cohorts.number
    mixed = [group for group in groups if number is not None and len(np.unique(number[group])) > 1]
    return {
        "groups": len(leaders),
        "samples": len(rows),
        "largest": [_group(drop, group, cohorts) for group in _by_size(groups)],
        "under_two_labels": {
            "groups": len(mixed),
            "samples": sum(map(len, mixed)),
            "largest": [_group(drop, group, cohorts) for group in _by_size(mixed)],
        },
    }


def _by_size(groups: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    return sorted(groups, key=lambda group: (-len(group), group[0]))[:LARGEST]


def _group(drop: Drop, group: NDArray[np.int64], cohorts: Cohorts | None) -> dict[str, Any]:
    group_record: dict[str, Any] = {"sample_id": str(drop.sample_ids[group[0]]), "size": len(group)}
    if cohorts is not None:
        numbers = Counter(int(number) for number in cohorts.number[group])
        names = cohorts.names
        group_record["labels"] = {names[n] if names is not None else str(n): numbers[n] for n in sorted(numbers)}
    return group_record
