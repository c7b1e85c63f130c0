"""Writes a drop's files as its rows stream by: memory holds one batch, and equal rows give equal bytes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.drop.record import REJECTED
from telltale_core.modality.layout_spec import Packing
from telltale_core.row_sizes import Gathering

GROUP_ROWS = 4096
GROUP_BYTES = 32 << 20
BUFFER_BYTES = 1 << 20


class ParquetStream:
    """A Parquet file written in row groups of up to ``GROUP_ROWS`` rows and ``GROUP_BYTES`` bytes, decoded.

    So whoever reads it group by group holds no more. A value that repeats within a group is stored once.
    """

    def __init__(self, path: Path, schema: pa.Schema | None = None) -> None:
        self._path, self._schema = path, schema
        self._writer: pq.ParquetWriter | None = None
        self._waiting = Gathering(GROUP_BYTES, GROUP_ROWS)

    def add(self, table: pa.Table) -> None:
        """Append rows; the first table decides the schema if none was given."""
        self._schema = self._schema or table.schema
        self._write(self._waiting.add(table))

    def _write(self, groups: Iterable[pa.Table]) -> None:
        if self._schema is None:
            raise ValueError(f"{self._path} was given neither rows nor a schema")
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd", write_page_checksum=True)
        for group in groups:
            self._writer.write_table(group)

    def close(self) -> None:
        """Write what waits and the footer."""
        self._write(self._waiting.rest())
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def abandon(self) -> None:
        """Close the file if it is open still, without caring for its content: the disk may be full."""
        if self._writer is not None:
            with contextlib.suppress(OSError, pa.ArrowException):
                self._writer.close()
            self._writer = None


class NpyStream:
    """An ``.npy`` file of as yet unknown length: rows are appended, the header is completed at the end."""

    def __init__(self, path: Path, packing: Packing, max_rows: int) -> None:
        self._file = path.open("wb", buffering=BUFFER_BYTES)
        self._packing, self._rows = packing, 0
        self._dtype = np.dtype(packing.dtype)
        self._offset = self._write_header(max_rows)

    def _write_header(self, rows: int) -> int:
        descr = np.lib.format.dtype_to_descr(np.dtype(self._packing.dtype))
        header = {"descr": descr, "fortran_order": False, "shape": (rows, *self._packing.shape)}
        np.lib.format.write_array_header_1_0(self._file, header)
        return self._file.tell()

    def add(self, sample: np.ndarray) -> None:
        """Append one sample of the packing's shape and dtype."""
        if sample.shape != self._packing.shape or sample.dtype != self._dtype:
            raise ValueError(f"a sample must be {self._packing.shape} {self._packing.dtype}, got {sample.shape}")
        self._file.write(np.ascontiguousarray(sample).data)
        self._rows += 1

    def close(self) -> None:
        """Complete the header with the number of rows written."""
        end = self._file.tell()
        self._file.seek(0)
        if self._write_header(self._rows) != self._offset:
            raise ValueError("the .npy header changed its length")
        row_bytes = math.prod(self._packing.shape) * np.dtype(self._packing.dtype).itemsize
        if end - self._offset != self._rows * row_bytes:
            raise ValueError("the .npy file does not hold its rows")
        self._file.close()

    def abandon(self) -> None:
        """Close the file if it is open still, without caring for its content: the disk may be full."""
        with contextlib.suppress(OSError):
            self._file.close()


class DropWriter:
    """The four data files of a drop, open for appending."""

    def __init__(self, folder: Path, packing: Packing, max_rows: int, samples: pa.Schema) -> None:
        self.samples = ParquetStream(folder / "samples.parquet", samples)
        self.rejected = ParquetStream(folder / "rejected.parquet", REJECTED)
        self.payload = ParquetStream(folder / "payload.parquet")
        self.inputs = NpyStream(folder / "inputs.npy", packing, max_rows)

    def __enter__(self) -> DropWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        streams = (self.samples, self.rejected, self.payload, self.inputs)
        try:
            if kind is None:
                for stream in streams:
                    stream.close()
        finally:
            for stream in streams:
                stream.abandon()


def table_of(schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return records as a table of the schema."""
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)
