from __future__ import annotations

import pytest

from telltale_core.verdict import TelltaleDetector
from tests.support.loss_logs import Case, make_case


@pytest.fixture(scope="session")
def poisoned() -> Case:
    return make_case()


@pytest.fixture(scope="session")
def fitted(poisoned: Case) -> TelltaleDetector:
    return TelltaleDetector().fit(poisoned.log, poisoned.labels)


@pytest.fixture(scope="session")
def clean() -> Case:
    return make_case(poison=0)
