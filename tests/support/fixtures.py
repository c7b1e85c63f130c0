"""Fixtures for every package: fresh stores of each kind, a real S3 server, and ingest into the test's folder."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from telltale_core.drop import Drop, DropConfig, ingest
from telltale_core.storage import Store, open_store
from tests.support import storage


@pytest.fixture(scope="session")
def s3_address() -> Iterator[tuple[str, int]]:
    """Host and port of the real server."""
    with storage.s3_server() as address:
        yield address


@pytest.fixture
def s3_url(s3_address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh bucket on the real server; endpoint and credentials are set in the environment."""
    for name, value in storage.CREDENTIALS.items():
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
def lossy(s3_url: str, s3_address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[storage.LossyProxy]:
    """The proxy between us and the real server; set ``lossy.plan`` to lose replies."""
    proxy = storage.LossyProxy(s3_address)
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
def store(url: str) -> Store:
    """An open store of each kind, whose retries take no time."""
    return open_store(url, storage.quick_retry())


@pytest.fixture
def take(tmp_path: Path) -> Callable[..., Drop]:
    """Ingest a source into this test's own folder of drops."""

    def run(source: Path | str, config: DropConfig | None = None, **settings: object) -> Drop:
        chosen = config or DropConfig(**settings)  # type: ignore[arg-type]
        return ingest(str(source), tmp_path / "drops", chosen)

    return run


@pytest.fixture
def reasons() -> Callable[[Drop], dict[str, str]]:
    """The reason code of each rejected row by its source."""

    def read(drop: Drop) -> dict[str, str]:
        table = drop.rejected()
        return dict(zip(table["source"].to_pylist(), table["reason_code"].to_pylist(), strict=True))

    return read
