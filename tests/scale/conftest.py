"""Ray clusters of this machine, each begun and ended by its test."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from telltale_core.drop import Drop, DropConfig, ingest

TOKEN = secrets.token_hex(32)  # one for all tests of a process: Ray's library reads it once


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    """Have all of Ray's processes ask for this token."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", os.getcwd())  # noqa: PTH109 - of this checkout, for the workers
    return TOKEN


@pytest.fixture
def two_nodes(token: str) -> Iterator[Any]:
    """Return a cluster of two nodes of one processor each, to which this process is connected."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="session")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Drop:
    """Return a drop of 200 images of 64 x 64, which are evaluated in four parts."""
    random, source = np.random.default_rng(0), tmp_path_factory.mktemp("source")
    labels = np.arange(200) % 4
    noise = random.integers(0, 90, (200, 64, 64, 3))
    np.save(source / "images.npy", (noise + labels[:, None, None, None] * 40).astype(np.uint8))
    np.save(source / "labels.npy", labels)
    return ingest(str(source), tmp_path_factory.mktemp("drops"), DropConfig(image_size=64))
