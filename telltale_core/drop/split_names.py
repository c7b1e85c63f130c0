"""Names of splits: which words mean one, of folders, of files and in a column."""

from __future__ import annotations

import dataclasses
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
"""Cells that tell whether a column called like one of splits is one."""
KEYS = re.compile(rf'"({"|".join(COLUMNS)})"|\\u00[2-7]'.encode(), re.IGNORECASE)
"""What stands in a JSON line with such a column: its name, or ASCII that is escaped."""
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


@dataclasses.dataclass(slots=True)
class SplitCells:
    """The cells of a column called like one of splits, taken one by one until it is ``known`` whether it is one.

    ``named``: the first ``most`` splits that they name, ``several``: they name two or more, ``empty``: some name none.
    """

    column: str
    empty: bool = False
    most: int = ENOUGH
    several: bool = False
    named: list[str] = dataclasses.field(default_factory=list)

    def add(self, value: object) -> None:
        """Take the next cell."""
        split = of_value(self.column, value)
        if split is None:
            self.empty = True
            return
        split = split[: LONGEST_NAME + 1]
        self.several = self.several or (bool(self.named) and split != self.named[0])
        if len(self.named) < self.most:
            self.named.append(split)

    @property
    def known(self) -> bool:
        """Whether further cells cannot change the answer."""
        return self.several and len(self.named) == self.most

    @property
    def are_splits(self) -> bool:
        """Whether they are called like splits; of one split alone only where no cell is empty."""
        flag, named = FLAGS.get(self.column.lower()), {*self.named}
        if not named or (self.empty and not self.several):
            return False
        if flag is None:
            return all(split_named(split) for split in named)
        return named <= {TRAIN, flag} and self.named.count(TRAIN) > len(self.named) / 2


def is_split_column(name: str) -> bool:
    """Return whether a column is called like one of splits."""
    return name.lower() in COLUMNS


def split_columns(
    rows: Iterable[Mapping[str, object]], names: Iterable[str], *, complete: bool
) -> dict[str, SplitCells]:
    """Return the columns called like one of splits with what their cells say; reads no row without need.

    ``complete``: rows have no columns but ``names``.
    """
    columns = {name: SplitCells(name) for name in names if is_split_column(name)}
    for number, row in enumerate(rows if columns or not complete else ()):
        for name in row if not complete else ():
            if name not in columns and is_split_column(name):
                columns[name] = SplitCells(name, empty=number > 0)
        for name, cells in columns.items():
            cells.add(row.get(name))
        if columns and all(cells.known and (complete or cells.are_splits) for cells in columns.values()):
            break
    return columns


def is_whole(counted: str) -> bool:
    """Return whether a name from :func:`counted_as` is one split's own: neither cut nor that of the rest."""
    return counted != REST and len(counted) <= LONGEST_NAME


def counted_as(split: str, known: Mapping[str, int]) -> str:
    """Return the name that a split which is not read is counted under: its own, cut, beside few that are known."""
    name = printable(split)
    name = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
    return name if name in known or len(known) < MOST_NAMES else REST
