"""All attacks by name."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import InstanceOf, create_model

from telltale_core.attacks.badnets import BadNets
from telltale_core.attacks.contract import Attack
from telltale_core.attacks.stamp import StampAttack
from telltale_core.bench.attacks.adaptive_blend import AdaptiveBlend
from telltale_core.bench.attacks.all_to_all import AllToAll
from telltale_core.bench.attacks.blend import Blend
from telltale_core.bench.attacks.camouflage import Camouflage
from telltale_core.bench.attacks.combination import Combination
from telltale_core.bench.attacks.cover import Cover
from telltale_core.bench.attacks.issba import ISSBA
from telltale_core.bench.attacks.many_triggers import ManyTriggers
from telltale_core.bench.attacks.mislabel import Mislabel
from telltale_core.bench.attacks.moving_patch import MovingPatch
from telltale_core.bench.attacks.narcissus import Narcissus
from telltale_core.bench.attacks.noise import Noise
from telltale_core.bench.attacks.partial import Partial
from telltale_core.bench.attacks.rare_word import RareWord
from telltale_core.bench.attacks.sentence import Sentence
from telltale_core.bench.attacks.sig import SIG
from telltale_core.bench.attacks.tone import Tone
from telltale_core.bench.attacks.untargeted import Untargeted
from telltale_core.bench.attacks.varied_strength import VariedStrength
from telltale_core.bench.attacks.wanet import WaNet
from telltale_core.config import ListOf, Settings, from_dict
from telltale_core.errors import ConfigError

_CLASSES: tuple[type[Attack], ...] = (
    BadNets, Blend, WaNet, ISSBA, SIG, Narcissus, Partial, AdaptiveBlend, AllToAll, Untargeted, Mislabel,
    Cover, Camouflage, VariedStrength, ManyTriggers, MovingPatch, Tone, Noise, RareWord, Sentence, Combination,
)  # fmt: skip
PLAIN = (int, float, str, bool, Path, types.NoneType)
ATTACKS: dict[str, type[Attack]] = {cls.name: cls for cls in _CLASSES}


def make_attack(name: str, **params: Any) -> Attack:
    """Return the named attack with these parameters.

    Plain values as a TOML table holds them will do: a list for a tuple, a string for a path, and for a parameter that
    is itself an attack its name or a table with ``name`` and parameters (``base={"name": "blend", "alpha": 0.1}``).
    Raises :class:`ConfigError` for an unknown name or parameter and for a value that the attack refuses.
    """
    if name not in ATTACKS:
        raise ConfigError(f"{name!r} is not an attack; known attacks: {', '.join(sorted(ATTACKS))}")
    cls = ATTACKS[name]
    hints = typing.get_type_hints(cls)
    return cls(**_checked(cls, {key: _value(hints.get(key), value) for key, value in params.items()}, name))


class _Parameters(Settings, frozen=True, arbitrary_types_allowed=True):
    """Base of the check of an attack's parameters; what they mean and their ranges, the attack itself checks."""


def _checked(cls: type[Attack], values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return parameters of their types; :class:`ConfigError` for an unknown one, or one of another type."""
    hints = typing.get_type_hints(cls)
    fields: dict[str, Any] = {
        field.name: (_checkable(hints[field.name]), None)
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]
    }
    parameters = from_dict(create_model(name, __base__=_Parameters, **fields), values, name)
    return {key: getattr(parameters, key) for key in values}


def _checkable(hint: Any) -> Any:
    """Return the hint as settings have it: a list for a tuple, and of what is no plain value only its class."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return ListOf[_checkable(args[0])]  # type: ignore[misc]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(_checkable(each) for each in args)]  # noqa: UP007 - of a tuple
    plain = origin is typing.Literal or hint in PLAIN
    return hint if plain else InstanceOf[origin or hint]  # type: ignore[misc]


def _value(hint: Any, value: Any) -> Any:
    if hint is StampAttack:
        return _nested(value)
    return Path(value) if hint == Path | None and isinstance(value, str) else value


def _nested(value: Any) -> Any:
    if isinstance(value, str):
        return make_attack(value)
    if isinstance(value, Mapping):
        table = dict(value)
        return make_attack(str(table.pop("name", "")), **table)
    return value
