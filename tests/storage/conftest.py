"""Fixtures around :mod:`support` (the file beside this one), which the publish and faults rooms use too."""

from __future__ import annotations

import importlib.util
import sys
import uuid
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest


def _load(name: str, file: str) -> Any:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(file))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


support = _load("telltale_storage_support", "support.py")
_load("telltale_storage_simulation", "simulation.py")


@pytest.fixture(scope="session")
def s3_address() -> Iterator[tuple[str, int]]:
    with support.s3_server() as address:
        yield address


@pytest.fixture
def s3_url(s3_address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh bucket on the real server; endpoint and credentials are set in the environment."""
    for name, value in support.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{s3_address[0]}:{s3_address[1]}")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    http = HTTPConnection(*s3_address)
    http.request("PUT", f"/{bucket}")
    assert http.getresponse().status == 200
    http.close()
    return f"s3://{bucket}/data"


@pytest.fixture
def lossy(s3_url: str, s3_address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The proxy between us and the real server; set ``lossy.plan`` to lose replies."""
    proxy = support.LossyProxy(s3_address)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    yield proxy
    proxy.close()


@pytest.fixture(params=["local", "memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh store of each kind."""
    if request.param == "local":
        return str(tmp_path / "store")
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}/data"
    return str(request.getfixturevalue("s3_url"))


@pytest.fixture
def store(url: str) -> Any:
    """An open store of each kind, whose retries take no time."""
    from telltale_core.storage import open_store

    return open_store(url, support.quick_retry())
