"""The files of CSV, TSV and JSON lines: how each is written, and its records."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, BinaryIO

from telltale_core.drop.budget import Clock
from telltale_core.drop.config import DropConfig
from telltale_core.drop.layout import LABEL_NAMES, TARGET_NAMES
from telltale_core.drop.readers.base import BATCH_BYTES, Reader
from telltale_core.drop.readers.decimal_commas import may_hold
from telltale_core.drop.readers.dialects import (
    Dialect,
    as_utf8,
    capped_lines,
    csv_header,
    encoding_of,
)
from telltale_core.drop.readers.json_arrays import array_elements
from telltale_core.drop.readers.lines import Parsed, csv_rows, dialect_of, json_rows
from telltale_core.drop.readers.quoting import Lines
from telltale_core.drop.source import Source, SourceFile
from telltale_core.modality.reasons import bad, shown

DELIMITED = {".csv", ".tsv"}
SAMPLED_ROWS = 100  # roles are told from the first rows: JSON lines have no header, CSV has no types


def examples_of(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Return the values of each column in rows that hold some."""
    return {name: tuple(row[name] for row in rows if row.get(name) is not None) for row in rows for name in row}


class TableFiles(Reader):
    """Opens the files of a table, the same in every pass, and yields their records within the limits."""

    def __init__(self, source: Source, files: list[SourceFile], config: DropConfig) -> None:
        self._source, self._files, self._limits = source, files, config.limits
        self._dialects: dict[str, Dialect] = {}
        self._encoding: str | None = config.encoding
        self._decimal: str | None = config.decimal
        self.encodings: dict[str, str] = {}
        self.lines: Lines | None = Lines()
        self.read_files = {file.key for file in files}

    def _parsed(self, file: SourceFile, count: Lines, only: re.Pattern[bytes] | None = None) -> Iterator[Parsed]:
        with self._opened(file) as handle:
            if file.suffix in DELIMITED:
                yield from csv_rows(handle, self._limits, self._dialect(file), count, shown(file.key))
                return
            yield from json_rows(self._lines_of(file, handle), self._limits, count, only)

    def _lines_of(self, file: SourceFile, handle: BinaryIO) -> Iterator[bytes | None]:
        """Yield the lines of a file, or the elements of one that is an array; None for one that is too long."""
        most = self._limits.max_row_bytes
        return array_elements(handle, most, shown(file.key)) if file.suffix == ".json" else capped_lines(handle, most)

    @contextlib.contextmanager
    def _opened(self, file: SourceFile) -> Iterator[BinaryIO]:
        """Open a file as UTF-8, whatever its encoding is, the same in every pass."""
        with self._source.open(file) as handle:
            if file.key not in self.encodings:
                encoding = self._encoding or encoding_of(handle, self._limits, shown(file.key))
                self.encodings[file.key] = encoding
                handle.seek(0)
            yield as_utf8(handle, self.encodings[file.key])

    def _dialect(self, file: SourceFile) -> Dialect:
        """Return how a CSV or TSV file is read, the same in every pass."""
        if file.key not in self._dialects:
            with self._opened(file) as handle:
                self._dialects[file.key] = dialect_of(handle, self._limits, file.suffix)
        return self._dialects[file.key]

    def _header(self) -> list[str]:
        """Return the columns that the header of each CSV or TSV file names; of JSON lines none."""
        first, names = self._files[0], list[str]()
        for file in self._files:
            if file.suffix in DELIMITED:
                with self._opened(file) as handle:
                    header = csv_header(handle, self._limits, self._dialect(file))
                if names and header != names:
                    raise bad("schema_mismatch", f"{shown(first.key)} and {shown(file.key)} have different headers")
                names = header
        return names

    @property
    def has_header(self) -> bool:
        """Whether the first line names the columns."""
        return self._files[0].suffix in DELIMITED

    @property
    def _closed(self) -> bool:
        """Whether no row has a column that its first ones lack."""
        return self.has_header

    def _may_hold_commas(self, file: SourceFile) -> bool:
        """Return whether a number with a decimal comma may stand in a field of a file, by a look at its lines."""
        if self._decimal == ".":
            return False
        delimiter = self._dialect(file).delimiter if file.suffix in DELIMITED else ","
        with self._opened(file) as handle:
            return may_hold(self._lines_of(file, handle), delimiter)

    def _sample(self, file: SourceFile) -> list[dict[str, Any]]:
        """Return the first rows of a file, as many as memory may hold; of a row with a fault only the names."""
        rows: list[dict[str, Any]] = []
        sample_bytes = 0
        for parsed in self._parsed(file, Lines()):
            rows.append(parsed.sound or dict.fromkeys(parsed.values or ()))
            sample_bytes += parsed.size_bytes
            if len(rows) == SAMPLED_ROWS or sample_bytes >= BATCH_BYTES:
                break
        return rows

    def cells_of(self, name: str, most: int) -> list[str]:
        """Return what a column holds, as texts without outer blanks, up to so many rows; empty rows are left out."""
        cells = (parsed.sound.get(name) for parsed in self._limited(self._files))
        return [str(cell).strip() for cell in itertools.islice((cell for cell in cells if cell is not None), most)]

    def _late(self, known: Collection[str]) -> dict[str, Any]:
        """Return columns that begin after the sampled rows, with a value, where no column is called like an answer."""
        late: dict[str, Any] = {}
        late_bytes = 0
        if self._files[0].suffix in DELIMITED or {name.lower() for name in known} & {*LABEL_NAMES, *TARGET_NAMES}:
            return late
        for parsed in self._limited(self._files):
            new = {k: v for k, v in parsed.sound.items() if v is not None and k not in {*known, *late}}
            late |= new
            late_bytes += parsed.size_bytes if new else 0
            if late_bytes >= BATCH_BYTES:
                raise bad(
                    "columns_unclear",
                    f"{len(late):,} columns begin after the first rows of {shown(self._files[0].key)}, in rows of "
                    f"{late_bytes:,} bytes: give every column a value, or null, in the first row",
                )
            if len(late) >= self._limits.max_columns:
                break
        return late

    def _limited(self, files: Iterable[SourceFile], only: re.Pattern[bytes] | None = None) -> Iterator[Parsed]:
        """Yield the rows of files, up to the limits of rows and of processor time."""
        clock = Clock(self._limits)
        rows = itertools.chain.from_iterable(self._parsed(file, Lines(), only) for file in files)
        for count, parsed in enumerate(rows, 1):
            self._check_count(count)
            clock.check_drop(count)
            yield parsed

    def _check_count(self, count: int) -> None:
        if count > self._limits.max_rows:
            raise bad("too_many_rows", f"more than max_rows={self._limits.max_rows} rows")
