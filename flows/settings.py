"""Settings of a run from a TOML file and ``--set`` overrides, checked before anything starts."""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telltale_core.errors import ConfigError

if TYPE_CHECKING:
    from telltale_core.stages import CleanseConfig

log = logging.getLogger(__name__)
TURN = ("priority", "runs")
"""What a dataset's table says of whose turn it is among drops of the inbox."""


def read_settings(
    file: Path | None, overrides: list[str], base: dict[str, Any] | None = None, *, destination: str = ""
) -> CleanseConfig:
    """Return the run's settings: ``base``, the file, its table of the dataset, then ``--set stage.name=value``.

    The later one wins. ``[datasets.NAME.STAGE]`` of the file holds for the dataset whose ``destination`` ends in NAME.
    A value is read as TOML (``20``, ``0.5``, ``true``, ``[1, 2]``), else it is taken as text.
    """
    from telltale_core.config import from_dict, merged, to_dict
    from telltale_core.stages import CleanseConfig, dataset_of, settings_of

    values = merged(base or {}, _split(_read(file))[0])
    chosen = to_dict(settings_of(values, destination))
    tables = values.get("datasets") or {}
    if destination and tables and dataset_of(destination) not in tables:
        log.info("the settings have no table [datasets.%s]: the general ones hold", dataset_of(destination))
    if not destination and any(tables.values()):
        log.warning("the tables [datasets.NAME] have no effect here, no dataset is published: give theirs by --set")
    for override in overrides:
        _set(chosen, override)
    return from_dict(CleanseConfig, chosen, "settings")


def with_split(overrides: list[str], split: str) -> list[str]:
    """Return the settings of the command line with its ``--split``, which is short for ``--set drop.split=...``."""
    return [*overrides, f"drop.split={json.dumps(split)}"] if split else overrides


def standing_settings(file: Path | None, overrides: list[str]) -> dict[str, Any]:
    """Return what a deployment keeps for all its runs: settings that are not the default, and each dataset's tables."""
    from telltale_core.config import from_dict
    from telltale_core.stages import RunConfig, settings_of

    run_settings = from_dict(RunConfig, _split(_read(file, overrides))[0], "settings")
    tables = run_settings.model_dump(mode="json", include={"datasets"}, exclude_unset=True).get("datasets", {})
    dataset_tables = {name: table for name, table in tables.items() if table}
    return {**only_changed(settings_of(run_settings)), **({"datasets": dataset_tables} if dataset_tables else {})}


def check_standing(config: Mapping[str, Any]) -> None:
    """Raise :class:`ConfigError`, which names every wrong one, where this release does not take standing settings."""
    from telltale_core.config import from_dict
    from telltale_core.stages import RunConfig, settings_of

    settings_of(from_dict(RunConfig, config, "config"))


def inbox_folders(file: Path | None, overrides: list[str]) -> dict[str, Any]:
    """Return the folders of the inbox that feed each dataset, as ``[datasets.NAME] inbox = [...]`` says: checked."""
    return _split(_read(file, overrides))[1]


def dataset_turns(file: Path | None, overrides: list[str]) -> dict[str, dict[str, Any]]:
    """Return what ``[datasets.NAME] priority`` and ``runs`` say, for each dataset that the inbox feeds."""
    _, folders, turns = _split(_read(file, overrides))
    return {name: turns.get(name, {}) for name in folders}


def _split(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the settings of runs; the inbox's folders by dataset, and its turn: bridge, sweep and queues go by those.

    Runs started by hand read the same file.
    """
    from telltale_core.config import suggestion
    from telltale_core.inbox import allow_list
    from telltale_core.inbox.allowed import EXAMPLE
    from telltale_core.stages import CleanseConfig

    folders: dict[str, Any] = {}
    turns: dict[str, dict[str, Any]] = {}
    wrong: list[str] = []
    tables = values.get("datasets")
    for name, table in tables.items() if isinstance(tables, dict) else ():
        if isinstance(table, dict):
            known = {*CleanseConfig.model_fields, "inbox", *TURN}
            wrong += [
                f"settings.datasets.{name}.{key} is not a setting{suggestion(key, known)}"
                for key in table
                if key not in known
            ]
            folders |= {name: table.pop("inbox")} if "inbox" in table else {}
            turns[name] = {key: table.pop(key) for key in TURN if key in table}
            if turns[name] and name not in folders:
                raise ConfigError(
                    f"datasets.{name} has {' and '.join(turns[name])}, which say whose turn it is among drops of the "
                    f"inbox, but no folder of it: add inbox, as in {EXAMPLE}, or leave them out"
                )
    if wrong:
        raise ConfigError("; ".join(wrong))
    allow_list(folders or None)
    return values, folders, turns


def _read(file: Path | None, overrides: Iterable[str] = ()) -> dict[str, Any]:
    values = {} if file is None else _parsed(file)
    for override in overrides:
        _set(values, override)
    return values


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--config {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error


def as_options(values: Mapping[str, Any]) -> list[str]:
    """Return the ``--set`` options that give a run these settings: one for each that is not the default."""
    from telltale_core.config import from_dict
    from telltale_core.stages import CleanseConfig

    changed = only_changed(from_dict(CleanseConfig, values, "settings"))
    return [f"--set={name}={json.dumps(value)}" for name, value in _leaves(changed)]


def only_changed(config: CleanseConfig) -> dict[str, Any]:
    """Return the settings that are not the default, by stage: a deployment keeps these, and follows other defaults."""
    return config.model_dump(mode="json", exclude_defaults=True)


def _leaves(tables: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


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
