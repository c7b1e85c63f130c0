"""Names of splits: which words mean one, of folders, of files and in a column."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from urllib.parse import unquote

from telltale_core.drop.source_url import printable
from telltale_core.drop.value_survey import NO_VALUE
from telltale_core.modality.reasons import shown

ALL, TRAIN = "all", "train"
REASON, CARRIED = "split ", ", carried unjudged"
"""How the reason begins for which a file of another split is not read as samples, and how it ends if it is carried."""
WORDS = {
    TRAIN: {"train", "training", "trainset", "tr"},
    "validation": {"val", "valid", "validation", "dev"},
    "test": {"test", "testing", "testset", "tst", "t10k", "eval", "evaluation"},
}
SPLIT_OF = {word: name for name, words in WORDS.items() for word in words}
OTHERS = {"unsupervised", "unsup", "unlabeled", "unlabelled", "extra", "holdout"}
"""Words for rows of no use as samples beside train, validation or test; alone they are names like others."""
COLUMNS = ("split", "is_valid", "is_test", "subset", "partition", "set")
FLAGS = {"is_valid": "validation", "is_test": "test"}
YES, NO = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no"}
NUMBERED = re.compile(r"[0-9]+$")
HIVE = re.compile(rf"({'|'.join(COLUMNS)})=(.*)", re.IGNORECASE | re.DOTALL)
"""A folder that states a column of splits, as Hive has it."""
MOST_NAMES, LONGEST_NAME = 20, 64
KEYS = re.compile(rf'"({"|".join(COLUMNS)})"|\\u00[2-7]'.encode(), re.IGNORECASE)
"""What stands in a JSON line with such a column: its name, or ASCII that is escaped."""
REST = "more splits"
"""What splits beyond ``MOST_NAMES`` are counted as: a column of a drop may hold a text of its own in each row."""
PARTS = re.compile(r"[-_.\s]+")
SHARD = re.compile(r"(.+)-[0-9]{5}-of-[0-9]{5}", re.DOTALL)
EMPTY = "__HIVE_DEFAULT_PARTITION__"


def split_named(text: str) -> str | None:
    """Return the split that a name stands for, in one of three words; None for any other name.

    A folder ``split=NAME`` says that it is one, whatever it is called; another such column needs a usual name.
    """
    stated = HIVE.fullmatch(text)
    if stated is None:
        return _said(text)
    split = of_value(stated[1], None if stated[2] == EMPTY else printable(unquote(stated[2])))
    return split if split in WORDS or stated[1].lower() == "split" else None


def _said(text: str) -> str | None:
    word = text.strip().lower() if len(text) <= LONGEST_NAME else ""
    return SPLIT_OF.get(word) or SPLIT_OF.get(NUMBERED.sub("", word))


def split_depth(folders: Sequence[Sequence[str]], *, exact: bool = False) -> int | None:
    """Return at which depth folders are called as splits, two at least; None where they are not.

    These are the first that differ, or all those in each of the first that differ, as where a class holds its splits.
    """
    for depth in range(3):
        names = {parts[depth] for parts in folders if len(parts) > depth}
        if splits_among(names, exact=exact):
            return depth
        if len(names) > 1 or not names:
            below = {parts[depth + 1] if len(parts) > depth + 1 else "" for parts in folders}
            return depth + 1 if splits_among(below, exact=True) else None
    return None


def splits_among(names: Collection[str], *, exact: bool = False) -> dict[str, str]:
    """Return the splits that folders side by side are called as; empty where they are none.

    All are called so; or train and another one are, before or after the same words (``seg_train``, ``seg_test``).
    Then the others are splits, too, each of its own name (``seg_pred``). ``exact``: all must be called so, because
    tables may name media in any folder.
    """
    known = {name: split_named(name) or (word if (word := name.strip().lower()) in OTHERS else "") for name in names}
    if all(known.values()) and len({*known.values()}) > 1 and not OTHERS.issuperset(known.values()):
        return known
    if exact:
        return {}
    by_rest: dict[tuple[str, ...], dict[str, str]] = {}
    for name in sorted(names):
        words = PARTS.split(name)
        for place, word in enumerate(words):
            if split := split_named(word):
                by_rest.setdefault((*words[:place], "", *words[place + 1 :]), {})[name] = split
    parted = next((one for one in by_rest.values() if TRAIN in one.values() and len({*one.values()}) > 1), {})
    return {name: name for name in names} | parted if parted else {}


def splits_of_names(names: Collection[str]) -> dict[str, str | None]:
    """Return the splits that files are called after, by a word of their names; None of a name without one.

    What stands before the number of a shard (``NAME-00000-of-00002``) is a split of its own name where it has no such
    word beside names that have one. All are, where several have one word (``train_sft``, ``train_gen``).
    """
    stems = {name: shard[1] if (shard := SHARD.fullmatch(name)) else None for name in names}
    words = {name: [word for word in PARTS.split(stem or name) if word] for name, stem in stems.items()}
    splits = {name: next(filter(None, map(split_named, words[name])), None) for name in names}
    if any(splits.values()):
        others = {name: next((word for word in map(str.lower, words[name]) if word in OTHERS), None) for name in names}
        splits = {name: split or stems[name] or others[name] for name, split in splits.items()}
    alike = Counter(split for split, _ in {(splits[name], stem) for name, stem in stems.items() if stem})
    if max((count for split, count in alike.items() if split), default=0) > 1:
        splits |= {name: split_named(stem) or stem for name, stem in stems.items() if stem}
    return splits


def of_value(column: str, value: object) -> str | None:
    """Return the split that a row's value in a column of splits stands for; None where it stands for no value."""
    text = "" if value is None else str(value).strip()
    word = text.lower()
    if not word or word in NO_VALUE:
        return None
    if column.lower() in FLAGS:
        return FLAGS[column.lower()] if word in YES else TRAIN if word in NO else text
    return _said(text) or text


@dataclasses.dataclass(slots=True)
class SplitCells:
    """All cells of a column called like one of splits: how many name which split, and how many are ``empty``.

    ``named`` counts few other words than those of splits by themselves, the others as ``REST``.
    """

    column: str
    empty: int = 0
    named: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, value: object, count: int = 1) -> None:
        """Take so many cells of one value."""
        split = of_value(self.column, value)
        if split is None:
            self.empty += count
        else:
            self.named[split if split in WORDS else counted_as(split, self.named)] += count

    @property
    def _usual(self) -> set[str]:
        return self.named.keys() & WORDS.keys()

    @property
    def _called_so(self) -> bool:
        """Whether the cells are called like splits: by two of the usual names, or by no others than those known."""
        flag = FLAGS.get(self.column.lower())
        if flag is not None:
            return 2 * (self.named[TRAIN] + self.named[flag]) > self.named.total()
        known = all(name in WORDS or name.lower() in OTHERS for name in self.named)
        return len(self._usual) > (0 if known else 1) or (TRAIN in self.named and self.column.lower() == "split")

    def are_splits(self, *, asked: bool = False) -> bool:
        """Return whether they part the rows: two splits, or one without empty cells.

        A flag may say anything: its train must be most rows, unless a split is ``asked`` for.
        """
        parting = len(self.named) > 1 or not self.empty
        most = self.column.lower() not in FLAGS or 2 * self.named[TRAIN] > self.named.total()
        return self._called_so and parting and (most or asked)

    @property
    def doubt(self) -> str:
        """What to ask about cells that name splits and do not part the rows; empty where there is nothing to ask."""
        rows = self.empty + self.named.total()
        if self.are_splits() or not self._usual:
            return ""
        if len(self.named) == 1:
            name, count = next(iter(self.named.items()))
            return f"names only {shown(name)}, in {count:,} of {rows:,} rows" if self.empty else ""
        flag = FLAGS.get(self.column.lower())
        if flag is not None:
            return f"says {flag} of {self.named[flag]:,} of {rows:,} rows, so train is not most of them"
        other = next(name for name in self.named if name not in WORDS)
        return f"names {', '.join(sorted(self._usual))} and what is no split, such as {shown(other)}"


def asks_for_one(split: str | None) -> bool:
    """Return whether the setting ``drop.split`` asks for one split."""
    return split not in {None, ALL}


def is_split_column(name: str) -> bool:
    """Return whether a column is called like one of splits."""
    return name.lower() in COLUMNS


def split_columns(rows: Iterable[Mapping[str, object]], names: Iterable[str]) -> dict[str, SplitCells]:
    """Return the columns called like one of splits, among ``names`` or of any row, with what their cells say."""
    columns = {name: SplitCells(name) for name in names if is_split_column(name)}
    for number, row in enumerate(rows):
        for name in row:
            if name not in columns and is_split_column(name):
                columns[name] = SplitCells(name, empty=number)
        for name, cells in columns.items():
            cells.add(row.get(name))
    return columns


def is_whole(counted: str) -> bool:
    """Return whether a name from :func:`counted_as` is one split's own: neither cut nor that of the rest."""
    return counted != REST and len(counted) <= LONGEST_NAME


def counted_as(split: str, known: Mapping[str, int]) -> str:
    """Return the name that a split which is not read is counted under: its own, cut, beside few that are known."""
    name = printable(split)
    name = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
    return name if name in known or len(known) < MOST_NAMES else REST
