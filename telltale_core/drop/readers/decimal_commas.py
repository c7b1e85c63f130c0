"""Columns of numbers whose fractions begin with a comma, told from all rows of all files of a table."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping

from telltale_core.drop.readers.dialects import COMMA
from telltale_core.drop.value_survey import NO_VALUE

NUMBERS_SHARE = 0.95
"""Share of a column's values that must be numbers for it to be one of numbers, as of a table's column."""
GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}((,[0-9]{3})+|(\.[0-9]{3})+)")
"""What may be thousands as well: it shows no fraction."""
POINT = re.compile(r"[+-]?[0-9]*\.[0-9]+([eE][+-]?[0-9]{1,4})?")


@dataclasses.dataclass(slots=True)
class _Cells:
    """The ``texts`` of a column: how many have a comma or are whole, how many a point alone.

    ``fractions``: a comma begins one in some text; ``points``: a point does; ``grouped``: points stand before a comma.
    """

    texts: int = 0
    with_comma: int = 0
    with_point: int = 0
    fractions: bool = False
    points: bool = False
    grouped: bool = False

    @property
    def numbers(self) -> int:
        """How many are numbers; those with a point alone only where no other text says that it parts thousands."""
        return self.with_comma + (self.with_point if self.points and not self.grouped else 0)


class DecimalCommas:
    """Counts a table's values by column. ``grouping``: a comma between groups of three digits parts thousands."""

    def __init__(self, *, grouping: bool) -> None:
        self._grouping, self._columns = grouping, dict[str, _Cells]()

    def counted(self, rows: Iterable[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
        """Yield the rows, having counted them."""
        for row in rows:
            for name, value in row.items():
                if isinstance(value, str) and (text := value.strip()) and text.lower() not in NO_VALUE:
                    self._count(self._columns.setdefault(name, _Cells()), text)
            yield row

    def _count(self, cells: _Cells, text: str) -> None:
        cells.texts += 1
        if COMMA.fullmatch(text):
            cells.with_comma += 1
            cells.grouped |= "." in text
            if "," in text and not cells.fractions:
                cells.fractions = not (self._grouping and GROUPED.fullmatch(text))
        elif POINT.fullmatch(text):
            cells.with_point += 1
            cells.points |= GROUPED.fullmatch(text) is None

    @property
    def columns(self) -> frozenset[str]:
        """The columns whose values are numbers, some of them with a comma before the fraction."""
        return frozenset(
            name for name, one in self._columns.items() if one.fractions and one.numbers >= NUMBERS_SHARE * one.texts
        )


def may_hold(lines: Iterable[bytes | None], delimiter: str) -> bool:
    """Return whether a field in any line may be a number with a comma; of a table that parts by comma a quoted one."""
    edge = b'"' if delimiter == "," else b'(?:^|["' + re.escape(delimiter.encode()) + rb"\r\n]|$)"
    field = re.compile(edge + rb"[ ]*[+-]?[0-9.]*[0-9],[0-9]+(?:[eE][+-]?[0-9]+)?[ ]*" + edge)
    return any(line is not None and b"," in line and field.search(line) is not None for line in lines)
