"""Which column is what: the id, the input and the value of a drop, told from names, types and Hugging Face features."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pyarrow as pa

from telltale_core.drop.config import Declared
from telltale_core.drop.reasons import bad, shown

ID_NAMES = ("sample_id", "id", "image_id", "uid", "uuid")
LABEL_NAMES = ("label", "labels", "class", "class_id", "category", "fine_label")
TARGET_NAMES = ("target", "targets", "value", "score", "y")
INPUT_NAMES = {
    "image": ("image", "images", "img", "picture", "photo", "pixels", "file_name", "filename", "path", "file", "x"),
    "audio": ("audio", "wav", "speech", "recording"),
    "text": ("text", "sentence", "content", "prompt"),
    "table": ("features",),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. ``kind``: media, bytes, text, whole, real, numbers, other; ``feature``: Hugging Face's type."""

    name: str
    kind: str
    feature: str | None = None
    class_names: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The columns that matter. ``value_hint`` is ``"label"`` or ``"target"``: what the value column's name suggests."""

    id: str | None
    input: str
    value: str
    value_hint: str
    value_is_real: bool
    modality: str
    class_names: tuple[str, ...] | None


def arrow_kind(kind: pa.DataType) -> str:
    """Return the kind of an Arrow type, in the words of :class:`Column`."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return "media"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return "bytes"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "whole"
    if pa.types.is_floating(kind):
        return "real"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return "numbers"
    return "other"


def huggingface_features(metadata: dict[bytes, bytes] | None) -> dict[str, tuple[str | None, tuple[str, ...] | None]]:
    """Return ``{column: (feature type, class names)}`` from a schema's metadata, without what is malformed."""
    try:
        found: Any = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        features = found["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    result: dict[str, tuple[str | None, tuple[str, ...] | None]] = {}
    for name, feature in features.items() if isinstance(features, dict) else ():
        if not isinstance(feature, dict):
            continue
        kind, names = feature.get("_type"), feature.get("names")
        texts = tuple(names) if isinstance(names, list) and _are_names(names) else None
        result[name] = (kind if isinstance(kind, str) else None, texts if kind == "ClassLabel" else None)
    return result


def _are_names(names: list[Any]) -> bool:
    return len(names) >= 2 and all(isinstance(n, str) and n for n in names) and len(set(names)) == len(names)


def find_roles(columns: list[Column], declared: Declared) -> Roles:
    """Return the roles of the columns; ``column_missing`` names what was looked for and what there is."""
    input_column = _input(columns, declared)
    value, hint = _value(columns, declared)
    return Roles(
        id=_id(columns, declared),
        input=input_column.name,
        value=value.name,
        value_hint=hint,
        value_is_real=value.kind == "real",
        modality=declared.modality or _modality(input_column),
        class_names=value.class_names,
    )


def _named(columns: list[Column], name: str, role: str) -> Column:
    for column in columns:
        if column.name == name:
            return column
    raise bad("column_missing", f"the {role} column {shown(name)} is not in the drop; it has {_list(columns)}")


def _list(columns: list[Column]) -> str:
    return shown([column.name for column in columns[:20]], 400)


def _first(columns: list[Column], names: tuple[str, ...]) -> Column | None:
    by_name = {column.name.lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _id(columns: list[Column], declared: Declared) -> str | None:
    if declared.id_column is not None:
        return _named(columns, declared.id_column, "id").name if declared.id_column else None
    found = _first([column for column in columns if column.kind in {"text", "whole"}], ID_NAMES)
    return None if found is None else found.name


def _input(columns: list[Column], declared: Declared) -> Column:
    if declared.input_column is not None:
        return _named(columns, declared.input_column, "input")
    for kinds in ({"Image", "Audio"}, {"media"}):
        found = [column for column in columns if column.feature in kinds or column.kind in kinds]
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise bad("column_missing", f"several columns hold media, give input_column: {_list(found)}")
    names = tuple(name for of_modality in INPUT_NAMES.values() for name in of_modality)
    chosen = _first([column for column in columns if column.kind in {"bytes", "text", "numbers"}], names)
    if chosen is None:
        raise bad("column_missing", f"no column looks like an input, give input_column; there is {_list(columns)}")
    return chosen


def _value(columns: list[Column], declared: Declared) -> tuple[Column, str]:
    if declared.label_column is not None:
        return _named(columns, declared.label_column, "label"), "label"
    if declared.target_column is not None:
        return _named(columns, declared.target_column, "target"), "target"
    classes = [column for column in columns if column.feature == "ClassLabel"]
    if len(classes) == 1 and declared.task != "regression":
        return classes[0], "label"
    order = [("label", LABEL_NAMES), ("target", TARGET_NAMES)]
    for hint, names in reversed(order) if declared.task == "regression" else order:
        found = _first(columns, names)
        if found is not None:
            return found, hint
    raise bad(
        "column_missing",
        f"no column looks like a label or target, give label_column or target_column; there is {_list(columns)}",
    )


def _modality(column: Column) -> str:
    for modality, names in INPUT_NAMES.items():
        if column.feature == modality.capitalize() or column.name.lower() in names:
            return modality
    return {"text": "text", "numbers": "table"}.get(column.kind, "image")
