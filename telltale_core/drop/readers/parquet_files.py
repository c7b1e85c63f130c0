"""The files of a Parquet drop: their shared schema and columns, and how their row groups are read."""

from __future__ import annotations

import dataclasses
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.drop.budget import Clock
from telltale_core.drop.config import DropConfig
from telltale_core.drop.layout import arrow_kind, huggingface_features, of_endings
from telltale_core.drop.readers.base import BATCH_BYTES, Reader
from telltale_core.drop.readers.cells import sizes
from telltale_core.drop.readers.footers import add_splits, check_group, open_file, open_parquet, shared_schema
from telltale_core.drop.readers.hive import partitions_of
from telltale_core.drop.readers.media_paths import MediaPaths
from telltale_core.drop.readers.pages import batch_rows, leaves, materialises, read_chunk
from telltale_core.drop.readers.parquet_media import beginnings
from telltale_core.drop.readers.table_files import SAMPLED_ROWS
from telltale_core.drop.source import Source, SourceFile
from telltale_core.drop.split_names import SplitCells, asks_for_one, is_split_column
from telltale_core.modality.columns import Column


@dataclasses.dataclass(frozen=True, slots=True)
class _Group:
    """How one row group is read: so many rows at a time, these Parquet columns as dictionaries."""

    rows: int
    dictionaries: tuple[int, ...]


class ParquetFiles(Reader):
    """Knows what columns the files share; the pages of a row group are looked at before it is read."""

    def __init__(self, source: Source, files: list[SourceFile], config: DropConfig) -> None:
        self._source, self._files, self._limits = source, files, config.limits
        self._asked, self._paths = asks_for_one(config.split), MediaPaths(source, config)
        self.read_files = {file.key for file in files}
        self._groups: dict[tuple[str, int], _Group] = {}
        self._folders: dict[str, str | None] = {}
        self._schema, self.skipped_metadata = shared_schema(source, files, config.limits)
        self._partitions = partitions_of([file.key for file in files], self._schema.names)
        for name in next(iter(self._partitions.values()), {}):
            self._schema = self._schema.append(pa.field(name, pa.string()))

    def _group(self, handle: BinaryIO, parquet: pq.ParquetFile, group: int, file: SourceFile) -> _Group:
        """Return how a row group is to be read, from the headers of its pages, which are read once."""
        cached = self._groups.get((file.key, group))
        if cached is not None:
            return cached
        meta = parquet.metadata.row_group(group)
        chunks = [
            read_chunk(handle, meta.column(index), parquet.schema.column(index)) for index in range(meta.num_columns)
        ]
        as_dictionaries = [
            i for i, chunk in enumerate(chunks) if chunk.text and chunk.dictionary_bytes and not chunk.delta
        ]
        with open_parquet(handle, parquet.metadata, as_dictionaries) as reader:
            plain = [materialises(field.type) for field in reader.schema_arrow for _ in range(leaves(field.type))]
        decoded = tuple(index for index in as_dictionaries if not plain[index])
        chunks = [
            dataclasses.replace(
                chunk, expands=chunk.text and (chunk.delta or (chunk.dictionary_bytes > 0 and index not in decoded))
            )
            for index, chunk in enumerate(chunks)
        ]
        check_group(sum(chunk.total_bytes() for chunk in chunks), group, file, self._limits.max_row_group_bytes)
        summary = self._groups[file.key, group] = _Group(batch_rows(chunks, meta.num_rows, BATCH_BYTES), decoded)
        return summary

    def columns(self) -> list[Column]:
        """Return the schema's columns with their Hugging Face features."""
        features, naming = huggingface_features(self._schema.metadata), self._naming()
        splits = {field.name: self._split_cells(field) for field in self._schema if is_split_column(field.name)}
        return [
            Column(
                name=field.name,
                kind=arrow_kind(field.type),
                feature=features.get(field.name, (None, None))[0],
                class_names=features.get(field.name, (None, None))[1],
                examples=naming.get(field.name, (None, ()))[1],
                files=naming.get(field.name, (None, ()))[0],
                splits=(cells := splits.get(field.name)) is not None and cells.are_splits(asked=self._asked),
                doubt="" if cells is None else cells.doubt,
            )
            for field in self._schema
        ]

    def _naming(self) -> dict[str, tuple[str | None, tuple[str, ...]]]:
        """Return the columns whose texts name media: the kind of these, if they are there, and the first texts."""
        kinds = {
            name: (self._paths.kind_named_by(texts, self._files[0]), texts)
            for name, texts in self._first_texts(self._files[0]).items()
            if texts
        }
        return {name: one for name, one in kinds.items() if one[0] or of_endings(one[1])}

    def _first_texts(self, file: SourceFile, only: str | None = None) -> dict[str, tuple[str, ...]]:
        """Return the beginnings of the first texts of a file, by column."""
        names = [
            field.name for field in self._schema if arrow_kind(field.type) == "text" and only in {None, field.name}
        ]
        texts: dict[str, list[str | None]] = {name: [] for name in names}
        with open_file(self._source, file) as handle, open_parquet(handle) as parquet:
            if not names or not parquet.metadata.num_row_groups:
                return {}
            plan, size_bytes, rows = self._group(handle, parquet, 0, file), 0, 0
            with open_parquet(handle, parquet.metadata, plan.dictionaries) as reading:
                most = min(plan.rows, SAMPLED_ROWS)
                for batch in reading.iter_batches(most, row_groups=[0], columns=names, use_threads=False):
                    size_bytes += sum(int(sizes(column).sum()) for column in batch.columns)
                    if size_bytes > BATCH_BYTES and rows:
                        break
                    for name, column in zip(batch.schema.names, batch.columns, strict=True):
                        texts[name] += beginnings(column)
                    rows += batch.num_rows
                    if rows >= SAMPLED_ROWS:
                        break
        return {name: tuple(text for text in some if text is not None) for name, some in texts.items()}

    def _folder(self, file: SourceFile) -> str | None:
        """Return the folder below which the cells of a file name their media, the same in every pass."""
        if file.key not in self._folders:
            texts = self._first_texts(file, self.roles.input).get(self.roles.input, ())
            self._folders[file.key] = self._paths.folder(texts, file)
        return self._folders[file.key]

    def _split_cells(self, field: pa.Field) -> SplitCells:
        """Return what the cells of a column say that is called as one of splits: those of folders, too, by rows."""
        kind = "other" if isinstance(field.type, pa.BaseExtensionType) else arrow_kind(field.type)
        cells, clock = SplitCells(field.name), Clock(self._limits)
        for file in self._files if kind in {"text", "whole", "real"} else ():
            with open_file(self._source, file) as handle:
                if field.name in (folders := self._partitions[file.key]):
                    with open_parquet(handle) as parquet:
                        cells.add(folders[field.name], parquet.metadata.num_rows)
                else:
                    add_splits(handle, cells, clock, text=kind == "text")
        return cells
