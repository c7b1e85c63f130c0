"""Cells of columns: what one decodes to in bytes, before it is decoded; plain types; values for Python."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from telltale_core.drop.layout import arrow_kind
from telltale_core.modality.reasons import bad

MAX_PYTHON_VALUES = 1_000_000
"""Values of one cell that are made Python objects; more are read as an array, or not at all."""
NUMBERS = re.compile(r"\s*\[?\s*[0-9][0-9eE+.-]*[\s,]+[0-9eE+.,\s-]*\]?\s*")
_WITHOUT_VIEW = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}


class Unreadable(ValueError):
    """A cell that has no Python value, such as a date beyond the calendar."""


def plain_type(kind: pa.DataType, *, top: bool = True) -> pa.DataType:
    """Return the type that a column is read and kept as: views and lists of views become what they show.

    Dictionaries stay where they are a whole column, with indices wide enough; inside other types their values stay.
    """
    if isinstance(kind, pa.BaseExtensionType):
        storage = plain_type(kind.storage_type, top=False)
        return kind if storage == kind.storage_type and (top or not _is_text(storage)) else storage
    if pa.types.is_dictionary(kind):
        values = plain_type(kind.value_type, top=False)
        return pa.dictionary(pa.int32(), values, ordered=kind.ordered) if top else values
    if pa.types.is_struct(kind):
        return pa.struct([plain_field(field) for field in kind])
    if pa.types.is_map(kind) and not _has_view(kind):
        return pa.map_(plain_field(kind.key_field), plain_field(kind.item_field), keys_sorted=kind.keys_sorted)
    if pa.types.is_fixed_size_list(kind) and not _has_view(kind):
        return pa.list_(plain_field(kind.value_field), kind.list_size)
    if pa.types.is_large_list(kind) or pa.types.is_large_list_view(kind):
        return pa.large_list(plain_field(kind.value_field))
    if pa.types.is_nested(kind):
        return pa.list_(plain_field(kind.field(0)))
    return _WITHOUT_VIEW.get(kind, kind)


def plain_field(field: pa.Field, *, top: bool = False) -> pa.Field:
    """Return a field with its plain type."""
    return field.with_type(plain_type(field.type, top=top))


def _has_view(kind: pa.DataType) -> bool:
    """Return whether a list inside is a view of one: Arrow casts neither these nor what holds them."""
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return True
    return pa.types.is_nested(kind) and any(_has_view(kind.field(place).type) for place in range(kind.num_fields))


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_large_string(kind)
    )


def as_type(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the column as its plain type; here its dictionaries are unpacked."""
    if column.type == kind:
        return column
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, as_type(column, kind.storage_type))
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if not _has_view(column.type):
        return column.cast(kind)
    if pa.types.is_struct(kind):
        parts = [as_type(column.field(place), field.type) for place, field in enumerate(kind)]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=column.is_null())
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate(([0], lengths.cumsum()))
    array, width = (pa.LargeListArray, pa.int64()) if pa.types.is_large_list(kind) else (pa.ListArray, pa.int32())
    values = as_type(column.flatten(), kind.value_type)
    return array.from_arrays(pa.array(offsets, width), values, type=kind, mask=column.is_null())


def sizes(column: pa.Array) -> np.ndarray:
    """Return how many bytes each cell decodes to, int64: through lists, structs, maps and dictionaries."""
    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        return sizes(column.storage)
    if pa.types.is_dictionary(kind):
        check_places(column)
        places = pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False).astype(np.int64)
        value_sizes = sizes(column.dictionary)
        return np.asarray(value_sizes[places]) if len(value_sizes) else np.zeros(len(column), dtype=np.int64)
    if pa.types.is_struct(kind):
        parts = [sizes(column.field(place)) for place in range(kind.num_fields)]
        return np.asarray(np.sum(parts, axis=0, dtype=np.int64)) if parts else np.ones(len(column), dtype=np.int64)
    width = _width(kind)
    if width is not None:
        return np.full(len(column), width, dtype=np.int64)
    if pa.types.is_fixed_size_list(kind):
        first, count = column.offset * kind.list_size, len(column) * kind.list_size
        inner = sizes(column.values.slice(first, count))
        return np.asarray(inner.reshape(len(column), kind.list_size).sum(axis=1, dtype=np.int64))
    if pa.types.is_nested(kind):
        return _list_sizes(column)
    if _is_text(kind):
        return np.asarray(pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    if kind in _WITHOUT_VIEW:  # a view begins with its length; many may show one text
        views = np.frombuffer(column.buffers()[1] or b"", dtype=np.int32).reshape(-1, 4)
        lengths = views[column.offset : column.offset + len(column), 0].astype(np.int64)
        return np.where(column.is_valid().to_numpy(zero_copy_only=False), lengths, 0)
    raise Unreadable(f"a {kind}, whose size cannot be told")


def check_places(column: pa.DictionaryArray) -> None:
    """Raise ``ValueError`` where a cell names no value of its dictionary: Parquet's pages are read without a look."""
    least, most = (number.as_py() for number in pc.min_max(column.indices).values())
    if least is not None and not 0 <= least <= most < len(column.dictionary):
        raise ValueError(f"a cell names value {least if least < 0 else most} of {len(column.dictionary)}")


def _width(kind: pa.DataType) -> int | None:
    """Return the bytes of every cell of a type, None where cells differ."""
    if isinstance(kind, pa.BaseExtensionType):
        return _width(kind.storage_type)
    if pa.types.is_fixed_size_list(kind):
        inner = _width(kind.value_type)
        return None if inner is None else inner * kind.list_size
    if pa.types.is_null(kind) or pa.types.is_primitive(kind) or pa.types.is_decimal(kind):
        return 1 if pa.types.is_null(kind) else max(1, kind.bit_width // 8)
    return kind.byte_width if pa.types.is_fixed_size_binary(kind) else None


def _list_sizes(column: pa.Array) -> np.ndarray:
    begins = column.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    if pa.types.is_list_view(column.type) or pa.types.is_large_list_view(column.type):
        ends = begins + column.sizes.to_numpy(zero_copy_only=False)
    else:
        begins, ends = begins[:-1], begins[1:]
    width = _width(column.values.type)
    if width is not None:
        return np.asarray((ends - begins) * width)
    before = np.concatenate(([0], sizes(column.values).cumsum()))
    return np.asarray(before[ends] - before[begins])


def without(column: pa.Array, rows: np.ndarray) -> pa.Array:
    """Return the column with null at the given rows."""
    places = np.arange(len(column))
    return column.take(pa.array(places, mask=np.isin(places, rows)))


def value_of(scalar: pa.Scalar) -> Any:
    """Return a cell as Python objects, a list of numbers as an array; :class:`Unreadable` if it has no such value."""
    if not scalar.is_valid:
        return None
    array = _numbers(scalar)
    if array is not None:
        return array
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, TypeError, pa.ArrowException):
        pass
    try:  # nanoseconds: Python's own dates know microseconds
        kind = scalar.type
        if pa.types.is_timestamp(kind):
            return scalar.cast(pa.timestamp("us", kind.tz), safe=False).as_py()
        if pa.types.is_duration(kind):
            return scalar.cast(pa.duration("us"), safe=False).as_py()
        if pa.types.is_time(kind):
            return scalar.cast(pa.time64("us"), safe=False).as_py()
    except (ValueError, OverflowError, TypeError, pa.ArrowException) as error:
        raise Unreadable(f"a {kind} that no calendar holds") from error
    raise Unreadable(f"a {scalar.type} that cannot be read as a value")


def _numbers(scalar: pa.Scalar) -> np.ndarray | None:
    """Return lists of numbers, all of one length, as an array; None for anything else that is small enough."""
    if not isinstance(scalar, pa.ListScalar | pa.LargeListScalar | pa.FixedSizeListScalar) or isinstance(
        scalar, pa.MapScalar
    ):
        return None
    values, shape = scalar.values, [len(scalar.values)]
    while not values.null_count and pa.types.is_nested(values.type) and not pa.types.is_struct(values.type):
        if pa.types.is_map(values.type) or not len(values):
            break
        lengths = pc.list_value_length(values)
        if pc.min(lengths).as_py() != pc.max(lengths).as_py():
            break
        shape.append(lengths[0].as_py())
        values = values.flatten()
    numeric = pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)
    if numeric and not values.null_count and math.prod(shape) == len(values):
        return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(shape)
    if _count(scalar.values) > MAX_PYTHON_VALUES:
        raise Unreadable("a list of so many values must be of numbers, without nulls, in rows of one length")
    return None


def _count(values: pa.Array) -> int:
    total = len(values)
    while pa.types.is_nested(values.type) and not pa.types.is_struct(values.type) and not pa.types.is_map(values.type):
        values = values.flatten()
        total += len(values)
    return total


def cell_of(scalar: pa.Scalar, size: int = 0, most: int = 0) -> object:
    """Return a value as Python has it; of text or bytes of more than ``most`` bytes the beginning, else its size."""
    if isinstance(scalar, pa.DictionaryScalar):
        scalar = scalar.value
    if size > most:
        if scalar.is_valid and arrow_kind(scalar.type) in {"bytes", "text"}:
            begin = scalar.as_buffer().slice(0, most).to_pybytes()
            return {"telltale_cut": size, "begin": begin.decode(errors="replace")}
        return {"telltale_cut": size}
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, pa.ArrowException) as error:  # not UTF-8, a date beyond all calendars
        return {"telltale_unreadable": type(error).__name__}


def written_numbers(text: str) -> np.ndarray | None:
    """Return a text of several numbers as an array, None for any other; ``values_invalid`` where one is none."""
    if not NUMBERS.fullmatch(text):
        return None
    try:
        values = np.array([float(part) for part in text.replace(",", " ").strip(" []\t\r\n").split()])
    except ValueError as error:
        raise bad("values_invalid", "the values are not numbers") from error
    whole = np.isfinite(values).all() and (np.abs(values) < 1e9).all() and (values == np.rint(values)).all()
    return values.astype(np.int64) if whole else values
