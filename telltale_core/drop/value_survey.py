"""What the value column of a whole drop holds, counted in one pass, and which classes its values are."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

from telltale_core.drop.lookalikes import Classes, Fold, number_spellings, sort_out
from telltale_core.modality.cells import UNFIT, is_empty, plain_number, written_number
from telltale_core.modality.reasons import bad

SHARE = 0.95
"""Of lists, so many must be flags, or have one 1, for all to be: the other rows are errors."""
MAX_ANSWERS = 1000
"""Targets or labels of one sample."""
NO_VALUE = frozenset({"nan", "null", "none", "na", "n/a"})
"""Texts that may be meant as no value: missing among targets, while a class is called what it is called."""
STRAY = 0.1
"""A value that occurs less often than this share of the usual class's rows, or once, is an error and no class."""


@dataclasses.dataclass(slots=True)
class ValueSurvey:
    """What the value column of a whole drop holds: how many of each sort, and the different ones up to a cap.

    ``texts`` are counted without outer blanks, numbers as text included; ``words`` are those that are no numbers.
    ``written``: rows of :func:`written_number`. ``unsaid``: of those in ``NO_VALUE``. ``one_hot``: lists of zeros and
    one 1. ``nans``: texts that are the number that is none, as numpy writes it. ``single``: values that are no list.
    """

    max_distinct: int
    missing: int = 0
    fraction: int = 0
    text: int = 0
    whole: int = 0
    written: int = 0
    unsaid: int = 0
    one_hot: int = 0
    wholes: Counter[int] = dataclasses.field(default_factory=Counter)
    texts: Counter[str] = dataclasses.field(default_factory=Counter)
    words: Counter[str] = dataclasses.field(default_factory=Counter)
    nans: Counter[str] = dataclasses.field(default_factory=Counter)
    single: int = 0
    lengths: Counter[int] = dataclasses.field(default_factory=Counter)

    @property
    def several(self) -> bool:
        """Whether most rows hold a list."""
        return self.lengths.total() > self.single

    @property
    def flags(self) -> int:
        """How many labels a list has a flag of 0 or 1 for each; 0 where lists are sets of labels."""
        length, lists = next(iter(self.lengths.most_common(1)), (0, 0))
        alike = lists >= SHARE * (self.lengths.total() + self.single)
        flags = self.wholes[0] + self.wholes[1] >= SHARE * (self.whole + self.text + self.fraction)
        return length if length > 1 and alike and flags else 0

    @property
    def one_of(self) -> int:
        """How many classes a list has a 1 for one of; 0 where lists are anything else."""
        return self.flags if self.one_hot >= SHARE * self.lengths.total() else 0

    @property
    def noes(self) -> tuple[int, ...]:
        """The number by which a flag says no: -1 where flags are -1 and 1, as CelebA's are, else 0."""
        return (-1,) if -1 in self.wholes and set(self.wholes) <= {-1, 1} else (0,)

    @property
    def textual(self) -> bool:
        """Whether labels are texts: most of them, or words that are as frequent as numbers are."""
        if self.text > self.whole:
            return True
        return self._classlike(max(self.words.values(), default=0), self.wholes)

    def add(self, value: object) -> None:
        """Count one raw value; of a list (several targets, a set of labels) its length and what it holds."""
        if isinstance(value, list | tuple):
            self.lengths[min(len(value), MAX_ANSWERS + 1)] += 1
            items = [item for item in value[:MAX_ANSWERS] if not isinstance(item, list | tuple | dict)]
            self.one_hot += items.count(1) == 1 and items.count(0) == len(items) - 1
            for item in items:
                self._add(item)
            return
        self.single += not is_empty(value)
        self._add(value)

    def _add(self, value: object) -> None:
        number = plain_number(value)
        if is_empty(value):
            self.missing += 1
        elif isinstance(number, float) and math.isnan(number):
            self._count(self.nans, str(value).strip())
        elif isinstance(number, float) and not number.is_integer():
            self.fraction += 1
        elif isinstance(number, int | float):
            self.whole += 1
            self._count(self.wholes, int(number))
        else:
            self.text += 1
            self.written += isinstance(value, str) and written_number(value) is not None
            self.unsaid += isinstance(value, str) and value.strip().lower() in NO_VALUE
        if isinstance(value, str) and not is_empty(number) and len(value) <= 256:
            self._count(self.texts, value.strip())
            if isinstance(number, str):
                self._count(self.words, value.strip())

    def _count(self, counter: Counter[int] | Counter[str], value: int | str) -> None:
        if value in counter or len(counter) <= self.max_distinct:
            counter[value] += 1  # type: ignore[index]

    def _classlike(self, rows: int, others: Counter[int]) -> bool:
        """Return whether a value of so many rows is as frequent as classes are, not a stray error among others."""
        usual = sorted(others.values())[len(others) // 2] if others else 0
        return rows > max(1, STRAY * usual)

    def numbered(self) -> int | None:
        """Return the number of classes 0..K-1; None where classes are other whole numbers.

        K is 1 + the largest label below which at least half of the labels occur: a stray 73 among 0..9 is an error.
        """
        labels = sorted(value for value in self.wholes if value >= 0)
        for position in range(len(labels) - 1, 0, -1):
            if 2 * (position + 1) >= labels[position] + 1:
                count = labels[position] + 1
                outside = [rows for value, rows in self.wholes.items() if not 0 <= value < count]
                inside = Counter({value: self.wholes[value] for value in labels[: position + 1]})
                return None if any(self._classlike(rows, inside) for rows in outside) else count
        return None

    def classes(self, names: tuple[str, ...] | None, fold: Fold, *, num_classes: int | None) -> Classes:
        """Return the classes: of these names; else texts, the numbers 0..K-1, or whatever whole numbers there are.

        ``given``: the number of classes, if it was said.
        """
        usable = {text: rows for text, rows in self.texts.items() if not UNFIT.search(text)}
        if names is not None:
            usable |= {text: rows for text, rows in self.nans.items() if text in names}
            return sort_out(names, usable, fold, numbered=self.whole > 0)
        if num_classes is None and self.textual:
            usable |= self.nans
            wholes = {str(number): rows for number, rows in self.wholes.items()}
            listed = sort_out(tuple(sorted({**wholes, **usable})), {**wholes, **usable}, fold, numbered=False)
            return dataclasses.replace(listed, numbers={n: listed.label_of[str(n)] for n in self.wholes})
        if num_classes is None and self.whole and self.numbered() is None:
            self._check_count()
            numbers = {number: label for label, number in enumerate(sorted(self.wholes))}
            return Classes(names=tuple(map(str, numbers)), numbers=numbers)
        return number_spellings(usable, plain_number)

    def _check_count(self) -> None:
        if len(self.wholes) > self.max_distinct:
            raise bad(
                "too_many_classes", f"more than {self.max_distinct} different labels: is this a target? Give task"
            )
