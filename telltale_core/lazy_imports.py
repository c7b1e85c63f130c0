"""Parts of a room that are loaded when they are first used.

What reads settings and passes records, such as the process of a flow, needs neither torch nor scikit-learn nor
matplotlib, and each takes seconds to import.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any


def on_demand(room: str, **parts: tuple[str, ...]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of the package ``room``: names by the module of that room that defines them.

    No module may be called like a name: importing it would put the module in the name's place.
    """
    places = {name: module for module, names in parts.items() for name in names}

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{room}.{places[name]}"), name)
        setattr(sys.modules[room], name, value)
        return value

    return get
