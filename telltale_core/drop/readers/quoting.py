"""Quotes in CSV and TSV: lines counted so that none is lost, records over several lines that swallowed rows found.

A quote that opens by mistake makes one text of all the rows down to the next quote. A text with line breaks, as csv
writers make it, looks alike; they differ in what the lines hold when each is read as a row of its own.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from telltale_core.errors import BadInput
from telltale_core.modality.columns import is_number
from telltale_core.modality.reasons import bad

MOST_VALUES = 1_000
"""Different values of a column that is told by its values, as labels are."""
REPEATED = 5
"""How often the values of such a column stand in it, on average; one more value may be still unseen."""
NUMBERS = 0.95
FEWEST_RECORDS = 2
FEWEST_LINES = 3
"""Of a record that nothing can be compared with."""
HELD_CHARS = 1 << 20
"""Of a record's lines that are kept for the test; no field that is accepted is as long."""


@dataclasses.dataclass(slots=True, kw_only=True)
class Lines:
    """The lines of a drop's text tables by what became of them."""

    lines: int = 0
    rows: int = 0
    header: int = 0
    quoted: int = 0
    blank: int = 0

    def record(self, lines: int, *, blank: bool = False) -> None:
        """Count the lines of one record: the first is its row, the others stand inside its quotes."""
        self.lines += lines
        if blank:
            self.blank += lines
        else:
            self.rows += 1
            self.quoted += lines - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Columns:
    """What the cells of a table's columns are like: the values of one with few (hashed), or that they are numbers."""

    few: Sequence[frozenset[int] | None]
    numbers: Sequence[bool]

    @classmethod
    def of(cls, records: Iterable[Sequence[str]], count: int) -> Columns:
        """Return what records of ``count`` fields show."""
        values: list[set[int] | None] = [set() for _ in range(count)]
        filled, numbers, total = [0] * count, [0] * count, 0
        for fields in records:
            total += 1
            for place, field in enumerate(fields):
                cell, distinct = field.strip(), values[place]
                filled[place] += bool(cell)
                numbers[place] += bool(cell) and is_number(cell)
                if distinct is not None:
                    distinct.add(hash(cell))
                    values[place] = distinct if len(distinct) <= MOST_VALUES else None
        few = [frozenset(v) if v is not None and REPEATED * (len(v) + 1) <= total else None for v in values]
        pairs = zip(numbers, filled, strict=True)
        return cls(few, [cells >= FEWEST_RECORDS and parsed >= NUMBERS * cells for parsed, cells in pairs])

    @property
    def telling(self) -> bool:
        """Whether any column says what a row is like."""
        return any(self.numbers) or any(few is not None for few in self.few)

    def hold(self, cells: Sequence[str]) -> bool:
        """Return whether cells are like those of the columns; one with a quote that has no other may hold any value."""
        for field, few, numbers in zip(cells, self.few, self.numbers, strict=True):
            cell = field.strip()
            inner = cell[1:-1].strip() if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell
            if few is not None and hash(inner) not in few and cell.count('"') % 2 == 0:
                return False
            if few is None and numbers and not is_number(cell.strip('"')):
                return False
        return True


def whole(lines: Sequence[str], delimiter: str, count: int) -> bool:
    """Return whether lines are one record of ``count`` fields, each quote closed before a separator or the end."""
    try:
        records = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return len(records) == 1 and len(records[0]) == count


def as_row(line: str, delimiter: str, count: int) -> list[str] | None:
    """Return the cells of a line that is a row by itself, quotes taken as letters or as quotes; None if it is none."""
    text = line.rstrip("\r\n")
    cells = text.split(delimiter)
    if len(cells) == count:
        return cells
    if '"' in text and whole([text], delimiter, count):
        return next(csv.reader([text], delimiter=delimiter))
    return None


def may_swallow(lines: Sequence[str], delimiter: str, count: int, *, complete: bool) -> bool:
    """Return whether a record's lines look like rows by their separators: only then are its cells looked at.

    ``complete``: ``lines`` are all of the record, up to its end.
    """
    if complete and whole(lines, delimiter, count):
        return all(as_row(line, delimiter, count) is not None for line in (lines[0], lines[-1]))
    return any(as_row(line, delimiter, count) is not None for line in lines[1:])


def swallows(lines: Sequence[str], delimiter: str, columns: Columns, *, complete: bool) -> bool:
    """Return whether the lines of a record are rows that a quote swallowed, told by what their cells hold.

    A record whose quotes are in order is doubted only if its first and last line and half of all are rows like the
    others; of one whose quotes are not, any line after the first.
    """
    count = len(columns.few)
    rows = [as_row(line, delimiter, count) for line in lines]
    fits = [cells is not None and columns.hold(cells) for cells in rows]
    if not complete or not whole(lines, delimiter, count):
        return any(fits[1:])
    if not columns.telling:
        return all(fits) and len(fits) >= FEWEST_LINES
    return fits[0] and fits[-1] and 2 * sum(fits) >= len(fits)


def swallowed(place: str, lines: int) -> BadInput:
    """Return the error for a record that holds other rows."""
    return bad(
        "rows_swallowed",
        f"{place}: a quote opens here and spans {lines} lines that look like rows of their own: write a quote inside "
        'a text twice ("") and put the text in quotes, as csv writers do, or save the table as TSV (where a quote is '
        "a letter), JSON lines or Parquet",
    )


def tsv_may_be_quoted(lines: Iterable[str | None], header: str) -> bool:
    """Return whether a TSV file looks as if it was written with quotes: by default a quote in it is a letter.

    Quotes must be in order in the whole file, and do what only quotes do: stand around every name of the header, double
    a quote, or hold a tab or a line end. ``lines`` follow the header; None stands for one that cannot be read.
    """
    names = header.rstrip("\r\n").split("\t")
    needed = all(len(name) > 1 and name[0] == name[-1] == '"' for name in names)
    guarded = _GuardedLines(lines)
    try:
        for fields in csv.reader(guarded, delimiter="\t", strict=True):
            if fields and len(fields) != len(names):
                return False
            needed = needed or any(_needs_quotes(field, guarded.last) for field in fields)
            guarded.chars = 0
    except csv.Error:
        return False
    return needed


def _needs_quotes(field: str, line: str) -> bool:
    if "\t" in field or "\n" in field or "\r" in field:
        return True
    return '"' in field and '"{}"'.format(field.replace('"', '""')) in line


class _GuardedLines:
    """The lines of a TSV file on their way to a CSV reader, which may not go on without end."""

    def __init__(self, lines: Iterable[str | None]) -> None:
        self._lines, self.last, self.chars = iter(lines), "", 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.chars += len(line or "")
            if line is None or self.chars > HELD_CHARS:
                raise csv.Error("a line that cannot be read, or a record without end")
            self.last = line
            yield line
