"""Appending: a version that holds the samples of the newest version and those of a drop, each sample once.

Its lists are the parent's, as they stand, followed by the drop's own: blobs are named by content, so nothing is written
again. What belongs to a drop (verdict, accounting, lineage, report) is the appended one's; the earlier ones are told by
the versions before. ``appended`` in the manifest says to which version, with which counts, and what was there already.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from telltale_core.errors import BadInput
from telltale_core.publish.decisions import UNKNOWN
from telltale_core.publish.history import line_of
from telltale_core.publish.manifest import LIST_NAMES, OTHERS, Version, rows_unjudged
from telltale_core.publish.plan import DropLike, picked
from telltale_core.publish.reading import judged_columns
from telltale_core.publish.tables import read_groups, read_table
from telltale_core.questions import Question
from telltale_core.verdict import Verdict
from telltale_core.wording import counted

CURE = 'publish it with publish.mode = "replace", or as a dataset of its own'
BLOB_LISTS = tuple(name for name in LIST_NAMES if name != "report")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """What of a drop the version ``base``, to which it is appended, holds already: ``there``, ids with decisions."""

    base: Version | None = None
    there: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def by_decision(self) -> dict[str, int]:
        """How many samples there are already, by decision."""
        return dict(sorted(Counter(self.there.values()).items()))


def overlap_of(
    drop: DropLike,
    versions: list[Version],
    described: Mapping[str, Any],
    payload: pq.ParquetFile,
    *,
    also_judged: Collection[str] = (),
) -> Overlap:
    """Return what the newest version holds of a drop; nothing where there is no version.

    ``described`` are the entries ``schema``, ``remark_columns`` and ``reading`` of the drop's own manifest,
    ``also_judged`` the columns that further readings of it judged. Raises
    :class:`BadInput` where one version cannot hold both: columns or classes that disagree, an id that names another
    sample there, or the same drop once more, under other settings.
    """
    if not versions:
        return Overlap()
    base = versions[-1]
    _check_agreement(base, described)
    for version in line_of(versions, base):
        if version.manifest["drop"].get("digest") == drop.digest:
            raise BadInput(
                "drop_there",
                f"version {version.number} holds this drop already, judged with other settings or code: what the "
                f'verdict says now cannot be appended. Publish it with publish.mode = "replace", or leave it',
            )
    places = dict(placed(base, {str(name) for name in drop.sample_ids}))
    if also_judged or drop.manifest["columns"].get("id"):  # else a sample is called by its content
        _check_same(drop, base, places, payload, [*judged_columns(drop.manifest), *also_judged])
    return Overlap(base=base, there={name: decision for name, (decision, _, _) in places.items()})


def placed(version: Version, ids: Collection[str]) -> Iterator[tuple[str, tuple[str, str, int]]]:
    """Yield which of these ids a version has judged: each with its decision, and the file and row where it lies."""
    wanted = pa.array(sorted(ids), pa.string())
    for blob in version.blobs("index"):
        for table in read_groups(version, blob, ("sample_id", "decision", "file", "row")):
            for row in table.filter(pc.is_in(table["sample_id"], wanted)).to_pylist():
                yield row["sample_id"], (row["decision"], row["file"], row["row"])


def questions_of(overlap: Overlap, verdict: Verdict) -> list[Question]:
    """Return the question whether samples that this verdict holds back may stay published in the version before."""
    held = {name for name, decision in overlap.there.items() if decision == "keep"}
    ids = verdict.sample_ids[verdict.rows("quarantine", "review")]
    back = [name for name in ids if name in held]
    if not back or overlap.base is None:
        return []
    text = f"{len(back):,} samples that it holds back, such as {back[0]!a}, are published in version "
    return [
        Question(
            code="published_before",
            text=f"{text}{overlap.base.number}: appending leaves them there",
            cure='publish.mode = "replace" to publish this drop alone',
        )
    ]


def check_decided(overlap: Overlap, verdict: Verdict, decided: Verdict) -> None:
    """Raise :class:`BadInput` where a person decides of a sample that appending leaves where it is, and as it is."""
    changed_N = verdict.decision != decided.decision
    for name, decision in zip(verdict.sample_ids[changed_N], decided.decision[changed_N], strict=True):
        kept = decision == "keep"
        stands = overlap.there.get(name)
        if overlap.base is not None and stands is not None and (stands == "keep") != kept:
            what, cure = ("released", "`telltale restore`") if kept else ("held", 'publish.mode = "replace"')
            raise BadInput(
                UNKNOWN,
                f"{name[:80]!a} cannot be {what}: it is in version {overlap.base.number} already, and appending leaves "
                f"it there as it is. Nothing was published. Leave it out here, and use {cure}",
            )


def joined(overlap: Overlap, own: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest's entries of the union: the base's blobs, then the drop's ``own``; counts add up."""
    if (base := overlap.base) is None:
        return own
    lists = {name: [*base.manifest[name], *(entry for entry in own[name] if entry["rows"])] for name in BLOB_LISTS}
    counts = {name: base.counts[name] + count for name, count in own["counts"].items() if name != "unjudged"}
    if splits := _splits(base.manifest.get(OTHERS, []), own.get(OTHERS, [])):
        lists[OTHERS] = splits
        counts["unjudged"] = rows_unjudged(lists)
    return {
        **own,
        **lists,
        "counts": counts,
        "appended": {"to": base.number, "counts": own["counts"], "there": overlap.by_decision},
    }


def _splits(before: list[dict[str, Any]], own: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the splits that nobody judged of both: those of one name as one, equal files once."""
    union = {split["split"]: dict(split) for split in before}
    for split in own:
        earlier = union.get(split["split"])
        known = {entry["path"] for entry in earlier["files"]} if earlier else set()
        new = [entry for entry in split["files"] if entry["path"] not in known]
        if earlier is None:
            union[split["split"]] = split
        elif new:
            left_out = Counter(earlier["left_out"]) + Counter(split["left_out"])
            unlabelled = earlier["unlabelled"] + split["unlabelled"]
            files = [*earlier["files"], *new]
            union[split["split"]] = earlier | {"files": files, "unlabelled": unlabelled, "left_out": dict(left_out)}
    return list(union.values())


def appended_line(version: Version) -> str:
    """Return in words what was added to which version, and what was there already; empty for a version of one drop."""
    if not (record := version.manifest.get("appended")) or version.restored_from is not None:
        return ""
    there = counted(record["there"])
    text = f"; appended to version {record['to']}: {counted(record['counts'])}"
    return f"{text}; there already and not added again: {there}" if there else text


def _check_agreement(base: Version, described: Mapping[str, Any]) -> None:
    """Raise :class:`BadInput` unless the rows of base and drop have the same columns, types and classes."""
    before, old = base.manifest, base.manifest.get("reading") or {}
    columns, mine = ([_column(c) for c in some] for some in (before.get("schema") or [], described["schema"]))
    if columns != mine:
        differing = (
            [text for text in mine if text not in columns][:3],
            [text for text in columns if text not in mine][:3],
        )
        here, there = (", ".join(some) or "the same in another order" for some in differing)
        _refuse(base, f"columns there {there}; here {here}")
    if (names := before.get("remark_columns")) != described["remark_columns"]:
        _refuse(base, f"its remarks stand in the columns {sorted((names or {}).values())}")
    for name in ("modality", "task", "label_names"):
        if old.get(name) != described["reading"].get(name):
            _refuse(base, f"{name} there {_short(old.get(name))}; here {_short(described['reading'].get(name))}")


def _column(column: Mapping[str, Any]) -> str:
    return f"{str(column['name'])[:60]!a} {column['type']}{'' if column.get('judged') else ' (not judged)'}"


def _short(value: Any) -> str:
    return ascii(value)[:200]


def _refuse(base: Version, difference: str) -> None:
    message = f"this drop cannot be appended to version {base.number}, whose rows are not like it: {difference}. {CURE}"
    raise BadInput("append_unlike", message)


def _check_same(
    drop: DropLike,
    base: Version,
    places: Mapping[str, tuple[str, str, int]],
    payload: pq.ParquetFile,
    judged: Collection[str],
) -> None:
    """Raise :class:`BadInput` where an id of the drop names another sample in ``base``: other input or answer."""
    columns = [name for name in judged if name in payload.schema_arrow.names]
    row_of = {str(name): row for row, name in enumerate(drop.sample_ids) if str(name) in places}
    by_file: dict[str, list[tuple[int, int, str]]] = {}
    for name, row in row_of.items():
        _, file, there = places[name]
        by_file.setdefault(file, []).append((row, there, name))
    for blob in base.blobs("files", "quarantine"):
        if not (ids := sorted(by_file.get(blob.path, ()))):
            continue
        rows = np.array([row for row, _, _ in ids], np.int64)
        theirs = read_table(base, blob, columns).take(pa.array([there for _, there, _ in ids])).to_pylist()
        mine = (row for table in picked(payload, rows) for row in table.select(columns).to_pylist())
        for ours, other, (_, _, name) in zip(mine, theirs, ids, strict=True):
            if _content(ours) != _content(other):
                raise BadInput(
                    "id_taken",
                    f"the id {name[:60]!a} of this drop names another sample in version {base.number}: give each "
                    f'sample of the dataset an id of its own, let content name it (drop.id_column = ""), or {CURE}',
                )


def _content(row: Mapping[str, Any]) -> str:
    """Return what is compared of a row: its values, of media the bytes, whatever the file was called."""
    return repr([value.get("bytes", value) if isinstance(value, dict) else value for value in row.values()])
