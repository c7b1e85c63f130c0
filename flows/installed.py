"""The command line and the flows of an installed Telltale, under one name: ``telltale_cleanse``.

The build puts this file into the package ``telltale_cleanse``, and the folders ``flows``, ``tasks`` and ``deployments``
beside it: no other program of the environment sees packages of such common names. Only processes that import
``telltale_cleanse``, which are Telltale's own, find them. In a checkout they are found at its root.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

FLOWS = ("cleanse", "train_proxy", "sweep", "reconcile", "arrival", "checkup", "tidy", "verify_all")
_HERE = Path(__file__).parent


def _find_packages() -> None:
    """Let this process find the packages that lie in this folder, before others of their names."""
    names = [name for name in ("flows", "tasks", "deployments") if (_HERE / name).is_dir()]
    for name in names:
        if name in sys.modules:
            raise ImportError(
                f"another package called {name} is loaded already ({sys.modules[name].__file__}): start Telltale's "
                "flows as runs of their deployments, or in a process of their own"
            )
    if names:
        sys.path.insert(0, str(_HERE))


_find_packages()


def __getattr__(name: str) -> Any:
    """Return the flow of this name: what deployments name as ``telltale_cleanse.<flow>``."""
    if name not in FLOWS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"flows.{name}"), name)


def main() -> None:
    """Run the command line."""
    from flows.__main__ import main as run

    run()
