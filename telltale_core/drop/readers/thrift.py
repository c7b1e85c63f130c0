"""Structs in Thrift's compact protocol, as Parquet states its pages and footers, read without its library.

A list's kind is not what the library goes by: it reads what the format says. So ``Fields`` names the kinds of lists in
a struct by field number, and a list of another kind is refused, as is a field that stands twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from telltale_core.modality.reasons import bad

Fields: TypeAlias = Mapping[int, tuple[int, "Fields"]]
"""Of a struct: by field number the kind of a list's parts, or ``STRUCT``, and the fields of these structs."""
I32, I64, BINARY, STRUCT = 5, 6, 8, 12
MAX_DEPTH = 8
NO_FIELDS: Fields = {}


def corrupt(what: str) -> Exception:
    """Return the error for a Parquet file that holds ``what``."""
    return bad("file_corrupt", f"the Parquet file holds {what}: write it again")


def read_struct(data: bytes, place: int, fields: Fields = NO_FIELDS, depth: int = 0) -> tuple[dict[int, object], int]:
    """Return the values of a struct by field number, None for texts and fractions, and where it ends.

    ``IndexError`` where the data end before it does.
    """
    values: dict[int, object] = {}
    number = 0
    while (head := data[place]) != 0:
        place += 1
        if head >> 4:
            number += head >> 4
        else:
            jump, place = _varint(data, place)
            number = (jump >> 1) ^ -(jump & 1)
        if number in values:
            raise corrupt("a field twice")
        values[number], place = _value(data, place, head & 15, fields.get(number, (None, NO_FIELDS)), depth)
    return values, place + 1


def _value(data: bytes, place: int, kind: int, inner: tuple[int | None, Fields], depth: int) -> tuple[object, int]:
    if depth > MAX_DEPTH:
        raise corrupt("a header that is nested too deeply")
    if kind in {1, 2}:  # true, false
        return kind == 1, place
    if kind == 3:
        return data[place], place + 1
    if kind in {4, I32, I64}:
        value, place = _varint(data, place)
        return (value >> 1) ^ -(value & 1), place
    if kind == 7:
        return None, place + 8
    if kind == BINARY:
        length, place = _varint(data, place)
        if place + length > len(data):
            raise IndexError
        return None, place + length
    if kind in {9, 10}:
        return _list(data, place, inner, depth)
    if kind == STRUCT:
        return read_struct(data, place, inner[1], depth + 1)
    raise corrupt(f"a header with a field of the unexpected kind {kind}")


def _list(data: bytes, place: int, inner: tuple[int | None, Fields], depth: int) -> tuple[list[object], int]:
    count, kind = data[place] >> 4, data[place] & 15
    place += 1
    if count == 15:
        count, place = _varint(data, place)
    if count > len(data) - place:
        raise IndexError
    if inner[0] not in {None, kind}:
        raise corrupt(f"a list of the unexpected kind {kind}")
    parts: list[object] = []
    for _ in range(count):
        part, place = (data[place] == 1, place + 1) if kind in {1, 2} else _value(data, place, kind, inner, depth + 1)
        parts.append(part)
    return parts, place


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise corrupt("a number that never ends")
