"""CSV and JSON lines: a row names its media file by a path inside the drop, or holds its values."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from telltale_core.drop.budget import Clock
from telltale_core.drop.config import DropConfig
from telltale_core.drop.layout import LABEL_NAMES, TARGET_NAMES, Roles
from telltale_core.drop.readers.base import BATCH_BYTES, BATCH_ROWS, INLINE_ROWS, Batch, Reader, Row, Values
from telltale_core.drop.readers.cells import written_numbers
from telltale_core.drop.readers.dialects import (
    Dialect,
    as_utf8,
    capped_lines,
    csv_header,
    encoding_of,
    point_for_comma,
    with_comma,
)
from telltale_core.drop.readers.json_arrays import array_elements
from telltale_core.drop.readers.lines import Parsed, csv_rows, dialect_of, json_rows
from telltale_core.drop.readers.media_paths import MediaPaths, embedded
from telltale_core.drop.readers.payload_columns import (
    build_payload,
    build_schema,
    check_depth,
    column_kinds,
    common_kind,
    extra_kind,
)
from telltale_core.drop.readers.quoting import Lines
from telltale_core.drop.source import Source, SourceFile
from telltale_core.drop.split_names import KEYS, split_columns
from telltale_core.errors import BadInput
from telltale_core.modality.columns import Column
from telltale_core.modality.parts import Media
from telltale_core.modality.reasons import bad, shown

DELIMITED = {".csv", ".tsv"}
SAMPLED_ROWS = 100  # roles are told from the first rows: JSON lines have no header, CSV has no types


class TableReader(Reader):
    """Reads rows in order. A path is looked up in the listing of the drop and never joined to a folder."""

    format = "table"

    def __init__(self, source: Source, files: list[SourceFile], config: DropConfig) -> None:
        self._source, self._files, self._limits = source, files, config.limits
        self._kinds: dict[str, set[str]] = {}  # of the other columns, complete after the first pass
        self._dialects: dict[str, Dialect] = {}
        self._with_comma: frozenset[str] = frozenset()  # columns of numbers whose fractions begin with a comma
        self._paths = MediaPaths(source, config.media_root)
        self._encoding: str | None = config.encoding
        self.encodings: dict[str, str] = {}
        self.lines: Lines | None = Lines()
        self.read_files = {file.key for file in files}

    def _parsed(self, file: SourceFile, count: Lines, only: re.Pattern[bytes] | None = None) -> Iterator[Parsed]:
        with self._opened(file) as handle:
            if file.suffix in DELIMITED:
                yield from csv_rows(handle, self._limits, self._dialect(file), count, shown(file.key))
                return
            most = self._limits.max_row_bytes
            whole = file.suffix == ".json"
            lines = array_elements(handle, most, shown(file.key)) if whole else capped_lines(handle, most)
            yield from json_rows(lines, self._limits, count, only)

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

    def assign(self, roles: Roles) -> None:
        """See :meth:`Reader.assign`."""
        super().assign(roles)
        self._is_inline = self.modality.inline
        media = frozenset[str | None]() if self._is_inline else frozenset(roles.inputs) - {roles.id}
        self._apart = media if len(roles.values) > 1 else media | {roles.value}

    def columns(self) -> list[Column]:
        """Return the header's columns, or those of the first JSON lines; ``schema_mismatch`` if headers differ."""
        first, names = self._files[0], list[str]()
        for file in self._files:
            if file.suffix in DELIMITED:
                with self._opened(file) as handle:
                    header = csv_header(handle, self._limits, self._dialect(file))
                if names and header != names:
                    raise bad("schema_mismatch", f"{shown(first.key)} and {shown(file.key)} have different headers")
                names = header
        sampled = self._sample(first)
        examples = {
            name: tuple(row[name] for row in sampled if row.get(name) is not None) for row in sampled for name in row
        }
        for name, value in self._late(first, examples).items():
            examples[name] = (value,)
            sampled.append({name: value})
        rows = (parsed.sound for parsed in self._limited(self._files, KEYS) if parsed.fault is None)
        splits = split_columns(rows, names or examples, complete=bool(names))
        for name in sorted(splits.keys() - {*names, *examples}):
            if splits[name].are_splits:
                examples[name] = tuple(splits[name].named)
                sampled.append({name: examples[name][0]})
        self._with_comma = frozenset(
            name for name in names if self._dialect(first).delimiter == ";" and with_comma(examples.get(name, ()))
        )
        kinds = dict.fromkeys(names, "text") if names else column_kinds(sampled)
        return [
            Column(
                name=name,
                kind=kind,
                examples=(some := examples.get(name, ())),
                files=self._paths.kind_named_by(some, first) if some else None,
                splits=name in splits and splits[name].are_splits,
            )
            for name, kind in kinds.items()
        ]

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

    def _late(self, file: SourceFile, known: Collection[str]) -> dict[str, Any]:
        """Return columns that begin after the sampled rows, with a value, where no column is called like an answer."""
        late: dict[str, Any] = {}
        late_bytes = 0
        if file.suffix in DELIMITED or {name.lower() for name in known} & {*LABEL_NAMES, *TARGET_NAMES}:
            return late
        for parsed in self._limited([file]):
            new = {k: v for k, v in parsed.sound.items() if v is not None and k not in {*known, *late}}
            late |= new
            late_bytes += parsed.size_bytes if new else 0
            if late_bytes >= BATCH_BYTES:
                raise bad(
                    "columns_unclear",
                    f"{len(late):,} columns of {shown(file.key)} begin after its first rows, in rows of {late_bytes:,} "
                    "bytes: give every column a value, or null, in the first row",
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

    def batches(self) -> Iterator[Batch]:
        """Yield rows in the order of files and lines; row numbers count records after the header."""
        count, lines = 0, Lines()
        self.lines = lines
        most_rows = INLINE_ROWS if self._is_inline else BATCH_ROWS
        for file in self._files:
            first = [] if self._is_inline else [row.get(self.roles.input) for row in self._sample(file)]
            folder = self._paths.folder(first, file)
            rows: list[tuple[Row, SourceFile | None]] = []
            batch_bytes = 0
            for number, parsed in enumerate(self._parsed(file, lines)):
                count += 1
                self._check_count(count)
                row, named = self._row(Row(source=f"{file.key}#{number}", fault=parsed.fault), parsed.values, folder)
                rows.append((row, named))
                batch_bytes += parsed.size_bytes + (named.size_bytes if named is not None else 0)
                if len(rows) == most_rows or batch_bytes >= BATCH_BYTES:
                    yield self._complete(rows)
                    rows, batch_bytes = [], 0
            if rows:
                yield self._complete(rows)

    def _row(self, row: Row, values: dict[str, object] | None, folder: str | None) -> tuple[Row, SourceFile | None]:
        """Return the row with what its line says, and the file that holds its media, if it names one."""
        row.cells = values or {}
        if values is None:
            row.splitless = True
            return row, None
        if self._with_comma:
            values = {name: point_for_comma(v) if name in self._with_comma else v for name, v in values.items()}
            row.cells = values
        row.splitless = row.fault is not None and row.fault.code == "row_unreadable"
        if not row.splitless:  # else its cells may stand under wrong names
            self.sort_by_split(row, values.get(self.roles.split or ""))
        if row.aside is not None:
            return row, None
        row.id = values.get(self.roles.id) if self.roles.id is not None else None
        several = len(self.roles.values) > 1
        row.value = [values.get(name) for name in self.roles.values] if several else values.get(self.roles.value)
        row.extra = {name: value for name, value in values.items() if name not in self._apart}
        if row.fault is not None:
            return row, None
        try:
            self._note_kinds(row.extra)
            media = self._inline(values) if self._is_inline else self._media(values.get(self.roles.input), folder)
        except BadInput as error:
            row.fault = error
            return row, None
        if isinstance(media, SourceFile):
            row.path = media.key
            return row, media
        row.media = media
        return row, None

    def _note_kinds(self, extra: dict[str, object]) -> None:
        for name, value in extra.items():
            if name not in self._kinds and len(self._kinds) >= self._limits.max_columns:
                raise bad("row_unreadable", "the rows have too many different columns")
            if isinstance(value, str) and "text" in self._kinds.get(name, ()):
                continue
            kind = extra_kind(value)
            if kind == "text" and not isinstance(value, str):
                check_depth(value, name)
            self._kinds.setdefault(name, set()).update({kind} if kind else set())

    def _inline(self, values: dict[str, Any]) -> Media | None:
        if len(self.roles.inputs) > 1:
            return {name: values.get(name) for name in self.roles.inputs}
        media: Media | None = values.get(self.roles.input)
        return media

    def _media(self, value: object, folder: str | None) -> np.ndarray | list[object] | bytes | SourceFile:
        if isinstance(value, list):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip():
            raise bad("media_missing", "the row names no file and holds no values")
        if (values := written_numbers(value)) is not None:
            return values
        if (data := embedded(value.strip())) is not None:
            return data
        file = self._paths.find(value.strip(), folder)
        self.read_files.add(file.key)
        return file

    def _complete(self, rows: list[tuple[Row, SourceFile | None]]) -> Batch:
        """Return the batch with its files read."""
        limit = self._limits.max_media_bytes
        self._source.prefetch(file for _, file in rows if file is not None and file.size_bytes <= limit)
        for row, file in rows:
            if file is None:
                continue
            try:
                row.media = self._source.read(file, limit) or None
                if row.media is None:
                    raise bad("media_missing", f"{shown(file.key)} is empty")
            except BadInput as error:
                row.fault = error
        return Batch(rows=[row for row, _ in rows])

    def _media_name(self) -> str:
        name = self.roles.modality
        taken = {*self._kinds, *self.roles.values}
        return next(one for one in (name, self.roles.input, f"{name}_file", f"{name}_of_row") if one not in taken)

    def payload_columns(self) -> dict[str, Any]:
        """Return the made columns: media are called as their modality unless that name is taken."""
        input_name = self.roles.named if self.modality.inline else self._media_name()
        return {"id": self.roles.id, "input": input_name, "value": self.roles.values_named}

    def payload(self, batch: Batch, positions: list[int], values: Values) -> pa.Table:
        """Return the other columns, the media as a file's bytes, and the validated value."""
        extras = {name: common_kind(kinds) for name, kinds in self._kinds.items()}
        media = None if self.modality.inline else (self._media_name(), self.modality.feature)
        value = self.roles.value if len(self.roles.values) == 1 else None
        schema = build_schema(media, value, extras, values)
        return build_payload([batch.rows[index] for index in positions], schema, extras, values)
