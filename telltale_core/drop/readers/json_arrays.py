"""A JSON file that is one array of objects: its elements one by one, as JSON lines, without holding the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from telltale_core.errors import BadInput
from telltale_core.modality.reasons import bad

INSIDE = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
TOKEN = re.compile(b'"' + INSIDE.pattern + rb'"|["{}\[\]]', re.DOTALL)
"""A text, a bracket, or a quote whose text goes on. What was matched once is never tried again, whatever follows."""
BETWEEN = b" \t\r\n,"
CHUNK_BYTES = 1 << 20
MARK = b"\xef\xbb\xbf"


def is_array(handle: BinaryIO) -> bool:
    """Return whether a file begins as an array of objects does."""
    begin = handle.read(4096).removeprefix(MARK).lstrip()
    handle.seek(0)
    return begin[:1] == b"[" and begin[1:].lstrip()[:1] == b"{"


def array_elements(handle: BinaryIO, max_bytes: int, place: str) -> Iterator[bytes]:
    """Yield the text of each object; ``file_corrupt`` where the file is no array of objects of at most ``max_bytes``.

    What stands between brackets is not judged here: whoever reads the text of an element does.
    """
    number, depth, begin, after, scanned = 0, 0, 0, 0, 0
    in_text = False
    held = handle.read(CHUNK_BYTES).removeprefix(MARK)
    while True:
        if in_text:
            scanned = _end_of_text(held, scanned)
            in_text = held[scanned : scanned + 1] != b'"'
            scanned += not in_text
        for token in () if in_text else TOKEN.finditer(held, scanned):
            mark = token.group()
            scanned = token.end()
            if mark == b'"' and depth > 1:
                in_text, scanned = True, _end_of_text(held, scanned)
                break
            if mark in b"{[":
                depth += 1
                if depth == 1:
                    after = scanned
                elif depth == 2:
                    begin = token.start()
                    _check_between(held[after:begin], number, place)
            elif mark in b"}]":
                depth -= 1
                if depth == 1:
                    after, number = scanned, number + 1
                    yield held[begin:after]
                elif depth <= 0:
                    _check_between(held[after : token.start()], number, place)
                    rest = held[token.end() :]
                    while rest:
                        if mark != b"]" or rest.strip():
                            raise bad(
                                "file_corrupt", f"{place} goes on after its array: write one array, or JSON lines"
                            )
                        rest = handle.read(CHUNK_BYTES)
                    return
            elif depth <= 1:
                raise _damaged(number, place)
        else:
            scanned = scanned if in_text else len(held)
        keep = begin if depth > 1 else min(after, scanned)
        if len(held) - keep > max_bytes + CHUNK_BYTES:
            raise bad("file_corrupt", f"element {number + 1} of {place} has more than max_row_bytes={max_bytes} bytes")
        data = handle.read(CHUNK_BYTES)
        if not data:
            raise bad("file_corrupt", f"{place} ends before its array does, in element {number + 1}: write it again")
        held, begin, after, scanned = held[keep:] + data, begin - keep, max(0, after - keep), scanned - keep


def _end_of_text(held: bytes, begin: int) -> int:
    """Return where a text ends that goes on at ``begin``: at its quote, or where more must be read."""
    match = INSIDE.match(held, begin)
    return begin if match is None else match.end()


def _check_between(text: bytes, number: int, place: str) -> None:
    if text.strip(BETWEEN):
        raise _damaged(number, place)


def _damaged(number: int, place: str) -> BadInput:
    return bad("file_corrupt", f"element {number + 1} of {place} is no JSON object: an array of objects is read")
