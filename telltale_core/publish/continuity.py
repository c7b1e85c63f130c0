"""A drop held against the dataset's newest version: whoever trains on it expects the next version to be like it.

What a version does not record is not compared: versions of earlier releases have columns and counts alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from telltale_core.publish.manifest import Version
from telltale_core.questions import Question

MANY_TIMES = 10  # as many rows, or as few
LARGER = {True: 2, False: 4}  # as large a sample, or as small: a picture, and what varies more in length
_SHOWN = 6


def changes(
    versions: list[Version], reading: Mapping[str, Any], columns: list[dict[str, Any]], row_count: int
) -> list[Question]:
    """Return a question for each way in which a drop differs from what the newest version was made of.

    ``reading`` and ``columns`` are what this drop's version would record (:func:`reading.reading_of`, ``schema``).
    """
    if not versions:
        return []
    last = versions[-1]
    before: Mapping[str, Any] = last.manifest.get("reading") or {}
    differences = [
        *_kinds(before, reading),
        *_columns(last.manifest.get("schema") or [], columns),
        *_classes(before, reading),
        *_sizes(before, reading),
        *_rows(last.drop_rows, row_count),
    ]
    return [Question(code=code, text=f"unlike version {last.number}: {text}") for code, text in differences]


def _kinds(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("modality", "task"):
        if name in before and before[name] != now.get(name):
            yield f"{name}_changed", f"its {name} was {before[name]}, this drop's is {now.get(name)}"
    roles, mine = before.get("columns") or {}, now.get("columns") or {}
    for role in sorted({*roles, *mine}) if roles else ():
        if roles.get(role) != mine.get(role):
            there, here = _text(roles.get(role)), _text(mine.get(role))
            yield "role_changed", f"its {role} was read from {there}, this drop's from {here}"


def _columns(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    old, new = ({str(column["name"]): str(column["type"]) for column in some} for some in (before, now))
    if not old:
        return
    if others := _others(list(old), list(new)):
        yield "columns_changed", f"its columns were others ({others})"
    types = [f"{name[:60]!a} {old[name]}, here {new[name]}" for name in new if old.get(name, new[name]) != new[name]]
    if types:
        yield "types_changed", f"its columns were of other types ({'; '.join(types[:_SHOWN])})"


def _others(old: list[str], new: list[str]) -> str:
    """Return what is in one list alone, in words."""
    added, gone = [name for name in new if name not in old], [name for name in old if name not in new]
    groups = {"new here": added, "only there": gone}
    return "; ".join(f"{where}: {_text(names)}" for where, names in groups.items() if names)


def _classes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    old, new = before.get("label_names"), now.get("label_names")
    if old and new and old != new:
        yield "classes_changed", f"its classes were others ({_others(old, new) or 'the same in another order'})"
    elif "num_classes" in before and before["num_classes"] != now.get("num_classes"):
        yield "classes_changed", f"it had {before['num_classes']} classes, this drop has {now.get('num_classes')}"


def _sizes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    old, new = before.get("sample_shape"), now.get("sample_shape")
    if not old or not new or before.get("modality") != now.get("modality") or now.get("modality") == "table":
        return  # of a table the columns tell
    a, b = math.prod(old), math.prod(new)
    if len(old) != len(new) or max(a, b) >= LARGER[len(new) == 3] * max(1, min(a, b)):
        yield "size_changed", f"its samples were packed as {_shape(old)}, this drop's as {_shape(new)}"


def _rows(old: int, new: int) -> Iterator[tuple[str, str]]:
    if max(old, new) >= MANY_TIMES * max(1, min(old, new)):
        yield "rows_changed", f"it was made of {old:,} rows, this drop has {new:,}"


def _shape(shape: list[int]) -> str:
    return " x ".join(map(str, shape))


def _text(value: object) -> str:
    if value is None:
        return "no column"
    names = [str(name) for name in value] if isinstance(value, list | tuple) else [str(value)]
    return ", ".join(ascii(name[:60]) for name in names[:_SHOWN]) + (" and more" if len(names) > _SHOWN else "")
