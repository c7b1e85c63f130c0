"""Evidence for all tests of detectors; a tiny net is trained on it once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from telltale_core.bench.detectors import Evidence
from telltale_core.proxy import ProxyConfig, fit
from tests.support.evidence import CLASSES, made


@pytest.fixture(scope="session")
def evidence() -> Evidence:
    given, _ = made()
    model = fit(given.inputs, given.labels, CLASSES, ProxyConfig(epochs=2, width=4, batch_size=16, threads=1))
    return dataclasses.replace(given, model=model)


@pytest.fixture(scope="session")
def truth() -> np.ndarray:
    return made()[1]
