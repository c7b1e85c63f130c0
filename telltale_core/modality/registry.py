"""All kinds of data by name: the built-in ones, and what was registered."""

from __future__ import annotations

import functools
import importlib.metadata
from typing import TypeVar

from telltale_core.errors import ConfigError
from telltale_core.modality.audio import AudioModality
from telltale_core.modality.contract import Modality
from telltale_core.modality.image import ImageModality
from telltale_core.modality.table import TableModality
from telltale_core.modality.text import TextModality

Kind = TypeVar("Kind", bound=type[Modality])
# In the order in which a drop's columns are shown to them.
BUILT_IN: tuple[type[Modality], ...] = (ImageModality, AudioModality, TextModality, TableModality)
_REGISTERED: dict[str, Modality] = {kind.name: kind() for kind in BUILT_IN}


@functools.cache
def _load_plugins() -> None:
    """Import the modules that installed packages name in the entry point group ``telltale.modalities``."""
    for point in importlib.metadata.entry_points(group="telltale.modalities"):
        point.load()


def register(kind: Kind) -> Kind:
    """Return the class, now known by its name; to be used as a decorator. A name that is taken is a ConfigError."""
    earlier = _REGISTERED.get(kind.name)
    if earlier is not None and type(earlier).__qualname__ != kind.__qualname__:
        raise ConfigError(f"the modality {kind.name!r} is registered already, by {type(earlier).__qualname__}")
    _REGISTERED[kind.name] = kind()
    return kind


def modalities() -> tuple[Modality, ...]:
    """Return every kind that is known, registered ones first: a built-in table takes any columns that are left."""
    _load_plugins()
    return tuple(sorted(_REGISTERED.values(), key=lambda kind: type(kind) in BUILT_IN))


def modality_named(name: str) -> Modality:
    """Return the kind of data of that name; raises :class:`ConfigError` that names those that are known."""
    if name not in _REGISTERED:
        _load_plugins()
    if name not in _REGISTERED:
        names = ", ".join(_REGISTERED)
        raise ConfigError(f"modality {name!r} is not known; this version reads: {names}")
    return _REGISTERED[name]
