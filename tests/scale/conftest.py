"""Ray clusters of this machine, each begun and ended by its test."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

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
