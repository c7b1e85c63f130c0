"""CSV and JSON lines as dictionaries of values, line by line, with caps on what one line may hold."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import BinaryIO

from telltale_core.drop.config import Limits
from telltale_core.drop.reasons import bad, shown
from telltale_core.drop.values import UNFIT
from telltale_core.errors import BadInput

Parsed = tuple[dict[str, object] | None, BadInput | None]


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
            yield None, bad("row_too_long", f"the line has more than max_row_bytes={limits.max_row_bytes} bytes")
        elif line.strip():
            try:
                yield _checked(json.loads(line), limits)
            except (ValueError, RecursionError) as error:
                yield None, bad("row_unreadable", f"the line is not valid JSON ({type(error).__name__})")


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
    faults: list[BadInput] = []
    csv.field_size_limit(max(csv.field_size_limit(), limits.max_row_bytes))  # the reader's own; ours are told by name
    reader = csv.reader(_texts(handle, limits, faults), delimiter=delimiter)
    while True:
        faults.clear()
        try:
            fields = next(reader, None)
        except csv.Error as error:
            yield None, bad("row_unreadable", f"the record is not valid CSV: {error}")
            continue
        if fields is None:
            return
        if faults:
            yield None, faults[0]
        elif len(fields) == len(names):
            yield _checked(dict(zip(names, fields, strict=True)), limits)
        elif fields:
            what = bad("row_unreadable", f"the record has {len(fields)} fields, the header {len(names)}")
            yield dict(zip(names, fields, strict=False)), what


def _texts(handle: BinaryIO, limits: Limits, faults: list[BadInput]) -> Iterator[str]:
    for line in capped_lines(handle, limits.max_row_bytes):
        if line is None:
            faults.append(bad("row_too_long", f"the line has more than max_row_bytes={limits.max_row_bytes} bytes"))
            yield "\n"
            continue
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            faults.append(bad("row_unreadable", "the line is not UTF-8"))
            yield "\n"


def _checked(values: object, limits: Limits) -> Parsed:
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
