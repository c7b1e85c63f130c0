"""CSV and JSON lines: a row names its media file by a path inside the drop, or holds its values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from telltale_core.drop.config import DropConfig
from telltale_core.drop.layout import Roles
from telltale_core.drop.readers.base import BATCH_BYTES, BATCH_ROWS, INLINE_ROWS, Batch, Row, Values
from telltale_core.drop.readers.decimal_commas import DecimalCommas, Marks, with_point
from telltale_core.drop.readers.lines import Parsed, field_too_long
from telltale_core.drop.readers.media_paths import MediaPaths
from telltale_core.drop.readers.payload_columns import (
    build_payload,
    build_schema,
    check_depth,
    column_kinds,
    common_kind,
    extra_kind,
)
from telltale_core.drop.readers.quoting import Lines
from telltale_core.drop.readers.table_files import TableFiles, examples_of
from telltale_core.drop.source import Source, SourceFile
from telltale_core.drop.split_names import KEYS, SplitCells, asks_for_one, is_split_column, split_columns
from telltale_core.errors import BadInput
from telltale_core.modality.columns import Column
from telltale_core.modality.parts import Media
from telltale_core.modality.reasons import bad

PLAIN = Marks("", unclear=False)


class TableReader(TableFiles):
    """Reads rows in order. A path is looked up in the listing of the drop and never joined to a folder."""

    format = "table"

    def __init__(self, source: Source, files: list[SourceFile], config: DropConfig) -> None:
        super().__init__(source, files, config)
        self._kinds: dict[str, set[str]] = {}  # of the other columns, complete after the first pass
        self._marks: dict[str, Marks] = {}  # of columns with commas in their numbers
        self._asked = asks_for_one(config.split)
        self._paths = MediaPaths(source, config)

    def assign(self, roles: Roles) -> None:
        """See :meth:`Reader.assign`."""
        super().assign(roles)
        self._is_inline = self.modality.inline
        media = frozenset[str | None]() if self._is_inline else frozenset(roles.inputs) - {roles.id}
        self._apart = media if len(roles.values) > 1 else media | {roles.value}

    def columns(self) -> list[Column]:
        """Return the header's columns, or those of the first JSON lines; ``schema_mismatch`` if headers differ."""
        first, names, sampled = self._files[0], self._header(), self._sample(self._files[0])
        examples = examples_of(sampled)
        for file in () if names else self._files[1:]:
            rows = [{name: row[name] for name in row if name not in examples} for row in self._sample(file)]
            if any(rows):
                sampled += filter(None, rows)
                examples = examples_of(sampled)
        for name, value in self._late(examples).items():
            examples[name] = (value,)
            sampled.append({name: value})
        splits = self._surveyed(names or list(examples))
        for name in sorted(splits.keys() - {*names, *examples}):
            if splits[name].are_splits(asked=self._asked) or splits[name].doubt:
                examples[name] = (next(iter(splits[name].named)),)
                sampled.append({name: examples[name][0]})
        for name, marks in self._marks.items():
            if marks.text and name in examples:
                examples[name] = tuple(with_point(value, marks.text) for value in examples[name])
        kinds = dict.fromkeys(names, "text") if names else column_kinds(sampled)
        return [
            Column(
                name=name,
                kind=kind,
                examples=(some := examples.get(name, ())),
                files=self._paths.kind_named_by(some, first) if some else None,
                splits=(cells := splits.get(name)) is not None and cells.are_splits(asked=self._asked),
                doubt="" if cells is None else cells.doubt,
                marks=(marks := self._marks.get(name, PLAIN)).text,
                marks_unclear=marks.unclear,
            )
            for name, kind in kinds.items()
        ]

    def _surveyed(self, names: list[str]) -> dict[str, SplitCells]:
        """Return the columns called like one of splits, having noted those of decimal commas, by a pass if need be."""
        commas = any(map(self._may_hold_commas, self._files))
        needed = commas or not self._closed or any(map(is_split_column, names))
        rows = self._limited(self._files, None if commas else KEYS) if needed else ()
        sound = (parsed.sound for parsed in rows if parsed.fault is None)
        if not commas:
            return split_columns(sound, names)
        semicolon = self._closed and self._dialect(self._files[0]).delimiter == ";"
        counts = DecimalCommas(semicolon=semicolon, decimal=self._decimal)
        splits = split_columns(counts.counted(sound), names)
        self._marks = counts.columns
        return splits

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
                row = Row(source=f"{file.key}#{number}", fault=parsed.fault or self._too_long(parsed))
                row, named = self._row(row, parsed.values, folder)
                rows.append((row, named))
                batch_bytes += parsed.size_bytes + (named.size_bytes if named is not None else 0)
                if len(rows) == most_rows or batch_bytes >= BATCH_BYTES:
                    yield self._complete(rows)
                    rows, batch_bytes = [], 0
            if rows:
                yield self._complete(rows)

    def _too_long(self, parsed: Parsed) -> BadInput | None:
        """Return the fault of a row with a ``data:`` URL beside the media that is longer than a field may be."""
        most = self._limits.max_field_bytes
        if parsed.size_bytes <= most:
            return None
        own = None if self._is_inline else self.roles.input
        long = (name for name, value in (parsed.values or {}).items() if isinstance(value, str) and len(value) > most)
        return next((field_too_long(name, self._limits) for name in long if name != own), None)

    def _row(self, row: Row, values: dict[str, object] | None, folder: str | None) -> tuple[Row, SourceFile | None]:
        """Return the row with what its line says, and the file that holds its media, if it names one."""
        row.cells = values or {}
        if values is None:
            row.splitless = True
            return row, None
        if marks := self.roles.marks:
            values = {name: with_point(v, marks[name]) if name in marks else v for name, v in values.items()}
            row.cells = values
        row.splitless = row.fault is not None and row.fault.code == "row_unreadable"
        if not row.splitless:  # else its cells may stand under wrong names
            self.sort_by_split(row, [values.get(name) for name in self.roles.splits])
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
            name = self.roles.input
            media = self._inline(values) if self._is_inline else self._paths.medium(values.get(name), folder)
        except BadInput as error:
            row.fault = error
            return row, None
        if isinstance(media, SourceFile):
            row.path = media.key
            self.read_files.add(media.key)
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

    def _complete(self, rows: list[tuple[Row, SourceFile | None]]) -> Batch:
        """Return the batch with its files read."""
        self._paths.read((row, file) for row, file in rows if file is not None)
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
