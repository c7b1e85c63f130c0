"""Which column is what: the id, the input and the value of a drop, told from names, types and Hugging Face features."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from telltale_core.drop.config import Declared
from telltale_core.drop.split_names import TRAIN
from telltale_core.modality import Modality, modalities, modality_named
from telltale_core.modality.columns import Column, endings
from telltale_core.modality.reasons import bad, shown

ID_NAMES = ("sample_id", "id", "image_id", "uid", "uuid")
LABEL_NAMES = ("label", "labels", "class", "class_id", "category", "fine_label")
TARGET_NAMES = ("target", "targets", "value", "score", "y")
OTHER_LABEL_NAMES = (
    "classid", "class_name", "classname", "category_id", "label_id", "label_name", "sentiment", "diagnosis", "dx",
)  # fmt: skip
"""Names of labels that are looked for where no column has one of the names above."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The columns that matter. ``value_hint`` is ``"label"`` or ``"target"``: what the value column's name suggests.

    ``splits``: the columns that say which split a row is of, ``wanted`` the one that is read. ``marks``: how numbers
    with commas are written, of the columns that are read as numbers: what else holds some is as it is written.
    """

    id: str | None
    inputs: tuple[str, ...]
    values: tuple[str, ...]
    value_hint: str
    value_is_real: bool
    modality: str
    class_names: tuple[str, ...] | None
    splits: tuple[str, ...] = ()
    wanted: str = TRAIN
    marks: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def input(self) -> str:
        """The first of the input columns, for most modalities the only one."""
        return self.inputs[0]

    @property
    def value(self) -> str:
        """The first of the value columns, for most tasks the only one."""
        return self.values[0]

    @property
    def values_named(self) -> str | list[str]:
        """The value columns as a record names them: the only one, or a list."""
        return self.values[0] if len(self.values) == 1 else list(self.values)

    @property
    def named(self) -> str | list[str]:
        """The input columns as a record names them: the only one, or a list."""
        return self.inputs[0] if len(self.inputs) == 1 else list(self.inputs)


def arrow_kind(kind: pa.DataType) -> str:
    """Return the kind of an Arrow type, in the words of :class:`Column`."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if kind == pa.uuid():
        return "text"
    if isinstance(kind, pa.BaseExtensionType):
        return arrow_kind(kind.storage_type)
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return "media"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return "bytes"
    if kind in {pa.string_view(), pa.binary_view()}:
        return "text" if kind == pa.string_view() else "bytes"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "whole"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "real"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return "numbers"
    return "other"


def huggingface_features(metadata: dict[bytes, bytes] | None) -> dict[str, tuple[str | None, tuple[str, ...] | None]]:
    """Return ``{column: (feature type, class names)}`` from a schema's metadata, without what is malformed."""
    try:
        info: Any = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        features = info["info"]["features"]
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


def class_names_of(metadata: dict[bytes, bytes] | None) -> dict[str, tuple[str, ...]]:
    """Return the lists of class names anywhere in a schema's Hugging Face features, by their place."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return dict(_names_in(features, ""))
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def _names_in(feature: object, place: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
        names = feature.get("names")
        if isinstance(names, list) and _are_names(names):
            yield place.lstrip("."), tuple(names)
        return
    inner = feature.items() if isinstance(feature, dict) else enumerate(feature) if isinstance(feature, list) else ()
    for key, one in inner:
        yield from _names_in(one, f"{place}.{key}")


def _are_names(names: list[Any]) -> bool:
    return len(names) >= 2 and all(isinstance(n, str) and n for n in names) and len(set(names)) == len(names)


def find_roles(columns: list[Column], declared: Declared) -> Roles:
    """Return the roles of the columns; ``column_missing`` names what was looked for and what there is."""
    named_inputs, id_column = _named_inputs(columns, declared), _id(columns, declared)
    splits = tuple(column.name for column in columns if column.splits)
    several = declared.label_columns or declared.target_columns or ()
    targets = [_named(columns, name, "value") for name in several]
    several_hint = "label" if declared.label_columns else "target"
    value, hint = (targets[0], several_hint) if targets else _value(columns, declared)
    values = [column.name for column in targets] or [value.name]
    others = [column for column in columns if column.name not in {id_column, *splits, *values}]
    paths = [column for column in columns if column.files and (column in others or column.name == id_column)]
    inputs, modality = _inputs(named_inputs, others, paths, declared)
    numbers = set(values) if answers_are_numbers(declared, hint) else set[str]()
    numbers |= {column.name for column in inputs} if modality == "table" else set()
    numbers -= {id_column or ""}
    return Roles(
        id=id_column,
        inputs=tuple(column.name for column in inputs),
        values=tuple(values),
        value_hint=hint,
        value_is_real=value.kind == "real",
        modality=modality,
        class_names=value.class_names,
        splits=tuple(name for name in splits if name not in {id_column, *values, *(one.name for one in inputs)}),
        marks={column.name: column.marks for column in columns if column.marks and column.name in numbers},
    )


def answers_are_numbers(declared: Declared, hint: str) -> bool:
    """Return whether answers in a column with this hint are targets, as far as is known before they are counted."""
    return declared.task == "regression" or (declared.task is None and hint == "target")


def _named(columns: list[Column], name: str, role: str) -> Column:
    for column in columns:
        if column.name == name:
            return column
    raise bad("column_missing", f"the {role} column {shown(name)} is not in the drop; it has {_list(columns)}")


def _list(columns: list[Column]) -> str:
    return shown([column.name for column in columns[:20]], 400)


def _first(columns: list[Column], names: tuple[str, ...]) -> Column | None:
    by_name = {column.name.lower(): column for column in reversed(columns)} | {one.name: one for one in columns}
    return next((by_name[name] for name in names if name in by_name), None)


def _id(columns: list[Column], declared: Declared) -> str | None:
    if declared.id_column is not None:
        return _named(columns, declared.id_column, "id").name if declared.id_column else None
    column_of_ids = _first([column for column in columns if column.kind in {"text", "whole"}], ID_NAMES)
    return None if column_of_ids is None else column_of_ids.name


def _named_inputs(columns: list[Column], declared: Declared) -> list[Column]:
    names = declared.input_columns or (() if declared.input_column is None else (declared.input_column,))
    return [_named(columns, name, "input") for name in names]


def _inputs(
    named_inputs: list[Column], others: list[Column], paths: list[Column], declared: Declared
) -> tuple[list[Column], str]:
    """Return the input columns and the modality: as given, else the only media, else what a modality calls its own.

    ``paths`` name files of the drop: they are the input unless another column is called like one.
    """
    kinds = modalities() if declared.modality is None else (modality_named(declared.modality),)
    features = {kind.feature for kind in kinds if kind.feature}
    media = [column for column in others if column.feature in features or (features and _plain_media(column))]
    if not media and features:
        media = [column for column in others if column.kind == "media"]
    inputs = named_inputs or _most_telling(media, kinds)
    if inputs:
        return inputs, (declared.modality or inputs[0].files or _modality(inputs[0]))
    files = _most_telling([column for column in paths if column.files in {kind.name for kind in kinds}], kinds)
    for kind in kinds:
        inputs = [_named(others, name, "input") for name in kind.inputs(others)]
        told_by_name = len(inputs) == 1 and inputs[0].name.lower() in kind.column_names
        if inputs and (told_by_name or not files or (kind.name == "text" and len(inputs) > 1)):
            by_ending = None if declared.modality else of_endings(inputs[0].examples)
            return inputs, (by_ending or kind).name
    if files:
        return files, str(files[0].files)
    raise bad("column_missing", f"no column looks like an input, give input_column; there is {_list(others)}")


def _plain_media(column: Column) -> bool:
    """Return whether a column holds embedded files of which no metadata says what they are."""
    return column.kind == "media" and column.feature is None


def _most_telling(media: list[Column], kinds: Sequence[Modality]) -> list[Column]:
    """Return the one of several media columns that is read: by its name, else the first; the others are unread."""
    names = [name for kind in kinds for name in kind.column_names]
    rank = {name: place for place, name in reversed(list(enumerate(names)))}
    return sorted(media, key=lambda column: rank.get(column.name.lower(), len(rank)))[:1]


def of_endings(values: Sequence[object]) -> Modality | None:
    """Return the modality whose media files most of these paths name; None if they name none."""
    counts = Counter(kind.name for ending in endings(values) for kind in modalities() if ending in kind.suffixes)
    texts = sum(isinstance(value, str) and bool(value.strip()) for value in values)
    return next((modality_named(name) for name, count in counts.most_common(1) if 2 * count >= texts), None)


def _value(columns: list[Column], declared: Declared) -> tuple[Column, str]:
    if declared.label_column is not None:
        return _named(columns, declared.label_column, "label"), "label"
    if declared.target_column is not None:
        return _named(columns, declared.target_column, "target"), "target"
    classes = [column for column in columns if column.feature == "ClassLabel"]
    labels = _first(columns, LABEL_NAMES[:2]) or _first(classes, LABEL_NAMES) or next(iter(classes), None)
    labels, targets = labels or _first(columns, LABEL_NAMES), _first(columns, TARGET_NAMES)
    labels = labels or (None if targets else _first(columns, OTHER_LABEL_NAMES))
    order = [(labels, "label"), (targets, "target")]
    for candidate, hint in reversed(order) if declared.task == "regression" else order:
        if candidate is not None:
            return candidate, hint
    raise bad(
        "column_missing",
        "no column looks like a label or target, give label_column, label_columns or target_column; there is "
        f"{_list(columns)}",
    )


def _modality(column: Column) -> str:
    """Return the modality of a column: by its feature, the files that it names, its name, at last by its type."""
    for kind in modalities():
        if column.feature is not None and column.feature == kind.feature:
            return kind.name
    by_ending = of_endings(column.examples)
    if by_ending is not None:
        return by_ending.name
    for kind in modalities():
        if column.name.lower() in kind.column_names and kind.holds(column):
            return kind.name
    inline = column.kind in {"text", "numbers", "whole", "real"} or column.plain_numbers
    return next((kind.name for kind in modalities() if kind.inline == inline and kind.holds(column)), "image")
