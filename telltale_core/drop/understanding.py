"""What ingest understood of a drop, in a few lines that a person checks at a glance, and where it may be wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from telltale_core.drop.manifest import Manifest, OtherSplit
from telltale_core.drop.record import Drop
from telltale_core.drop.split_names import CARRIED, OTHERS, PARTS, REASON, split_named
from telltale_core.drop.value_survey import NO_VALUE
from telltale_core.modality import modality_named
from telltale_core.modality.cells import plain_number, written_number
from telltale_core.modality.reasons import shown

FIRST = 4
MANY, MANY_A_ROW = 20, 0.1
"""So many classes, and so many for each row, are more likely to be the values of a number or an id."""


def understood_lines(drop: Drop) -> list[str]:
    """Return what the input, the answer, the classes and the split are, a line each."""
    manifest = drop.manifest
    columns, shape = manifest["columns"], " x ".join(map(str, manifest["input"]["shape"][1:]))
    lines = [
        f"input: {_names(columns['input'])} ({modality_named(manifest['modality']).plural}, packed {shape}: "
        f"{manifest['packing']['rule']})",
        _targets(drop) if drop.task == "regression" else _classes(manifest, class_counts(drop)),
    ]
    return [*lines, *_split(manifest), *_encodings(manifest["accounting"])]


def class_counts(drop: Drop) -> Counter[str]:
    """Return how many samples each class has, in the order of the labels; of several labels each is counted."""
    label_names = drop.label_names
    labels = drop.samples()["label"].combine_chunks()
    if drop.task == "multilabel":
        labels = labels.flatten()
    numbers, counts = np.unique(labels.to_numpy(zero_copy_only=False), return_counts=True)
    names = [str(number) if label_names is None else label_names[int(number)] for number in numbers]
    return Counter(dict(zip(names, counts.tolist(), strict=True)))


def _names(columns: object) -> str:
    return ", ".join(map(str, columns)) if isinstance(columns, list) else str(columns)


def _classes(manifest: Manifest, counts: Counter[str]) -> str:
    listed = [f"{shown(name)} ({count:,})" for name, count in counts.items()]
    if len(listed) > 2 * FIRST:
        listed = [*listed[:FIRST], "...", listed[-1]]
    single = [name for name, count in counts.items() if count == 1]
    alone = f"; one sample each: {len(single):,}, such as {shown(single[0])}" if single else ""
    what = "labels, several a sample" if manifest["task"] == "multilabel" else "classes"
    return f"label: {_names(manifest['columns']['label'])}, {len(counts):,} {what}: {', '.join(listed)}{alone}"


def _targets(drop: Drop) -> str:
    targets = np.asarray(drop.targets)
    different = f"{len(np.unique(targets)):,} different" if targets.ndim == 1 else f"{targets.shape[1]} a sample"
    return (
        f"target: {_names(drop.manifest['columns']['target'])}, numbers from {targets.min():g} to {targets.max():g}, "
        f"{different}"
    )


def _split(manifest: Manifest) -> list[str]:
    accounting = manifest["accounting"]
    splits, carried = accounting.get("splits"), manifest.get("other_splits", [])
    if not splits:
        return []
    ignored = accounting["files"]["ignored"]
    others = [
        f"{why.removeprefix(REASON)} ({group['count']:,} files)"
        for why, group in ignored.items()
        if why.startswith(REASON) and not why.endswith(CARRIED)
    ]
    names = {split["split"] for split in carried}
    others += [f"{name} ({count:,} rows)" for name, count in splits["rows_of_others"].items() if name not in names]
    rest = f"; not read: {', '.join(others)}; --split chooses" if others else ""
    unjudged = ", ".join(map(_carried, carried))
    return [f"split: {splits['read']}{rest}" + (f"; carried, not judged: {unjudged}" if unjudged else "")]


def _carried(split: OtherSplit) -> str:
    left_out = sum(split["left_out"].values())
    notes = [f"{split['rows']:,} rows"]
    notes += [f"{split['unlabelled']:,} without label"] if split["unlabelled"] else []
    notes += [f"{left_out:,} left out"] if left_out else []
    return f"{split['split']} ({', '.join(notes)})"


def _encodings(accounting: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, files in accounting.get("encodings", {}).items():
        more = f" and {files['count'] - 1:,} more" if files["count"] > 1 else ""
        lines.append(f"encoding of {shown(files['first'][0])}{more}: {name}")
    return lines


def doubts(drop: Drop) -> list[str]:
    """Return what may have been understood wrongly, a sentence each with the setting that decides it."""
    answers = _of_targets(drop) if drop.task == "regression" else _of_classes(drop)
    return [*drop.manifest["accounting"].get("doubts", []), *answers]


def _of_classes(drop: Drop) -> list[str]:
    manifest, counts = drop.manifest, class_counts(drop)
    config, rows, lines = manifest["config"], sum(counts.values()), []
    if config.get("label_names") or config.get("num_classes"):
        return []  # the operator has said what the classes are
    single = sum(count == 1 for count in counts.values())
    if config.get("task") is None and len(counts) > max(MANY, MANY_A_ROW * rows):
        numbers = all(plain_number(name) != name or written_number(name) is not None for name in counts)
        kind = 'are they numbers? Set drop.task = "regression"' if numbers else "is this an id? Set drop.label_column"
        lines.append(f"{len(counts):,} classes among {rows:,} rows: {kind}, or drop.task as it is")
    elif single > len(counts) / 2 and config.get("label_column") is None:
        label = _names(manifest["columns"]["label"])
        lines.append(f"{single:,} of {len(counts):,} classes have one sample: is {label} it? Set drop.label_column")
    splits = [name for name in counts if name.lower() in OTHERS or any(split_named(word) for word in PARTS.split(name))]
    if splits:
        lines.append(f"classes are called like splits ({_listed(splits)}): drop.split reads one of several splits")
    missing = [name for name in counts if name.lower() in NO_VALUE]
    if missing:
        lines.append(
            f"classes are called as missing values are ({_listed(missing)}): leave the cell empty if it is none"
        )
    lists = [name for name in counts if name.startswith("[") and name.endswith("]")]
    if lists:
        lines.append(
            f"classes are called as lists are ({_listed(lists)}): several labels a row need JSON lines or Parquet"
        )
    return lines


def _of_targets(drop: Drop) -> list[str]:
    targets, config = np.asarray(drop.targets), drop.manifest["config"]
    whole = targets.ndim == 1 and bool(np.all(targets == np.rint(targets)))
    if whole and not (config.get("task") or config.get("target_column")):
        return [
            f"all targets are whole numbers, {len(np.unique(targets)):,} different: drop.task says if they are classes"
        ]
    return []


def _listed(names: list[str]) -> str:
    return ", ".join(shown(name) for name in names[:FIRST])
