"""Columns of numbers whose fractions begin with a comma, told from all rows of all files of a table."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from telltale_core.drop.value_survey import NO_VALUE

NUMBERS_SHARE = 0.95
"""Share of a column's values that must be numbers for it to be one of numbers, as of a table's column."""
FRACTIONS_SHARE = 0.05
"""Of the cells with a comma, where so many cannot part thousands: fewer are errors in a column of thousands."""
COMMA = re.compile(r"[+-]?([0-9]{1,3}(\.[0-9]{3})*,[0-9]{1,18}|[0-9]{1,18}(,[0-9]{1,18})?)([eE][+-]?[0-9]{1,4})?")
GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}((,[0-9]{3})+|(\.[0-9]{3})+)")
"""What may be thousands as well: it shows no fraction."""
POINT = re.compile(r"[+-]?[0-9]*\.[0-9]+([eE][+-]?[0-9]{1,4})?")


class Marks(NamedTuple):
    """How the numbers of a column are written: see :class:`~telltale_core.modality.columns.Column`."""

    text: str
    unclear: bool


@dataclasses.dataclass(slots=True)
class _Cells:
    """The ``texts`` of a column: how many are ``numbers`` by a comma or whole, and how many have a ``comma``.

    ``fractions``: a comma can only begin one. ``points`` begin one, ``dotted`` may part thousands; ``grouped``: points
    stand before a comma.
    """

    texts: int = 0
    numbers: int = 0
    comma: int = 0
    fractions: int = 0
    points: int = 0
    dotted: int = 0
    grouped: bool = False

    def add(self, text: str) -> None:
        """Count a cell."""
        self.texts += 1
        if COMMA.fullmatch(text):
            self.numbers += 1
            self.comma += "," in text
            self.grouped |= "." in text
            self.fractions += "," in text and not GROUPED.fullmatch(text)
        elif GROUPED.fullmatch(text):
            self.dotted += "," not in text
        else:
            self.points += POINT.fullmatch(text) is not None

    def marks(self, *, semicolon: bool, decimal: str | None) -> Marks:
        """Return how the numbers are written; commas between groups of three are fractions where others are."""
        pointed = self.dotted if self.grouped else (self.points + self.dotted if self.points else 0)
        if not self.comma or self.numbers + pointed < NUMBERS_SHARE * self.texts:
            return Marks("", unclear=False)
        shown = self.fractions > FRACTIONS_SHARE * self.comma
        text = (".," if self.grouped else ",") if shown or semicolon or decimal else ""
        both = self.fractions < self.comma and (not shown if semicolon else self.fractions > 0)
        unclear = both or (bool(text) and self.dotted > 0 and not self.grouped and not self.points)
        return Marks(text, unclear=unclear and decimal is None)


class DecimalCommas:
    """Counts a table's values by column.

    ``semicolon``: it parts the fields, so that commas begin fractions where nothing speaks against it. ``decimal``:
    what begins fractions, if that was said.
    """

    def __init__(self, *, semicolon: bool, decimal: str | None = None) -> None:
        self._semicolon, self._decimal, self._columns = semicolon, decimal, dict[str, _Cells]()

    def counted(self, rows: Iterable[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
        """Yield the rows, having counted them."""
        for row in rows:
            for name, value in row.items():
                if isinstance(value, str) and (text := value.strip()) and text.lower() not in NO_VALUE:
                    self._columns.setdefault(name, _Cells()).add(text)
            yield row

    @property
    def columns(self) -> dict[str, Marks]:
        """The columns whose numbers have a comma before the fraction, or may have."""
        marks = {n: one.marks(semicolon=self._semicolon, decimal=self._decimal) for n, one in self._columns.items()}
        return {name: one for name, one in marks.items() if any(one)}


def with_point(value: object, marks: str) -> object:
    """Return a number of a column with these marks with a point before its fraction; what else there is as it is."""
    text = value.strip() if isinstance(value, str) else ""
    if ("," in text and COMMA.fullmatch(text)) or ("." in marks and "," not in text and GROUPED.fullmatch(text)):
        return text.replace(".", "").replace(",", ".")
    return value


def may_hold(lines: Iterable[bytes | None], delimiter: str) -> bool:
    """Return whether a field in any line may be a number with a comma; of a table that parts by comma a quoted one."""
    edge = b'"' if delimiter == "," else b'(?:^|["' + re.escape(delimiter.encode()) + rb"\r\n]|$)"
    field = re.compile(edge + rb"[ ]*[+-]?[0-9.]*[0-9],[0-9]+(?:[eE][+-]?[0-9]+)?[ ]*" + edge)
    return any(line is not None and b"," in line and field.search(line) is not None for line in lines)
