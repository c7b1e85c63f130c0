"""The one way in which a result lies on disk: a folder with data files and, written last, a JSON record of them.

The record says which ``format`` it has and, as ``drop_digest``, of which drop it is. Without it the folder holds
nothing. Every error names the file, what was expected and found, and the stage to run again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from telltale_core.errors import Corrupt, NotFound
from telltale_core.records.files import write_json, write_table
from telltale_core.records.ids import as_column

T = TypeVar("T")
MOST_CHARS = 60
"""Of a value from a file in an error."""
PART = 1 << 20
"""Bytes of a file that are read at a time, where only some rows of it are wanted."""
PART_ROWS = 1 << 13


class Samples(Protocol):
    """What records are aligned to: the content's name and the ids of a drop, in the order of its rows."""

    @property
    def digest(self) -> str:
        """Return the drop's digest."""
        ...

    @property
    def sample_ids(self) -> NDArray[Any]:
        """Return the ids of the kept rows, (N,) of text, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKind(Generic[T]):
    """One kind of record: ``type`` of its values, a dataclass or TypedDict; ``file`` and ``format`` on disk.

    ``name`` is what people call it, ``cure`` what makes one, such as ``run the cluster stage``.
    """

    type: type[T]
    name: str
    file: str
    format: str
    cure: str

    def values(self, record: T) -> dict[str, Any]:
        """Return a record as the JSON values that its file holds; optional fields that are None are left out."""
        adapter = _adapter(self.type)
        if not dataclasses.is_dataclass(self.type):
            return {"format": self.format, **adapter.validate_python(record, strict=True, extra="forbid")}
        optional = {field.name for field in dataclasses.fields(self.type) if field.default is None}
        values = adapter.dump_python(record, mode="json")
        return {"format": self.format} | {k: v for k, v in values.items() if v is not None or k not in optional}

    def write(self, folder: Path, record: T, **tables: pa.Table) -> None:
        """Write the tables, each as ``<name>.parquet``, then the record: who finds it finds the tables whole."""
        values = self.values(record)
        for name, table in tables.items():
            write_table(folder / f"{name}.parquet", table)
        write_json(folder / self.file, values)

    def read(self, folder: Path) -> T:
        """Return the record in ``folder``; :class:`NotFound` without one, :class:`Corrupt` for any but a whole one."""
        path = folder / self.file
        try:
            data = path.read_bytes()
            values = json.loads(data, parse_constant=_refuse_constant)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"no {self.name} in {folder}: {self.file} is missing; {self.cure}") from error
        except (OSError, ValueError) as error:
            self.corrupt(f"{path} is not a JSON record ({type(error).__name__})", error)
        stated = values.get("format") if isinstance(values, dict) else None
        if stated != self.format:
            self.corrupt(f"{path} must have format {self.format!r}, found {str(stated)[:MOST_CHARS]!r}")
        del values["format"]
        try:
            return _adapter(self.type).validate_json(json.dumps(values), strict=True, extra="forbid")  # type: ignore[no-any-return]
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            self.corrupt(f"{path} is no whole {self.name}: {where[:MOST_CHARS]}: {first['msg']}", error)

    def table(self, path: Path, columns: Sequence[str] | pa.Schema) -> pa.Table:
        """Return columns of one of the record's tables; of a schema, cast to it. :class:`Corrupt` if it is damaged."""
        schema = columns if isinstance(columns, pa.Schema) else None
        names = list(schema.names if schema is not None else columns)
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                table = file.read(names).select(names)
            return (table if schema is None else table.cast(schema)).combine_chunks()
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            self.corrupt(f"{path} cannot be read ({type(error).__name__})", error)

    def rows(self, path: Path, column: str, rows: NDArray[np.int64]) -> pa.Array:
        """Return some rows (numbers, ascending) of a column of one of the tables, which is read a part at a time."""
        parts, begin = [], 0
        try:
            with pq.ParquetFile(path, page_checksum_verification=True, buffer_size=PART) as file:
                for batch in file.iter_batches(PART_ROWS, columns=[column], use_threads=False):
                    low, high = np.searchsorted(rows, (begin, begin + batch.num_rows))
                    parts.append(batch.column(0).take(pa.array(rows[low:high] - begin)))
                    begin += batch.num_rows
                return pa.concat_arrays(parts) if parts else pa.array([], file.schema_arrow.field(column).type)
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            self.corrupt(f"{path} cannot be read ({type(error).__name__})", error)

    def filled(self, path: Path, column: str, into_ND: NDArray[Any]) -> NDArray[Any]:
        """Return ``into_ND`` (N, ...) filled with a column of one of the tables, lists of numbers, part by part.

        The table has as many rows.
        """
        begin = 0
        try:
            with pq.ParquetFile(path, page_checksum_verification=True, buffer_size=PART) as file:
                for batch in file.iter_batches(PART_ROWS, columns=[column], use_threads=False):
                    part = into_ND[begin : begin + batch.num_rows]
                    part[:] = batch.column(0).flatten().to_numpy().reshape(part.shape)
                    begin += batch.num_rows
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            self.corrupt(f"{path} cannot be read ({type(error).__name__})", error)
        return into_ND

    def check_drop(self, digest: str, drop: Samples) -> None:
        """Raise :class:`Corrupt` unless a record is of this drop."""
        if digest != drop.digest:
            self.corrupt(f"the {self.name} belongs to drop {digest[:12] or 'unknown'}, not to {drop.digest[:12]}")

    def aligned(self, table: pa.Table, drop: Samples) -> pa.Table:
        """Return the table's rows in the order of the drop; :class:`Corrupt` unless each sample has just one row."""
        order_N = self.order(table["sample_id"], drop)
        return table if order_N is None else table.take(pa.array(order_N)).combine_chunks()

    def order(self, column: pa.ChunkedArray, drop: Samples) -> NDArray[np.int64] | None:
        """Return the rows of ids in the order of the drop, (N,); None where they are in it, as they mostly are."""
        if in_order(column, drop):
            return None
        ids, drop_ids = column.to_pylist(), drop.sample_ids.tolist()
        place = {name: row for row, name in enumerate(ids)}
        missing = [name for name in drop_ids if name not in place]
        if missing or len(place) != len(ids) or len(ids) != len(drop_ids):
            self.corrupt(
                f"the {self.name} has {len(ids)} rows ({len(place)} different samples) and lacks {len(missing)} of the "
                f"drop's {len(drop_ids)} samples"
            )
        return np.asarray([place[name] for name in drop_ids], dtype=np.int64)

    def corrupt(self, what: str, cause: BaseException | None = None) -> NoReturn:
        """Raise :class:`Corrupt` with the cure."""
        raise Corrupt(f"{what}; {self.cure} again") from cause


def in_order(column: pa.ChunkedArray, drop: Samples) -> bool:
    """Return whether ids are those of the drop, in the order of its rows."""
    return bool(column.combine_chunks().equals(as_column(drop.sample_ids)))


def _adapter(values: Any) -> TypeAdapter[Any]:
    """Return what checks and dumps records of a type."""
    return TypeAdapter(values)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
