"""Settings of a run from a TOML file and ``--set`` overrides, checked before anything starts."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telltale_core.errors import ConfigError

if TYPE_CHECKING:
    from telltale_core.stages import CleanseConfig


def read_settings(file: Path | None, overrides: list[str], base: dict[str, Any] | None = None) -> CleanseConfig:
    """Return the run's settings: ``base``, then the file, then ``--set stage.name=value``; the later one wins.

    A value is read as TOML (``20``, ``0.5``, ``true``, ``[1, 2]``), else it is taken as text.
    """
    from telltale_core.config import from_dict
    from telltale_core.stages import CleanseConfig

    values: dict[str, Any] = {}
    _merge(values, base or {})
    if file is not None:
        try:
            _merge(values, tomllib.loads(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigError(f"--config {file}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file} is not valid TOML: {error}") from error
    for override in overrides:
        _set(values, override)
    return from_dict(CleanseConfig, values, "settings")


def as_options(values: Mapping[str, Any]) -> list[str]:
    """Return the ``--set`` options that give a run these settings: one for each that is not the default."""
    from telltale_core.config import to_dict
    from telltale_core.stages import CleanseConfig

    return [f"--set={name}={json.dumps(value)}" for name, value in _changed(values, to_dict(CleanseConfig()))]


def only_changed(config: CleanseConfig) -> dict[str, Any]:
    """Return the settings that are not the default, by stage: what a deployment's form should show."""
    from telltale_core.config import to_dict
    from telltale_core.stages import CleanseConfig

    told: dict[str, Any] = {}
    for name, value in _changed(to_dict(config), to_dict(CleanseConfig())):
        *tables, last = name.split(".")
        inner = told
        for table in tables:
            inner = inner.setdefault(table, {})
        inner[last] = value
    return told


def _changed(values: Mapping[str, Any], defaults: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _changed(value, defaults[name], f"{above}{name}.")
        elif value != defaults[name]:
            yield f"{above}{name}", value


def _merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = copy.deepcopy(value)


def _set(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    *tables, name = path.strip().split(".")
    if not equals or not tables or not name:
        raise ConfigError(f"--set must look like proxy.epochs=20, got {override!r}")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {override}: {table} is a setting, not a table of settings")
    try:
        values[name] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        values[name] = text
