"""What commands say of a server that is not set, not there, or not theirs."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.server import own_server
from flows.cli import app
from telltale_core.errors import ConfigError, StorageError
from tests.support.servers import server_at

DEPLOY = ["deploy", "--inbox", "s3://raw/inbox", "--clean", "s3://clean", "--work", "s3://work/area", "--any-dataset"]


@pytest.mark.parametrize("words", [DEPLOY, ["worker", "--pool", "cpu"], ["notifications"]], ids=lambda words: words[0])
def test_a_command_that_needs_a_server_says_how_to_name_one(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, f"telltale {words[0]} needs a Prefect server" in done.output) == (2, True), done.output


@pytest.mark.parametrize("words", [DEPLOY, ["worker", "--pool", "cpu"], ["notifications"]], ids=lambda words: words[0])
def test_a_server_that_does_not_answer_is_said_in_one_line(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES

    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    with server_at(url, {PREFECT_CLIENT_MAX_RETRIES: 0}):
        done = CliRunner().invoke(app, words)
    assert (done.exit_code, "error: the Prefect server did not answer" in done.stderr) == (1, True), done.output


@pytest.mark.parametrize(("status", "family"), [(401, ConfigError), (422, StorageError)])
def test_what_a_server_refuses_is_said_without_what_it_was_sent(
    status: int, family: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    request = httpx.Request("POST", "http://127.0.0.1:1/api/block_documents/")
    answer = httpx.Response(status, request=request, text='{"input": "canary-of-the-tests"}')
    with pytest.raises(family, match=f"answered {status}") as caught, own_server("telltale deploy"):
        answer.raise_for_status()
    assert "canary" not in str(caught.value)
