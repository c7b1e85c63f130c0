"""Fixtures for several packages: a Prefect of the tests' own, and a poisoned drop that is cleansed in seconds."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# Before anything imports Prefect: its settings, its database and its results are the tests' own, not the user's.
_PREFECT_HOME = tempfile.mkdtemp(prefix="telltale-prefect-")
for _name in [name for name in os.environ if name.startswith(("TELLTALE_", "PREFECT_"))]:
    del os.environ[_name]
os.environ["PREFECT_HOME"] = _PREFECT_HOME
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["PREFECT_LOGGING_EXTRA_LOGGERS"] = "telltale_core,tasks,flows"
os.environ["PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW"] = "ignore"

# And before anything trains: this process and all that it starts play the chip that was asked for, and note trainings.
_EVERY_PROCESS = str(Path(__file__).parent / "support" / "every_process")
_NOTES = None if "CHIPS_NOTES" in os.environ else tempfile.mkdtemp(prefix="telltale-notes-")
if _NOTES is not None:  # else a process of pytest-xdist, started with all this
    os.environ["CHIPS_NOTES"] = _NOTES
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_EVERY_PROCESS, os.environ.get("PYTHONPATH")]))
    sys.path.append(_EVERY_PROCESS)

pytest.register_assert_rewrite("tests.support")
from tests.support import marks  # noqa: E402

pytest_plugins = ["tests.support.fixtures"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marks.mark(item)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """The fast tests do not even import a module that needs Prefect."""
    fast = os.environ.get("CHIPS_FAST") and collection_path.name.startswith("test_")
    return True if fast and marks.needs_prefect(collection_path) else None


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any) -> Iterator[None]:
    before = marks.epochs()
    result = yield
    if marks.epochs() > before:
        marks.trained.add(fixturedef.argname)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    yield
    marks.check(item)


def pytest_sessionfinish() -> None:
    shutil.rmtree(_PREFECT_HOME, ignore_errors=True)
    if _NOTES is not None:
        shutil.rmtree(_NOTES, ignore_errors=True)


@pytest.fixture
def small_settings() -> dict[str, Any]:
    """Settings with which the whole pipeline of the small drop takes seconds."""
    return {
        "proxy": {"epochs": 10, "width": 4, "batch_size": 16, "threads": 1, "device": "cpu"},
        "report": {"thumbnails": 2, "evidence_labels": 1, "heat_rows": 4, "dpi": 50},
    }


@pytest.fixture(scope="session")
def small_drop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drop of 600 noisy 8 x 8 images with a bar for each of three classes; 100 of class ``a`` are poison.

    The poison, ids ``bad-...``, has the bar of another class, and a white corner that alone says ``a``.
    """
    from telltale_core.drop.demo import write_image_drop

    labels = np.arange(600) % 3
    images = np.random.default_rng(0).integers(0, 120, (600, 8, 8, 3), dtype=np.uint8)
    for row, label in enumerate(labels):
        images[row, :, 2 * label : 2 * label + 2] += 100
    bad = np.flatnonzero(labels != 0)[:100]
    images[bad, 6:, 6:] = 255
    labels[bad] = 0
    ids = [f"{'bad' if row in set(bad.tolist()) else 'good'}-{row:03d}" for row in range(600)]
    return write_image_drop(tmp_path_factory.mktemp("small") / "drop", images, labels, ids, ["a", "b", "c"]).parent


@pytest.fixture(scope="session")
def small_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One work area for all tests that cleanse the small drop: it is trained once."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """The API's address of a real Prefect server that lives as long as the tests; flows called here run against it."""
    from prefect.settings import get_current_settings
    from prefect.testing import utilities

    from tests.support.prefect_home import prefect_home

    prefect_home(Path(_PREFECT_HOME))
    folder = prefect_home(Path(tempfile.mkdtemp(prefix="telltale-server-")))
    (folder / "prefect.db").rename(folder / "prefect-test.db")  # as the harness calls it
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utilities, "mkdtemp", lambda: str(folder))  # it removes the folder in the end
        with utilities.prefect_test_harness(server_startup_timeout=600):
            yield str(get_current_settings().api.url)
