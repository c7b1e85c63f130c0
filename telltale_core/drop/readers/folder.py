"""Folder of media or of text files: one subfolder a class, named as the class; every file below it is a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from telltale_core.drop.config import DropConfig
from telltale_core.drop.layout import of_endings
from telltale_core.drop.readers.base import BATCH_BYTES, BATCH_ROWS, Batch, Reader, Row, Values
from telltale_core.drop.readers.other_tasks import refuse_other_tasks
from telltale_core.drop.readers.payload_columns import build_payload, build_schema
from telltale_core.drop.source import Source, SourceFile
from telltale_core.drop.split_names import REASON, split_depth
from telltale_core.errors import BadInput
from telltale_core.modality import modalities, modality_named
from telltale_core.modality.columns import Column
from telltale_core.modality.reasons import bad, shown

TEXT = ".txt"
BESIDE = 0.1
"""Share of the files that may lie beside the folders of the classes: they are rejected rows."""
HIVE = "label="
"""Begin of a folder's name where it states the label as Hive does."""


class FolderReader(Reader):
    """Reads files in the order of their names; files beside the class folders are rejected rows."""

    format = "folder"

    def __init__(self, source: Source, files: list[SourceFile], config: DropConfig) -> None:
        self._source, self._files, self._limits, self._modality = source, files, config.limits, config.modality
        self._encoding = config.encoding or "utf-8-sig"
        self.read_files = {file.key for file in files}
        refuse_other_tasks(source, _of_other_splits(source))
        suffixes = frozenset[str]().union(*(kind.suffixes for kind in modalities()))
        media = [file for file in files if file.suffix in suffixes]  # a document beside them says nothing of classes
        samples = media if 2 * len(media) > len(files) else files
        self._depth = _class_depth([file.key.split("/")[:-1] for file in samples])
        if len(files) > self._limits.max_rows:
            raise bad("too_many_rows", f"{len(files)} files, more than max_rows={self._limits.max_rows}")

    def columns(self) -> list[Column]:
        """Return the two columns that a folder amounts to; the class names are the subfolders' names, sorted.

        What the files are is told by their endings: images, unless most are another modality's, or are ``.txt``.
        """
        names = tuple(sorted({name for file in self._files if (name := self._class_of(file.key)) is not None}))
        if len(names) > self._limits.max_classes:
            raise bad("too_many_classes", f"{len(names)} subfolders, more than max_classes={self._limits.max_classes}")
        texts = 2 * sum(file.suffix == TEXT for file in self._files) > len(self._files)
        by_endings = None if texts else of_endings([file.key for file in self._files])
        kind = by_endings or modality_named("text" if texts else "image")
        kind = modality_named(self._modality) if self._modality else kind
        return [
            Column(name=kind.name, kind="text" if kind.inline else "media", feature=kind.feature),
            Column(name="label", kind="text", feature="ClassLabel", class_names=names),
        ]

    def _class_of(self, key: str) -> str | None:
        """Return the folder that names a file's class, None of a file above those."""
        parts = key.split("/")[:-1]
        return parts[self._depth].removeprefix(HIVE) if len(parts) > self._depth else None

    def batches(self) -> Iterator[Batch]:
        """Yield files as rows, so many at a time as memory may hold."""
        self._source.prefetch(file for file in self._files if file.size_bytes <= self._limits.max_media_bytes)
        rows: list[Row] = []
        batch_bytes = 0
        for file in self._files:
            rows.append(self._row(file))
            batch_bytes += file.size_bytes if rows[-1].media is not None else 0
            if len(rows) == BATCH_ROWS or batch_bytes >= BATCH_BYTES:
                yield Batch(rows=rows)
                rows, batch_bytes = [], 0
        if rows:
            yield Batch(rows=rows)

    def _row(self, file: SourceFile) -> Row:
        row = Row(source=file.key, path=file.key, value=self._class_of(file.key))
        try:
            if row.value is None:
                raise bad("label_missing", f"{shown(file.key)} lies beside the class folders, not in one")
            row.media = self._source.read(file, self._limits.max_media_bytes) or None
            if row.media is None:
                raise bad("media_missing", f"{shown(file.key)} is empty")
            if self.modality.inline:
                row.media = self._text(file, row.media)
        except BadInput as error:
            row.fault = error
        return row

    def _text(self, file: SourceFile, data: bytes) -> bytes:
        """Return the text of a file as UTF-8, without the mark that it may begin with."""
        if self._modality is None and file.suffix != TEXT:
            raise bad("media_unsupported", f"{shown(file.key)} is no {TEXT} file among texts")
        try:
            return data.decode(self._encoding).encode()
        except UnicodeError as error:
            read_as = self._encoding.removesuffix("-sig")
            raise bad("text_invalid", f"{shown(file.key)} is not {read_as}: set drop.encoding") from error

    def payload_columns(self) -> dict[str, Any]:
        """Return the two columns; a folder has no id column."""
        return {"id": None, "input": self.roles.input, "value": "label"}

    def payload(self, batch: Batch, positions: list[int], values: Values) -> pa.Table:
        """Return media or text and label columns in the Hugging Face layout."""
        rows, name = [batch.rows[index] for index in positions], self.roles.input
        extras = {name: "text"} if self.modality.inline else {}
        for row in rows if extras else ():
            row.extra = {name: row.media.decode() if isinstance(row.media, bytes) else None}
        media = None if extras else (name, self.modality.feature)
        return build_payload(rows, build_schema(media, "label", extras, values), extras, values)


def _of_other_splits(source: Source) -> Iterator[str]:
    """Yield the files of other splits: what looks like one may be the masks of this one."""
    return (key for reason, keys in source.ignored.items() if reason.startswith(REASON) for key in keys)


def _class_depth(folders: list[list[str]]) -> int:
    """Return at which depth the folders of classes are: below one that holds nearly all others, and below splits."""
    deepest = max(map(len, folders), default=0)
    for depth in range(deepest - 1):
        names = {parts[depth] for parts in folders if len(parts) > depth}
        deeper = [parts[depth + 1] for parts in folders if len(parts) > depth + 1]
        beside = len(folders) - len(deeper)  # such as lists of files, in a folder that holds those of the classes
        whole = not beside or (len(names) == 1 and beside < BESIDE * len(folders) and len(set(deeper)) > 1)
        if not whole or (len(names) > 1 and split_depth(folders) != depth):
            return depth
    return max(0, deepest - 1)
