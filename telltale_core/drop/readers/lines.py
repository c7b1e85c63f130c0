"""CSV and JSON lines as dictionaries of values, record by record, with caps on what one may hold and become."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from telltale_core.drop.config import Limits
from telltale_core.drop.reasons import bad, shown
from telltale_core.drop.values import UNFIT
from telltale_core.errors import BadInput

OBJECT_BYTES = {b"{": 240, b"[": 96, b",": 40, b'"': 24}
"""What Python needs for what begins or ends with this character: dictionaries, lists, their values, texts."""
FIELD_BYTES = 60
"""What Python needs for a CSV field beside its letters."""


class Parsed(NamedTuple):
    """One record: its values by column, the fault that makes it a rejected row, and the memory that it takes."""

    values: dict[str, object] | None
    fault: BadInput | None
    size_bytes: int = 0


def capped_lines(handle: BinaryIO, max_bytes: int) -> Iterator[bytes | None]:
    """Yield a file's lines; None for one of more than ``max_bytes``, which is skipped without being held in memory."""
    while line := handle.readline(max_bytes + 1):
        if len(line) <= max_bytes:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = handle.readline(1 << 20)
        yield None


def json_rows(handle: BinaryIO, limits: Limits) -> Iterator[Parsed]:
    """Yield each JSON line as a dictionary, or the fault that makes it a rejected row; blank lines are no rows."""
    for line in capped_lines(handle, limits.max_row_bytes):
        if line is None:
            yield Parsed(None, _too_long("line", limits))
        elif line.strip():
            size = _objects_bytes(line)
            if size > limits.max_decoded_row_bytes:
                yield Parsed(None, _too_many_values(size, limits))
                continue
            try:
                values, fault = _checked(json.loads(line), limits)
            except (ValueError, RecursionError) as error:
                values, fault = None, bad("row_unreadable", f"the line is not valid JSON ({type(error).__name__})")
            yield Parsed(values, fault, size)


def _objects_bytes(line: bytes) -> int:
    """Return about what a JSON line takes once it is parsed, told from its punctuation before it is."""
    texts = len(line) if line.isascii() and b"\\u" not in line else 4 * len(line)  # one odd letter widens a whole text
    return texts + sum(cost * line.count(mark) for mark, cost in OBJECT_BYTES.items())


def _too_long(what: str, limits: Limits) -> BadInput:
    return bad("row_too_long", f"the {what} has more than max_row_bytes={limits.max_row_bytes} bytes")


def _too_many_values(size: int, limits: Limits) -> BadInput:
    return bad(
        "row_too_long",
        f"the row holds so many values that it takes about {size} bytes in memory, more than "
        f"max_decoded_row_bytes={limits.max_decoded_row_bytes}",
    )


def csv_header(handle: BinaryIO, limits: Limits, delimiter: str) -> list[str]:
    """Return the column names in a CSV file's first line; ``columns_unclear`` when they repeat or cannot be shown."""
    line = next(capped_lines(handle, limits.max_field_bytes), b"")
    try:
        names = next(csv.reader([(line or b"").decode("utf-8-sig")], delimiter=delimiter), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise bad("columns_unclear", "the first line is no CSV header in UTF-8") from error
    if len(set(names)) != len(names) or not names or any(not name or UNFIT.search(name) for name in names):
        raise bad("columns_unclear", f"the header must have different, printable names, got {shown(names, 200)}")
    if len(names) > limits.max_columns:
        raise bad("columns_unclear", f"{len(names)} columns, more than max_columns={limits.max_columns}")
    return names


def csv_rows(handle: BinaryIO, limits: Limits, delimiter: str) -> Iterator[Parsed]:
    """Yield each CSV record after the header as a dictionary of texts, or the fault that makes it a rejected row."""
    names = csv_header(handle, limits, delimiter)
    csv.field_size_limit(max(csv.field_size_limit(), limits.max_row_bytes))  # the reader's own; ours are told by name
    lines = _RecordLines(handle, limits, delimiter)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.begin()
        try:
            fields = next(reader, None)
        except _EndlessError:
            limit = limits.max_row_bytes
            what = f"the record has more than max_row_bytes={limit} bytes: does a quote open and never close?"
            yield Parsed(None, bad("row_too_long", what))
            reader = csv.reader(lines, delimiter=delimiter)
            continue
        except csv.Error as error:
            yield Parsed(None, bad("row_unreadable", f"the record is not valid CSV: {error}"))
            continue
        if fields is None:
            return
        if lines.fault is not None:
            yield Parsed(None, lines.fault)
        elif len(fields) == len(names):
            yield Parsed(*_checked(dict(zip(names, fields, strict=True)), limits), lines.size_bytes)
        elif fields:
            what = f"the record has {len(fields)} fields, the header {len(names)}"
            yield Parsed(dict(zip(names, fields, strict=False)), bad("row_unreadable", what), lines.size_bytes)


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
        self._held_bytes = self.size_bytes = 0
        self.fault: BadInput | None = None

    def __iter__(self) -> _RecordLines:
        return self

    def __next__(self) -> str:
        line = self._again if self._again is not None else next(self._lines)
        self._again = None
        if line is None:
            return self._refused(_too_long("line", self._limits))
        if self._held_bytes and self._held_bytes + len(line) > self._limits.max_row_bytes:
            self._again = line
            raise _EndlessError
        self._held_bytes += len(line)
        self.size_bytes += 5 * len(line) + FIELD_BYTES * line.count(self._delimiter.encode())
        if self.size_bytes > self._limits.max_decoded_row_bytes:
            return self._refused(_too_many_values(self.size_bytes, self._limits))
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            return self._refused(bad("row_unreadable", "the line is not UTF-8"))

    def _refused(self, fault: BadInput) -> str:
        self.fault = self.fault or fault
        return "\n"


def _checked(values: object, limits: Limits) -> tuple[dict[str, object] | None, BadInput | None]:
    if not isinstance(values, dict):
        return None, bad("row_unreadable", f"the line is a JSON {type(values).__name__}, not an object")
    if len(values) > limits.max_columns or any(not name or len(name) > 256 or UNFIT.search(name) for name in values):
        return None, bad("row_unreadable", "the row has too many fields, or names that cannot be shown")
    for name, value in values.items():
        if isinstance(value, str):
            if len(value) > limits.max_field_bytes:
                limit = limits.max_field_bytes
                return values, bad("field_too_long", f"the field {shown(name)} has more than {limit} characters")
            if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
                return None, bad("row_unreadable", f"the field {shown(name)} is not valid Unicode")
    return values, None
