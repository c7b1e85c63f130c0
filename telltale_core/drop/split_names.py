"""Names of splits: which words mean one, of folders, of files and in a column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from telltale_core.drop.source_url import printable
from telltale_core.drop.value_survey import NO_VALUE

ALL, TRAIN = "all", "train"
REASON, CARRIED = "split ", ", carried unjudged"
"""How the reason begins for which a file of another split is not read as samples, and how it ends if it is carried."""
WORDS = {
    TRAIN: {"train", "training", "trainset", "tr"},
    "validation": {"val", "valid", "validation", "dev"},
    "test": {"test", "testing", "testset", "tst", "t10k"},
}
SPLIT_OF = {word: name for name, words in WORDS.items() for word in words}
COLUMNS = ("split", "is_valid", "is_test", "subset", "partition", "set")
FLAGS = {"is_valid": "validation", "is_test": "test"}
YES, NO = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no"}
YEAR = re.compile(r"(19|20)[0-9]{2}$")
MOST_NAMES, LONGEST_NAME = 20, 64
ENOUGH = 100
"""Values of a column that tell whether it is one of splits."""
REST = "more splits"
"""What splits beyond ``MOST_NAMES`` are counted as: a column of a drop may hold a text of its own in each row."""
PARTS = re.compile(r"[-_.\s]+")


def split_named(text: str) -> str | None:
    """Return the split that a name stands for, in one of three words; None for any other name."""
    word = text.strip().lower()
    return SPLIT_OF.get(word) or SPLIT_OF.get(YEAR.sub("", word))


def split_depth(folders: Sequence[Sequence[str]]) -> int | None:
    """Return at which depth all folders are called as splits, two at least; None where they are not."""
    for depth in range(3):
        names = {parts[depth] for parts in folders if len(parts) > depth}
        if len(names) > 1 or not names:
            splits = {split_named(name) for name in names}
            return depth if len(splits) == len(names) > 1 and None not in splits else None
    return None


def of_value(column: str, value: object) -> str | None:
    """Return the split that a row's value in a column of splits stands for; None where it stands for no value."""
    text = "" if value is None else str(value).strip()
    word = text.lower()
    if not word or word in NO_VALUE:
        return None
    if column.lower() in FLAGS:
        return FLAGS[column.lower()] if word in YES else TRAIN if word in NO else text
    return split_named(text) or text


def split_column(examples: Mapping[str, Sequence[object]]) -> str | None:
    """Return the column that says each row's split: called like one, with values that are called like splits."""
    for name, some in examples.items():
        if name.lower() not in COLUMNS:
            continue
        splits = [split for value in some if (split := of_value(name, value))]
        flag = FLAGS.get(name.lower())
        if flag is None:
            fits = all(split_named(split) for split in splits)
        else:
            fits = {*splits} <= {TRAIN, flag} and splits.count(TRAIN) > len(splits) / 2
        if splits and fits:
            return name
    return None


def late_splits(
    rows: Iterable[Mapping[str, object]], examples: Mapping[str, Sequence[object]]
) -> dict[str, tuple[str, ...]]:
    """Return the first splits in columns called like one of which ``examples`` name none; reads no row without need."""
    late: dict[str, list[str]] = {
        name: [] for name, some in examples.items()
        if name.lower() in COLUMNS and not any(of_value(name, value) for value in some)
    }  # fmt: skip
    for row in rows if late else ():
        for name, cells in late.items():
            if len(cells) < ENOUGH and (split := of_value(name, row.get(name))):
                cells.append(split[: LONGEST_NAME + 1])
        if all(len(cells) == ENOUGH for cells in late.values()):
            break
    return {name: tuple(cells) for name, cells in late.items()}


def is_whole(counted: str) -> bool:
    """Return whether a name from :func:`counted_as` is one split's own: neither cut nor that of the rest."""
    return counted != REST and len(counted) <= LONGEST_NAME


def counted_as(split: str, known: Mapping[str, int]) -> str:
    """Return the name that a split which is not read is counted under: its own, cut, beside few that are known."""
    name = printable(split)
    name = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
    return name if name in known or len(known) < MOST_NAMES else REST
