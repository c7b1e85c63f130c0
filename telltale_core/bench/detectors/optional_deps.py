"""Libraries that only some detectors need, imported when they are used."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from telltale_core.errors import ConfigError


def require(module: str, extra: str) -> Any:
    """Return a module; raises :class:`ConfigError` naming the extra where its library is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise ConfigError(f'{library} is not installed: pip install "telltale-cleanse[{extra}]"') from error


def installed(module: str) -> bool:
    """Return whether a library can be imported."""
    return importlib.util.find_spec(module.partition(".")[0]) is not None
