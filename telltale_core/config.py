"""The one configuration of a run: it only nests the stages' own configurations."""

from __future__ import annotations

import copy
import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from telltale_core.digest import digest_of
from telltale_core.errors import ConfigError

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """Return a (nested) configuration dataclass as plain JSON values; tuples become lists."""
    plain: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            plain[field.name] = to_dict(value)
        else:
            plain[field.name] = list(value) if isinstance(value, tuple) else value
    return plain


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of ``first`` with those of ``second`` over them; neither is changed."""
    result = copy.deepcopy(dict(first))
    for name, value in second.items():
        both = isinstance(value, Mapping) and isinstance(result.get(name), Mapping)
        result[name] = merged(result[name], value) if both else copy.deepcopy(value)
    return result


def from_dict(cls: type[T], values: Mapping[str, Any], where: str = "config") -> T:
    """Return a configuration dataclass made from plain values.

    Raises :class:`ConfigError` for an unknown setting (naming the known ones), a value of another type, or one that the
    class's own validation refuses.
    """
    known = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    made: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"{where}.{name} is not a setting; known settings: {', '.join(sorted(known))}")
        made[name] = _coerce(hints[name], value, f"{where}.{name}")
    return cls(**made)


def _coerce(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a table of settings, got {value!r}")
        return from_dict(hint, value, where)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _coerce(next(arg for arg in args if arg is not type(None)), value, where)
    if origin is tuple:
        return _coerce_tuple(args, value, where)
    if origin is typing.Literal:
        if not any(value == arg and type(value) is type(arg) for arg in args):  # else 1 would pass for True
            raise ConfigError(f"{where} must be one of {', '.join(map(repr, args))}, got {value!r}")
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and (not isinstance(value, hint) or (hint is not bool and isinstance(value, bool))):
        raise ConfigError(f"{where} must be of type {hint.__name__}, got {value!r}")
    return value


def _coerce_tuple(hints: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):  # a str, too, is a sequence: of its letters
        raise ConfigError(f"{where} must be a list, got {value!r}")
    if len(hints) == 2 and hints[1] is Ellipsis:
        hints = (hints[0],) * len(value)
    if len(value) != len(hints):
        raise ConfigError(f"{where} must have {len(hints)} elements, got {len(value)}")
    return tuple(_coerce(hint, each, f"{where}[{i}]") for i, (hint, each) in enumerate(zip(hints, value, strict=True)))


def config_digest(config: Any) -> str:
    """Return the digest of a configuration's values, 64 hex digits."""
    return digest_of(to_dict(config))
