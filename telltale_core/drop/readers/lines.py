"""CSV and JSON lines as dictionaries of values, record by record, with caps on what one may hold and become."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from telltale_core.drop.config import Limits
from telltale_core.drop.readers.data_urls import is_data_url, longest_url
from telltale_core.drop.readers.dialects import Dialect, as_text, capped_lines, column_names, csv_header, guess_dialect
from telltale_core.drop.readers.quoting import (
    HELD_CHARS,
    Columns,
    Lines,
    may_swallow,
    swallowed,
    swallows,
    whole,
)
from telltale_core.errors import BadInput
from telltale_core.modality.cells import SURROGATES, UNFIT
from telltale_core.modality.reasons import bad, shown

OBJECT_BYTES = {b"{": 240, b"[": 96, b",": 40, b'"': 24}
"""What Python needs for what begins or ends with this character: dictionaries, lists, their values, texts."""
_parse = json.JSONDecoder().decode
FIELD_BYTES = 60
"""What Python needs for a CSV field beside its letters."""


class Parsed(NamedTuple):
    """One record: its values by column, the fault that makes it a rejected row, and the memory that it takes."""

    values: dict[str, object] | None
    fault: BadInput | None
    size_bytes: int = 0

    @property
    def sound(self) -> dict[str, object]:
        """The values of a record without a fault: those of others may stand under wrong names."""
        return self.values or {} if self.fault is None else {}


def json_rows(
    lines: Iterable[bytes | None], limits: Limits, count: Lines, only: re.Pattern[bytes] | None = None
) -> Iterator[Parsed]:
    """Yield each JSON line as a dictionary, or the fault that makes it a rejected row; blank lines are no rows.

    Of lines in which ``only`` is not found nothing is parsed.
    """
    fit = set[str]()
    for line in lines:
        count.record(1, blank=line is not None and line.isspace())
        if line is None:
            yield Parsed(None, _too_long("line", limits))
        elif not line.isspace():
            if only is not None and not only.search(line):
                yield Parsed({}, None)
                continue
            size = _objects_bytes(line)
            if size > limits.max_decoded_row_bytes:
                yield Parsed(None, _too_many_values(size, limits))
                continue
            try:
                values, fault = checked(_parse(line.decode().removeprefix("\ufeff")), limits, fit)
            except (ValueError, RecursionError) as error:
                values, fault = None, bad("row_unreadable", f"the line is not valid JSON ({type(error).__name__})")
            yield Parsed(values, fault, size)


def _objects_bytes(line: bytes) -> int:
    """Return about what a JSON line takes once it is parsed, told from its punctuation before it is."""
    texts = len(line) if line.isascii() and b"\\u" not in line else 4 * len(line)  # one odd letter widens a whole text
    for mark, cost in OBJECT_BYTES.items():
        texts += cost * line.count(mark)
    return texts


def _too_long(what: str, limits: Limits) -> BadInput:
    return bad("row_too_long", f"the {what} has more than max_row_bytes={limits.max_row_bytes} bytes")


def _too_many_values(size: int, limits: Limits) -> BadInput:
    return bad(
        "row_too_long",
        f"the row holds so many values that it takes about {size} bytes in memory, more than "
        f"max_decoded_row_bytes={limits.max_decoded_row_bytes}",
    )


def dialect_of(handle: BinaryIO, limits: Limits, suffix: str) -> Dialect:
    """Return how a CSV or TSV file is read; in TSV a quote is a letter, unless the whole file shows otherwise."""
    dialect, doubtful = guess_dialect(handle, limits, suffix)
    if not doubtful:
        return dialect
    handle.seek(0)
    try:
        for _ in csv_rows(handle, limits, dialect, Lines(), "the file"):
            pass
    except BadInput:  # its quotes would swallow rows
        return dialect._replace(quoted=False)
    return dialect


def csv_rows(handle: BinaryIO, limits: Limits, dialect: Dialect, count: Lines, place: str) -> Iterator[Parsed]:
    """Yield each CSV record after the header as a dictionary of texts, or the fault that makes it a rejected row.

    ``place`` is the file as messages name it. Raises ``rows_swallowed`` where a quote holds other rows.
    """
    names = csv_header(handle, limits, dialect)
    begun = dataclasses.replace(count)
    count.lines, count.header = count.lines + 1, count.header + 1
    quotes, fit = _Quotes(handle, limits, dialect, len(names)), set[str]()
    for fields, fault, lines in _records(handle, limits, dialect):
        if lines.number > 1:
            quotes.check(lines, f"line {count.lines - begun.lines + 1} of {place}")
        count.record(lines.number, blank=not fields and fault is None)
        if fields is None or fault is not None:
            yield Parsed(None, fault)
        elif _is_header(fields, names):
            what = "the record is the header again, as where files were joined"
            yield Parsed(dict(zip(names, fields, strict=True)), bad("row_unreadable", what), lines.size_bytes)
        elif len(fields) == len(names):
            yield Parsed(*checked(dict(zip(names, fields, strict=True)), limits, fit), lines.size_bytes)
        elif fields:
            what = f"the record has {len(fields)} fields, the header {len(names)}"
            yield Parsed(dict(zip(names, fields, strict=False)), bad("row_unreadable", what), lines.size_bytes)


def _is_header(fields: list[str], names: list[str]) -> bool:
    """Return whether a record is the header again, whatever blanks and marks are about its names."""
    return len(fields) == len(names) and fields[-1].strip() == names[-1] and column_names(fields) == names


def _records(
    handle: BinaryIO, limits: Limits, dialect: Dialect
) -> Iterator[tuple[list[str] | None, BadInput | None, _RecordLines]]:
    """Yield the fields of each record, or why there are none, and its lines; a blank line has no fields."""
    csv.field_size_limit(max(csv.field_size_limit(), limits.max_row_bytes))  # the reader's own; ours are told by name
    lines = _RecordLines(handle, limits, dialect.delimiter)
    reader = dialect.reader(lines)
    while True:
        lines.begin()
        try:
            fields = next(reader, None)
        except _EndlessError:
            limit = limits.max_row_bytes
            what = f"the record has more than max_row_bytes={limit} bytes: does a quote open and never close?"
            yield None, bad("row_too_long", what), lines
            reader = dialect.reader(lines)
            continue
        except csv.Error as error:
            yield None, bad("row_unreadable", f"the record is not valid CSV: {error}"), lines
            continue
        if fields is None:
            return
        yield fields, lines.fault, lines


class _Quotes:
    """Looks into records over several lines for rows that a quote swallowed."""

    def __init__(self, handle: BinaryIO, limits: Limits, dialect: Dialect, count: int) -> None:
        self._handle, self._limits, self._dialect, self._count = handle, limits, dialect, count
        self._columns: Columns | None = None

    def check(self, lines: _RecordLines, place: str) -> None:
        """Raise ``rows_swallowed`` if the lines of a record are rows like the others."""
        record_lines, delimiter, complete = lines.texts, self._dialect.delimiter, lines.complete
        if may_swallow(record_lines, delimiter, self._count, complete=complete):
            self._columns = self._columns or self._survey()
            if swallows(record_lines, delimiter, self._columns, complete=complete):
                raise swallowed(place, lines.number)

    def _survey(self) -> Columns:
        """Return what the file's columns are like, by a pass of its own over the records that are in order."""
        position = self._handle.tell()
        self._handle.seek(0)
        try:
            csv_header(self._handle, self._limits, self._dialect)
            return Columns.of(self._whole(), self._count)
        finally:
            self._handle.seek(position)

    def _whole(self) -> Iterator[list[str]]:
        for fields, fault, lines in _records(self._handle, self._limits, self._dialect):
            if fields is None or fault is not None or len(fields) != self._count:
                continue
            if lines.number == 1 or (lines.complete and whole(lines.texts, self._dialect.delimiter, self._count)):
                yield fields


class _EndlessError(Exception):
    """A record goes on over more lines than one may hold."""


class _RecordLines:
    """The lines that a CSV reader asks for, counted by record: a quote that never closes must not swallow a file."""

    def __init__(self, handle: BinaryIO, limits: Limits, delimiter: str) -> None:
        self._lines, self._limits, self._delimiter = capped_lines(handle, limits.max_row_bytes), limits, delimiter
        self._again: bytes | None = None
        self.begin()

    def begin(self) -> None:
        """Start a new record."""
        self._held_bytes = self.size_bytes = self.number = self._held_chars = 0
        self.fault: BadInput | None = None
        self.texts: list[str] = []

    @property
    def complete(self) -> bool:
        """Whether ``texts`` are all lines of the record; of a long one they are the first."""
        return len(self.texts) == self.number

    def __iter__(self) -> _RecordLines:
        return self

    def __next__(self) -> str:
        line = self._again if self._again is not None else next(self._lines)
        self._again = None
        if line is None:
            self.number += 1
            return self._refused(_too_long("line", self._limits))
        if self._held_bytes and self._held_bytes + len(line) > self._limits.max_row_bytes:
            self._again = line
            raise _EndlessError
        self.number += 1
        self._held_bytes += len(line)
        self.size_bytes += 5 * len(line) + FIELD_BYTES * line.count(self._delimiter.encode())
        if self.size_bytes > self._limits.max_decoded_row_bytes:
            return self._refused(_too_many_values(self.size_bytes, self._limits))
        text = as_text(line)
        if text is None:
            return self._refused(bad("row_unreadable", "the line is not UTF-8: correct it, or set drop.encoding"))
        self._held_chars += len(text)
        if len(self.texts) == self.number - 1 and (self._held_chars <= HELD_CHARS or self.number <= 2):
            self.texts.append(text)
        return text

    def _refused(self, fault: BadInput) -> str:
        self.fault = self.fault or fault
        return "\n"


def checked(values: object, limits: Limits, fit: set[str]) -> tuple[dict[str, object] | None, BadInput | None]:
    """Return the values of a record, if they are a dictionary, and the fault of its row, if there is one.

    ``fit`` remembers the names that were found in order. A ``data:`` URL may be as long as media are.
    """
    if not isinstance(values, dict):
        return None, bad("row_unreadable", f"the line is a JSON {type(values).__name__}, not an object")
    if len(values) > limits.max_columns or not (values.keys() <= fit or _fit(values, fit, limits.max_columns)):
        return None, bad("row_unreadable", "the row has too many fields, or names that cannot be shown")
    for name, value in values.items():
        if isinstance(value, str):
            if len(value) > limits.max_field_bytes and not (len(value) <= longest_url(limits) and is_data_url(value)):
                return values, field_too_long(name, limits)
            if not value.isascii() and SURROGATES.search(value):
                return None, bad("row_unreadable", f"the field {shown(name)} is not valid Unicode")
    return values, None


def field_too_long(name: str, limits: Limits) -> BadInput:
    """Return the fault of a row whose field of this name is over its limit."""
    return bad("field_too_long", f"the field {shown(name)} has more than {limits.max_field_bytes} characters")


def _fit(names: Iterable[str], fit: set[str], most: int) -> bool:
    """Return whether names can be shown, having remembered them, up to so many."""
    if any(not name or len(name) > 256 or UNFIT.search(name) for name in names):
        return False
    fit.update(itertools.islice(names, max(0, most - len(fit))))
    return True
