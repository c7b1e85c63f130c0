"""Splits of a drop, told from the names of its folders and files: one is read, the others are named.

A file that is left out is moved to the source's ignored files, with its split as the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from pathlib import PurePosixPath

from telltale_core.drop.archives import ENDINGS
from telltale_core.drop.config import DropConfig
from telltale_core.drop.formats import about_the_drop, holds_rows
from telltale_core.drop.source import Source, SourceFile
from telltale_core.drop.split_names import ALL, PARTS, REASON, TRAIN, split_depth, split_named
from telltale_core.modality.reasons import bad, shown

SUBMISSION = re.compile(r"([a-z]+_?)?submission(_?(format|sample))?", re.IGNORECASE)


def choose_split(source: Source, config: DropConfig) -> str | None:
    """Return the split whose files are read, having moved those of the others to the ignored ones; None without splits.

    Raises ``split_unclear`` where the one to be read is not there.
    """
    _leave_submissions(source)
    if config.files is not None:
        return None
    split_of = _splits_by_file(source.files.values())
    counts = Counter(split for split in split_of.values() if split)
    wanted = wanted_split(config)
    if config.split == ALL or not counts or (len(counts) == 1 and config.split is None):
        return ALL if config.split == ALL else next(iter(counts), None)
    if wanted not in counts:
        if config.split is not None:
            return None  # a column may name it
        raise bad("split_unclear", f"the drop has the splits {shown(sorted(counts))} and no train: set drop.split")
    for key, split in split_of.items():
        if split not in {wanted, None}:
            source.ignore(key, f"{REASON}{split}")
    return wanted


def wanted_split(config: DropConfig) -> str:
    """Return the split that is read where there are several."""
    return TRAIN if config.split is None else split_named(config.split) or config.split


def _leave_submissions(source: Source) -> None:
    """Leave Kaggle's sample of a submission out where other tables are there: its answers are made up."""
    tables = [file.key for file in source.files.values() if holds_rows(file)]
    samples = [key for key in tables if SUBMISSION.fullmatch(PurePosixPath(key).stem)]
    for key in samples if len(samples) < len(tables) else ():
        source.ignore(key, "a sample of a submission")


def _splits_by_file(files: Collection[SourceFile]) -> dict[str, str | None]:
    """Return the split of each file that may belong to one: by the folders on its way, of data by its name too."""
    rows = {file.key for file in files if holds_rows(file)}
    folders = {file.key: PurePosixPath(file.key).parts[:-1] for file in files if not about_the_drop(file)}
    depth = split_depth(list(folders.values()))
    result: dict[str, str | None] = {}
    for key, parts in folders.items():
        by_folder = split_named(parts[depth]) if depth is not None and len(parts) > depth else None
        path = PurePosixPath(key)
        is_data = key in rows
        in_path = [split for part in parts if (split := split_named(part))] if is_data else []
        words = [path.stem] if is_data else []
        words += [part for part in parts if part.lower().endswith(ENDINGS)]  # what an archive was unpacked to
        in_name = [split for name in words for word in PARTS.split(name) if (split := split_named(word))]
        result[key] = by_folder or next(iter(in_path or in_name), None)
    return result
