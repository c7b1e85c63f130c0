"""Parts of a package that are loaded when they are first used.

What reads settings and passes records, such as the process of a flow, needs neither torch nor scikit-learn nor
matplotlib, and each takes seconds to import.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any


def on_demand(package: str, **parts: tuple[str, ...]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of ``package``: names by its module that defines them.

    No module may be called like a name: importing it would put the module in the name's place.
    """
    places = {name: module for module, names in parts.items() for name in names}

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{places[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get
