"""How a table of text is written: its encoding, what parts its fields, its quotes, its header."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Literal, NamedTuple

from telltale_core.drop.config import Limits
from telltale_core.drop.readers.quoting import tsv_may_be_quoted
from telltale_core.modality.cells import UNFIT
from telltale_core.modality.reasons import bad, shown

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins with UTF-16's
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
DELIMITERS = (";", "\t", "|")
"""What may stand in place of the comma, where the header of a CSV file has none."""
UNNAMED = "Unnamed: 0"
"""What pandas calls a first column without a name, which is its index."""
MARK = "\ufeff"
"""What a text may begin with to say its encoding; where texts were joined it stands within."""
CHUNK_BYTES = 1 << 20
UNDECODABLE = "telltale.undecodable"
COMMA = re.compile(r"[+-]?([0-9]{1,3}(\.[0-9]{3})*,[0-9]{1,18}|[0-9]{1,18}(,[0-9]{1,18})?)([eE][+-]?[0-9]{1,4})?")


ACCENT = re.compile(rb"[A-Za-z][\xc0-\xf6\xf8-\xfe](?![\x80-\xff])|(?<![\x80-\xff])[\xc0-\xf6\xf8-\xfe][A-Za-z]")
"""A letter with an accent in a word of one of Western Europe's encodings."""


def _no_text(error: UnicodeError) -> tuple[str, int]:
    """Return for bytes that are no text what becomes a byte that is in no UTF-8; decoding goes on after them."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(UNDECODABLE, _no_text)


class Dialect(NamedTuple):
    """How the fields of a table are told apart; ``blanks``: those after a delimiter are no part of a field."""

    delimiter: str
    quoted: bool = True
    blanks: bool = False

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Return the records of lines, whatever is wrong with their quotes."""
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
        return csv.reader(lines, delimiter=self.delimiter, quoting=quoting, skipinitialspace=self.blanks)


def capped_lines(handle: BinaryIO, max_bytes: int) -> Iterator[bytes | None]:
    """Yield a file's lines; None for one of more than ``max_bytes``, which is skipped without being held in memory."""
    while line := handle.readline(max_bytes + 1):
        if len(line) <= max_bytes:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = handle.readline(1 << 20)
        yield None


def as_text(line: bytes | None) -> str | None:
    """Return a line as text; None for one that is not UTF-8."""
    try:
        return None if line is None else line.decode("utf-8")
    except UnicodeDecodeError:
        return None


def encoding_of(handle: BinaryIO, limits: Limits, place: str) -> str:
    """Return the encoding of a file of lines: UTF-8, or UTF-16 or UTF-32 as its mark says.

    Raises ``encoding_unclear`` where several lines are not UTF-8, or one for a letter with an accent, and no other line
    shows that the file is: rows would be lost just because they hold an accent.
    """
    begin = handle.read(4)
    handle.seek(0)
    marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if begin.startswith(mark)), None)
    if marked is not None:
        return marked
    bad_lines, first, accent = 0, 0, False
    for number, line in enumerate(capped_lines(handle, limits.max_row_bytes)):
        if line is None or line.isascii() or line == codecs.BOM_UTF8:
            continue
        if b"\0" in line:
            return "utf-8"  # no text at all: whoever reads it says so
        if as_text(line) is not None:
            return "utf-8"
        bad_lines += 1
        first, accent = first or number + 1, accent or ACCENT.search(line) is not None
    if bad_lines > 1 or accent:
        raise bad(
            "encoding_unclear",
            f"{bad_lines} lines of {place} are not UTF-8, the first is line {first}: set drop.encoding to what the "
            'file is written in, such as "cp1252" (Western Europe), "shift_jis" or "gb18030", or save it as UTF-8',
        )
    return "utf-8"


class Transcoded(io.RawIOBase):
    """A file in another encoding, read as UTF-8; what cannot be decoded becomes bytes that are not UTF-8."""

    def __init__(self, handle: BinaryIO, encoding: str) -> None:
        self._handle, self._encoding = handle, encoding
        self._restart()

    def _restart(self) -> None:
        self._handle.seek(0)
        self._decoder = codecs.getincrementaldecoder(self._encoding)(UNDECODABLE)
        self._ready, self._place, self._ended = b"", 0, False

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can go to a place, by reading up to it."""
        return True

    def tell(self) -> int:
        """Return the place in the UTF-8 text."""
        return self._place

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place by reading anew up to it."""
        if whence == 1:
            offset += self._place
        self._restart()
        while self._place < offset and (part := self.read(min(CHUNK_BYTES, offset - self._place))):
            del part
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer with UTF-8."""
        while not self._ready and not self._ended:
            data = self._handle.read(CHUNK_BYTES)
            self._ended = not data
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeError as error:  # of the mark at the begin: what else there is, the handler takes
                raise bad(
                    "encoding_unclear",
                    f"a file does not begin with the mark of {self._encoding}: set another drop.encoding, or save the "
                    "file as UTF-8",
                ) from error
            self._ready = text.encode("utf-8", "surrogateescape")
        part, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)


def as_utf8(handle: BinaryIO, encoding: str) -> BinaryIO:
    """Return the file as UTF-8, whatever it is written in."""
    return handle if encoding == "utf-8" else io.BufferedReader(Transcoded(handle, encoding))


def guess_dialect(handle: BinaryIO, limits: Limits, suffix: str) -> tuple[Dialect, bool]:
    """Return how a CSV or TSV file is read, and whether its quotes are still to be tried.

    In CSV the header tells the delimiter. In TSV a quote is a letter, unless the whole file shows otherwise.
    """
    lines = map(as_text, capped_lines(handle, limits.max_row_bytes))
    header = (next(lines, None) or "").removeprefix(MARK)
    if suffix != ".tsv":
        delimiter = next((one for one in DELIMITERS if one in header), ",") if "," not in header else ","
        blanks = any(name[:1] == " " for name in header.split(delimiter)[1:])
        return Dialect(delimiter, blanks=blanks), False
    if not tsv_may_be_quoted(lines, header):
        return Dialect("\t", quoted=False), False
    return Dialect("\t"), True


def point_for_comma(value: object) -> object:
    """Return a number with a comma before its fraction as one with a point; what else there is as it is."""
    if not isinstance(value, str) or "," not in value:
        return value
    text = value.strip()
    return text.replace(".", "").replace(",", ".") if COMMA.fullmatch(text) else value


def column_names(fields: list[str]) -> list[str]:
    """Return the fields of a header as the columns are called: without blanks and mark, the index with a name."""
    names = [field.strip() for field in fields]
    if names and names[0].startswith(MARK):  # before a quote the reader took the quotes as letters
        names[0] = names[0].removeprefix(MARK).strip().strip('"')
    if len(names) > 1 and not names[0] and UNNAMED not in names:
        names[0] = UNNAMED
    return names


def csv_header(handle: BinaryIO, limits: Limits, dialect: Dialect) -> list[str]:
    """Return the column names in a CSV file's first line; ``columns_unclear`` when they repeat or cannot be shown."""
    line = next(capped_lines(handle, limits.max_field_bytes), b"")
    try:
        names = next(dialect.reader([(line or b"").decode("utf-8-sig")]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise bad("columns_unclear", "the first line is no CSV header in UTF-8: set drop.encoding") from error
    names = column_names(names)
    if len(set(names)) != len(names) or not names or any(not name or UNFIT.search(name) for name in names):
        cure = "if the first line is a row, write one above it that names the columns"
        got = shown(names, 200)
        raise bad("columns_unclear", f"the header must have different, printable names, got {got}: {cure}")
    if len(names) > limits.max_columns:
        raise bad("columns_unclear", f"{len(names)} columns, more than max_columns={limits.max_columns}")
    return names
