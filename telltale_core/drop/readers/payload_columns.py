"""Payload columns for formats that have none of their own: the Hugging Face layout with embedded media."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping

import pyarrow as pa

from telltale_core.drop.readers.base import Row, Values
from telltale_core.modality.reasons import bad, shown

MEDIA_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
EXTRA_TYPES = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "text": pa.string()}
KINDS = {"int": "whole", "large int": "whole", "float": "real"}
EXACT = 1 << 53
"""Up to this every whole number is a float, too."""
MAX_DEPTH = 32
FEATURE_DTYPES = {"int": "int64", "float": "float64", "bool": "bool", "text": "string"}


def build_schema(
    media: tuple[str, str | None] | None, value_column: str | None, extras: dict[str, str], values: Values
) -> pa.Schema:
    """Return the schema: extra columns, media, then the value with its class names as Hugging Face metadata.

    ``media`` are the media column's name and Hugging Face type; None where the input stands among the extra columns,
    as several value columns do (``value_column`` None).
    """
    label: object = {"dtype": "float64" if values.task == "regression" else "int64", "_type": "Value"}
    if values.task != "regression" and values.label_names is not None:
        label = {"names": list(values.label_names), "_type": "ClassLabel"}
    if any(isinstance(answer, tuple) for answer in values.numbers):
        label = [label]
    features: dict[str, object] = {
        name: {"dtype": FEATURE_DTYPES[kind], "_type": "Value"} for name, kind in extras.items()
    }
    if media is not None:
        features[media[0]] = {"_type": media[1]} if media[1] else {"dtype": "binary", "_type": "Value"}
    if value_column is not None:
        features[value_column] = label
    fields = [pa.field(name, EXTRA_TYPES[kind]) for name, kind in extras.items()]
    fields += [] if media is None else [pa.field(media[0], MEDIA_TYPE)]
    fields += [] if value_column is None else [pa.field(value_column, _value_type(values))]
    return pa.schema(fields, {b"huggingface": json.dumps({"info": {"features": features}}).encode()})


def _value_type(values: Values) -> pa.DataType:
    kind = pa.float64() if values.task == "regression" else pa.int64()
    return pa.list_(kind) if any(isinstance(answer, tuple) for answer in values.numbers) else kind


def build_payload(rows: list[Row], schema: pa.Schema, extras: dict[str, str], values: Values) -> pa.Table:
    """Return the payload of kept rows; where there is a media column, every row's media must be bytes by now."""
    columns: list[pa.Array] = []
    for name, kind in extras.items():
        cells = [(row.extra or {}).get(name) for row in rows]
        if kind == "text":
            cells = [cell if cell is None or isinstance(cell, str) else json.dumps(cell) for cell in cells]
        columns.append(pa.array(cells, EXTRA_TYPES[kind]))
    for field in list(schema)[len(extras) :]:
        if field.type == MEDIA_TYPE:
            columns.append(pa.array([{"bytes": row.media, "path": row.path} for row in rows], MEDIA_TYPE))
        else:
            columns.append(pa.array(list(values.numbers), field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def column_kinds(rows: Iterable[Mapping[str, object]]) -> dict[str, str]:
    """Return the columns of JSON rows with their kinds, in the words of :class:`Column`; null says nothing of one."""
    kinds: dict[str, str] = {}
    for name, value in itertools.chain.from_iterable(row.items() for row in rows):
        kind = "numbers" if isinstance(value, list) else KINDS.get(extra_kind(value) or "", "text")
        if value is None:
            kinds.setdefault(name, kind)
        else:
            kinds[name] = "real" if {kind, kinds.get(name)} == {"real", "whole"} else kind
    return kinds


def common_kind(kinds: set[str]) -> str:
    """Return the one kind that holds all values to the last digit: beside fractions only whole numbers up to 2**53."""
    if len(kinds) == 1:
        return "int" if kinds == {"large int"} else next(iter(kinds))
    return {frozenset({"int", "float"}): "float", frozenset({"int", "large int"}): "int"}.get(frozenset(kinds), "text")


def check_depth(value: object, name: str, depth: int = 0) -> None:
    """Raise ``row_unreadable`` for lists in lists in lists, deeper than what writes them as text could follow."""
    if depth > MAX_DEPTH:
        raise bad("row_unreadable", f"the column {shown(name)} holds lists within lists, over {MAX_DEPTH} deep")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, list | dict):
            check_depth(inner, name, depth + 1)


def extra_kind(value: object) -> str | None:
    """Return the payload kind of a JSON value: int, float, bool, or text for everything else; None for null.

    A whole number that no float holds to its last digit is a ``large int``; one beyond 64 bit is text.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "text" if value.bit_length() > 63 else "large int" if abs(value) > EXACT else "int"
    return "float" if isinstance(value, float) else "text"


def respelt(table: pa.Table, place: int, published: Callable[[object], object]) -> pa.Table:
    """Return the table with the labels of a column, single ones or lists of them, as they are to be published."""
    field, labels = table.schema.field(place), table.column(place).to_pylist()
    spellings = [
        [published(label) for label in value] if isinstance(value, list) else published(value) for value in labels
    ]
    return table if spellings == labels else table.set_column(place, field, pa.array(spellings, field.type))
