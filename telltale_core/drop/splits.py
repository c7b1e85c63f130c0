"""Splits of a drop, told from the names of its folders and files: one is read, the others are named.

A file that is left out is moved to the source's ignored files, with its split as the reason.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from telltale_core.drop.archives import ENDINGS, PACKED
from telltale_core.drop.config import DropConfig
from telltale_core.drop.dataset_card import CARD, splits_by_card
from telltale_core.drop.formats import SUFFIXES, about_the_drop, data_files, holds_rows
from telltale_core.drop.source import Source
from telltale_core.drop.split_names import (
    ALL,
    REASON,
    SHARD,
    TRAIN,
    split_depth,
    split_named,
    splits_among,
    splits_of_names,
)
from telltale_core.errors import BadInput
from telltale_core.modality.reasons import bad, shown
from telltale_core.questions import Question

SUBMISSION = re.compile(r"([a-z]+_?)?submission(_?(format|sample))?", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """The split whose files are read, None without splits, and the files of rows that are of none beside splits.

    ``others``: the files that are left out with their reasons. ``questions``: what a person must decide about them.
    """

    split: str | None
    unsplit: frozenset[str] = frozenset()
    others: Mapping[str, str] = dataclasses.field(default_factory=dict)
    questions: tuple[Question, ...] = ()


def choose_split(source: Source, config: DropConfig) -> Choice:
    """Return the split whose files are read, having moved those of the others to the ignored ones.

    Raises ``split_unclear`` where the one to be read is not there.
    """
    _leave_submissions(source)
    if config.files is not None:
        return Choice(None)
    stated = splits_by_card(source)
    by_name = _splits_by_file(source, config)
    choice = _by_card(source, stated, by_name, config) if stated else _chosen(source, by_name, config)
    for key, reason in choice.others.items():
        source.ignore(key, reason)
    return choice


def _chosen(source: Source, split_of: Mapping[str, str | None], config: DropConfig) -> Choice:
    """Return the split that is read of files of these splits."""
    counts = Counter(split for split in split_of.values() if split)
    unsplit = frozenset(key for key, split in split_of.items() if split is None and holds_rows(source.files[key]))
    wanted = wanted_split(config)
    if config.split == ALL or not counts or (len(counts) == 1 and config.split is None):
        only = ALL if config.split == ALL else next(iter(counts), None)
        return Choice(only, unsplit if counts and config.split is None else frozenset())
    if wanted not in counts:
        if config.split is not None:
            return Choice(None)  # a column may name it
        raise bad("split_unclear", f"the drop has the splits {shown(sorted(counts))} and no train: set drop.split")
    others = {key: f"{REASON}{split}" for key, split in split_of.items() if split not in {wanted, None}}
    return Choice(wanted, unsplit, others)


def _by_card(
    source: Source, stated: Mapping[str, str | None], by_name: Mapping[str, str | None], config: DropConfig
) -> Choice:
    """Return the split that is read of those that the drop's card states; what else holds samples is left out.

    The card is the contributor's: where other files are read than by their names alone, a person is asked.
    """
    in_rows = any(holds_rows(source.files[key]) for key in stated)
    samples = {key for key in by_name if holds_rows(source.files[key]) == in_rows}
    choice = _chosen(source, stated, config)
    others = {**choice.others, **dict.fromkeys(sorted(samples - stated.keys()), f"not in the data_files of {CARD}")}
    read, plain = samples - others.keys(), set[str]()
    with contextlib.suppress(BadInput):
        plain = samples - _chosen(source, by_name, config).others.keys()
    said = [f"{_are(sorted(plain - read))} not read"] if plain - read else []
    said += [f"{_are(sorted(read - plain))} read"] if read - plain else []
    text = f"{CARD} states which files are read, otherwise than their names do: {', and '.join(said)}"
    asked = (Question(code="card_files", text=text, cure="drop.files"),) if said else ()
    return dataclasses.replace(choice, others=others, questions=asked)


def _are(keys: Sequence[str]) -> str:
    return f"{shown(keys[0])} and {len(keys) - 1:,} more files are" if len(keys) > 1 else f"{shown(keys[0])} is"


def doubts_of(choice: Choice, read: Iterable[str], config: DropConfig) -> list[str]:
    """Return what is doubtful about the files that were read, by the names of splits and shards, a sentence each."""
    if config.split is not None or config.files is not None:
        return []
    read, doubts = set(read), []
    if unsplit := sorted(choice.unsplit & read):
        doubts.append(
            f"{_are(unsplit)} called after no split and read with {choice.split}: drop.files chooses files, "
            f"drop.split = {choice.split!r} keeps it so"
        )
    folders: dict[str, set[str]] = {}
    for path in (PurePosixPath(key) for key in read if "-of-" in key):
        if SHARD.fullmatch(path.stem) and "=" not in path.parent.name:
            folders.setdefault(path.name, set()).add(str(path.parent))
    if twice := next((name for name in sorted(folders) if len(folders[name]) > 1), None):
        places = ", ".join(shown(place) for place in sorted(folders[twice])[:3])
        doubts.append(
            f"{shown(twice)} lies in {len(folders[twice])} folders, such as {places}, and all are read: if they are "
            "configurations of one dataset, ingest the folder of one"
        )
    return doubts


def wanted_split(config: DropConfig) -> str:
    """Return the split that is read where there are several."""
    return TRAIN if config.split is None else split_named(config.split) or config.split


def _leave_submissions(source: Source) -> None:
    """Leave Kaggle's sample of a submission out where other tables are there: its answers are made up."""
    tables = [file.key for file in source.files.values() if holds_rows(file)]
    samples = [key for key in tables if SUBMISSION.fullmatch(PurePosixPath(key).stem)]
    for key in samples if len(samples) < len(tables) else ():
        source.ignore(key, "a sample of a submission")


def _splits_by_file(source: Source, config: DropConfig) -> dict[str, str | None]:
    """Return the split of each file that may belong to one: by the folders on its way, of data by its name too."""
    files = source.files.values()
    rows = {file.key for file in files if holds_rows(file)}
    folders = {file.key: PurePosixPath(file.key).parts[:-1] for file in files if not about_the_drop(file)}
    exact, depth = True, split_depth(list(folders.values()), exact=True)
    if depth is None and (loose := split_depth(list(folders.values()))) is not None:
        exact = config.format != "folder" and any(data_files(source, name) for name in SUFFIXES)
        depth = None if exact else loose
    above = {parts[depth] for parts in folders.values() if len(parts) > depth} if depth is not None else set[str]()
    side_by_side = splits_among(above, exact=exact)
    result: dict[str, str | None] = {}
    names: dict[str, list[str]] = {}
    for key, parts in folders.items():
        by_folder = side_by_side.get(parts[depth]) if depth is not None and len(parts) > depth else None
        hive = [split for part in parts if "=" in part and (split := split_named(part)) not in {None, TRAIN}]
        in_path = [split for part in parts if (split := split_named(part))] if key in rows else []
        result[key] = next(iter(hive), by_folder) or next(iter(in_path), None)
        if result[key] is None:
            names[key] = [PurePosixPath(key).stem] if key in rows else []
            packed = [part for part in parts if part.lower().endswith(ENDINGS)]  # what an archive was unpacked to
            names[key] += [PACKED.sub("", part) for part in packed]
    splits = splits_of_names({name for several in names.values() for name in several})
    return result | {key: next(filter(None, map(splits.get, several)), None) for key, several in names.items()}
