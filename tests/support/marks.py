"""Which tests train, start a server or need Prefect: told by fixtures and imports; what nobody told is noticed."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.every_process.sitecustomize import note_of

TRAINING_FIXTURES = {
    "small_drop",
    "small_work",
    "finished",
    "killed",
    "recorded",
    "stopped",
    "evidence",
    "question",
    "ran",
    "cleansed",
    "reported",
}
SERVERS = {"prefect_server", "s3_address", "lossy", "s3", "places"}
NEEDS_PREFECT = {"flows", "tasks", "deployments", "prefect"}
trained: set[str] = set()
"""Fixtures that were seen to train."""


def mark(item: pytest.Item) -> None:
    """Mark a test by its fixtures; a Prefect server starts in 10 s on an idle machine and in minutes on a busy one."""
    fixtures = set(getattr(item, "fixturenames", ()))
    parameters = getattr(item, "callspec", None)
    if fixtures & TRAINING_FIXTURES or "e2e" in item.path.parts:
        item.add_marker(pytest.mark.trains)
    if (
        fixtures & SERVERS
        or "e2e" in item.path.parts
        or (parameters is not None and "s3" in [str(value) for value in parameters.params.values()])
    ):
        item.add_marker(pytest.mark.server)
    if "prefect_server" in fixtures:
        item.add_marker(pytest.mark.timeout(1200))


def needs_prefect(path: Path) -> bool:
    """Return whether a module of tests imports Prefect, or what stands on it, as soon as it is collected."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return bool(names & NEEDS_PREFECT)


def epochs(test: str = "") -> int:
    """Return how many epochs were trained so far on behalf of a test, that which runs now, in whatever process."""
    note = note_of(test or os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" ", 1)[0])
    return note.stat().st_size if note.exists() else 0


def check(item: Any) -> None:
    """Fail a test that trains and does not say so: ``make test-chips`` would not run it with the other chips."""
    causes = sorted(trained & set(item.fixturenames))
    if (epochs(item.nodeid) or causes) and item.get_closest_marker("trains") is None:
        who = f"its fixtures {causes} train: name them in TRAINING_FIXTURES of {__file__}" if causes else "it trains"
        message = f"{item.nodeid}: {who}; a test that trains has the mark `trains`, and holds in both precisions"
        if record := os.environ.get("CHIPS_RECORD"):
            with Path(record).open("a") as file:
                file.write(f"{item.nodeid}\t{causes}\n")
        else:
            pytest.fail(message, pytrace=False)
