"""The Prefect API with a password: every route of its OpenAPI document refuses strangers, but the health checks."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator

import httpx
import pytest

PASSWORD = "operator:canary-pass-of-the-api"
OPEN = {("GET", "/api/health"), ("GET", "/api/ready")}
Ask = Callable[[str, str, dict[str, str]], int]


@pytest.fixture(scope="module")
def routes() -> Iterator[tuple[list[tuple[str, str]], Ask]]:
    """Every method and path of the API, and a way to ask it without a network."""
    from prefect.server.api.server import create_app
    from prefect.settings import PREFECT_SERVER_API_AUTH_STRING, temporary_settings

    with temporary_settings({PREFECT_SERVER_API_AUTH_STRING: PASSWORD}):
        app = create_app(ephemeral=True, ignore_cache=True)
        document = next(mount.app for mount in app.routes if getattr(mount, "path", "") == "/api").openapi()
        listed = [
            (method.upper(), f"/api{path}")
            for path, methods in document["paths"].items()
            for method in methods
            if method in {"get", "post", "put", "patch", "delete"}
        ]

        async def ask(method: str, path: str, headers: dict[str, str]) -> int:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return (await client.request(method, path, headers=headers)).status_code

        yield listed, lambda method, path, headers: asyncio.run(ask(method, path, headers))


def test_every_route_refuses_whoever_does_not_know_the_password(routes: tuple[list[tuple[str, str]], Ask]) -> None:
    listed, ask = routes
    assert len(listed) > 150
    wrong = base64.b64encode(b"operator:wrong").decode()
    for number, (method, path) in enumerate(listed):
        if (method, path) in OPEN:
            continue
        headers = {"Authorization": f"Basic {wrong}"} if number % 2 else {}
        assert ask(method, path, headers) == 401, (method, path)


def test_the_password_is_taken_from_the_header_alone(routes: tuple[list[tuple[str, str]], Ask]) -> None:
    _, ask = routes
    known = base64.b64encode(PASSWORD.encode()).decode()
    assert ask("GET", "/api/version", {"Authorization": f"Basic {known}"}) not in {401, 403}
    refused = [
        ask("GET", f"/api/version?auth={known}", {}),
        ask("GET", "/api/version", {"Authorization": f"Bearer {known}"}),
        ask("GET", "/api/version", {"Authorization": known}),
        ask("GET", "/api/version", {"Host": "127.0.0.1/api/health"}),
        ask("GET", "/api/version/health", {}),
        ask("POST", "/api/health", {}),
    ]
    assert set(refused) == {401}


def test_health_is_open_so_that_orchestrators_can_look(routes: tuple[list[tuple[str, str]], Ask]) -> None:
    _, ask = routes
    assert ask("GET", "/api/health", {}) == 200
