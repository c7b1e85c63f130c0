from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest_cases import Case, make_case

from telltale_core.verdict import TelltaleDetector


@pytest.fixture(scope="session")
def poisoned() -> Case:
    return make_case()


@pytest.fixture(scope="session")
def fitted(poisoned: Case) -> TelltaleDetector:
    return TelltaleDetector().fit(poisoned.log, poisoned.labels)


@pytest.fixture(scope="session")
def clean() -> Case:
    return make_case(poison=0)
