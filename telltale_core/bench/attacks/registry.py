"""All attacks by name."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from telltale_core.bench.attacks.mislabel import Mislabel
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
from telltale_core.config import from_dict
from telltale_core.errors import ConfigError

_CLASSES: tuple[type[Attack], ...] = (
    BadNets, Blend, WaNet, ISSBA, SIG, Narcissus, Partial, AdaptiveBlend, AllToAll, Untargeted, Mislabel,
    Cover, Camouflage, VariedStrength, Tone, Noise, RareWord, Sentence, Combination,
)  # fmt: skip
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
    known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values = {key: _value(hints[key], value) if key in known else value for key, value in params.items()}
    return from_dict(cls, values, name)


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
