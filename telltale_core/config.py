"""Settings: the base class of every stage's, one sentence for what is wrong with them, tables merged, digests."""

from __future__ import annotations

import copy
import difflib
import json
import re
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from telltale_core.digest import digest_of
from telltale_core.errors import ConfigError

T = TypeVar("T")
M = TypeVar("M", bound="Settings")
MOST_SHOWN = 200
_PARTS = re.compile(r"""[^][,\s"']+""")


def label_of(name: str) -> str:
    """Return how a form calls a setting, such as ``Batch size``, or ``Max audio seconds`` of ``max_audio_s``."""
    return re.sub("_s$", "_seconds", name).replace("_", " ").capitalize()


def _for_forms(schema: dict[str, Any]) -> None:
    """Make of a class's JSON schema what a form shows well.

    What may be unset is a field that may be empty. A table is closed, and has its defaults, until somebody opens it.
    """
    schema.pop("description", None)  # speaks to who reads the code
    for field in schema.get("properties", {}).values():
        first, *others = field.get("anyOf", [{}])
        if others == [{"type": "null"}]:
            del field["anyOf"], field["default"]
            field.update(first)
        if "$ref" in field:  # what the field refers to checks the values; the choice only folds the form
            del field["default"]
            field["anyOf"] = [
                {"title": "Defaults", "type": "object"},
                {"title": "Own values", "$ref": field["$ref"]},
            ]


class Settings(BaseModel, frozen=True):
    """Base of all settings: unknown names and values of another type are refused, nothing is bent until it fits."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        field_title_generator=lambda name, _: label_of(name),
        json_schema_extra=_for_forms,
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            where = type(self).__name__.removesuffix("Config").lower()
            raise ConfigError(explained(error, type(self), where)) from None

    # As pydantic's own RootModel has it: what is nested is validated without this constructor, and so keeps its path.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def replace(self, **changes: Any) -> Self:
        """Return the same settings with these changes, validated like new ones."""
        return type(self)(**{**dict(self), **changes})


def from_list(value: Any) -> Any:
    """Return a list, as JSON and TOML have it, as a tuple; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


ListOf = Annotated[tuple[T, ...], BeforeValidator(from_list)]
"""Any number of values, as a list where they come from JSON or TOML."""


def to_dict(config: Settings) -> dict[str, Any]:
    """Return settings as plain JSON values; tuples become lists."""
    return config.model_dump(mode="json")


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of ``first`` with those of ``second`` over them; neither is changed."""
    result = copy.deepcopy(dict(first))
    for name, value in second.items():
        both = isinstance(value, Mapping) and isinstance(result.get(name), Mapping)
        result[name] = merged(result[name], value) if both else copy.deepcopy(value)
    return result


def from_dict(cls: type[M], values: Mapping[str, Any], where: str = "config") -> M:
    """Return settings made from plain values.

    Raises one :class:`ConfigError` that names each setting that is unknown, of another type or out of range by its
    whole path, such as ``settings.proxy.epochs``.
    """
    try:
        return cls.model_validate(dict(values) if isinstance(values, Mapping) else values)
    except ValidationError as error:
        raise ConfigError(explained(error, cls, where)) from None


def config_digest(config: Settings) -> str:
    """Return the digest of a configuration's values, 64 hex digits."""
    return digest_of(to_dict(config))


def explained(error: ValidationError, cls: type[BaseModel], where: str) -> str:
    """Return what is wrong in plain sentences: which setting, what is expected, what was found."""
    return "; ".join(_sentence(one, cls, where) for one in error.errors(include_url=False))


_TYPES = {
    "int_type": "of type int",
    "float_type": "of type float",
    "string_type": "of type str",
    "bool_type": "of type bool",
    "tuple_type": "a list",
    "dict_type": "a table that holds a table for each name, such as [{table}.NAME]",
    "model_type": "a table of settings, such as [{table}]",
    "finite_number": "a finite number",
}


def _sentence(error: ErrorDetails, cls: type[BaseModel], where: str) -> str:
    kind, place, context = error["type"], error["loc"], error.get("ctx", {})
    path = where + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    if kind == "extra_forbidden":
        return f"{path} is not a setting{_suggestion(str(place[-1]), _at(cls, place[:-1])[1])}"
    if kind == "value_error":  # of our own validators: "must ..." speaks of the setting itself
        text = str(context["error"])
        return f"{path} {text}" if text.startswith("must ") else f"{path}: {text}"
    got = _shown(error["input"])
    if kind == "tuple_type" and isinstance(error["input"], str):
        parts = _PARTS.findall(error["input"])
        example = json.dumps([int(part) for part in parts] if all(map(str.isdecimal, parts)) else parts)
        return f"{path} must be a list, in a shell '{example}' with its quotes, got {got}"
    if kind in _TYPES:
        return f"{path} must be {_TYPES[kind].format(table='.'.join(map(str, place)) or 'proxy')}, got {got}"
    if kind == "literal_error":
        return f"{path} must be one of {context['expected'].replace(' or ', ', ')}, got {got}"
    if kind == "too_short":
        return f"{path} must have at least {context['min_length']} elements, got {got}"
    if kind == "string_too_long":
        return f"{path} must have at most {context['max_length']} characters, got {len(error['input'])}"
    if bounds := _bounds(_at(cls, place)[0], context):
        return f"{path} must be {bounds}, got {got}"
    return f"{path}: {error['msg']}, got {got}"


def _at(cls: type[BaseModel], place: tuple[int | str, ...]) -> tuple[FieldInfo | None, type[BaseModel] | None]:
    """Return the field at a place of the settings, and the class of the table that stands there, if one does."""
    field: FieldInfo | None = None
    model: type[BaseModel] | None = cls
    for part in place:
        if model is not None and part in model.model_fields:
            field = model.model_fields[str(part)]
            model = _model_in(field.annotation)
    return field, model


def _model_in(hint: Any) -> type[BaseModel] | None:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint
    return next((model for each in typing.get_args(hint) if (model := _model_in(each)) is not None), None)


def _suggestion(name: str, model: type[BaseModel] | None) -> str:
    return suggestion(name, model.model_fields) if model is not None else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return what may have been meant by a name that is not known, and the names that are."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"{f', did you mean {near[0]}?' if near else ';'} known settings: {', '.join(names)}"


def _bounds(field: FieldInfo | None, context: Mapping[str, Any]) -> str:
    """Return ``>= 1``, ``in [0, 1)`` or ``in 1..64``; empty where the error is of no bound."""
    names = ("ge", "gt", "le", "lt")
    if not set(names) & set(context):
        return ""
    all_of = (
        {name: getattr(one, name) for one in field.metadata for name in names if hasattr(one, name)} if field else {}
    )
    if not context.items() <= all_of.items():  # of an element of a list
        all_of = dict(context)
    low, high = all_of.get("ge", all_of.get("gt")), all_of.get("le", all_of.get("lt"))
    if low is None or high is None:
        signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
        return " and ".join(f"{signs[name]} {bound}" for name, bound in all_of.items())
    if {"ge", "le"} <= set(all_of) and isinstance(low, int) and isinstance(high, int) and high > 1:
        return f"in {low}..{high}"
    return f"in {'[' if 'ge' in all_of else '('}{low}, {high}{']' if 'le' in all_of else ')'}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
