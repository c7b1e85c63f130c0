"""Credentials stay out of what a process says, whatever library says it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from tasks.redaction import Redacting, install, withholding
from telltale_core.errors import TelltaleError
from telltale_core.redact import WITHHELD, redact

KEY_ID = "AKIA" + "CANARYCANARY0001"
SECRET = "canary/Secret+Canary/Secret0001canarySec"


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "operator:canary-pass-77")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token")


@pytest.mark.parametrize(
    ("text", "canary"),
    [
        (f"key {KEY_ID} was refused", KEY_ID),
        (f"{{'aws_secret_access_key': '{'x' * 40}'}}", "x" * 40),
        (f"the value {SECRET} by itself", SECRET),
        ("the password alone: canary-pass-77", "canary-pass-77"),
        ("GET https://b.s3.amazonaws.com/k?versionId=3&X-Amz-Signature=canaryff&X-Amz-Date=1 failed", "canaryff"),
        ("https://s.blob.core.windows.net/c/k?sv=2024&sig=canary%2Bff", "canary%2Bff"),
        ("https://s.blob.core.windows.net/c/k?sig=canaryfirst", "canaryfirst"),
        ("https://b.example/k?AWSAccessKeyId=canaryid&Signature=canaryff&Expires=1", "canaryff"),
        ("cannot reach http://ann:canarypw@proxy:3128/", "canarypw"),
        ("headers={'Authorization': 'Basic Y2FuYXJ5OmNhbmFyeQ=='}", "Y2FuYXJ5OmNhbmFyeQ=="),
        ("Authorization: AWS4-HMAC-SHA256 Credential=canaryid/2026, Signature=canaryff", "canaryff"),
        ("x-amz-security-token: canarytokencanary", "canarytokencanary"),
    ],
)
def test_a_credential_is_withheld(text: str, canary: str) -> None:
    redacted_text = redact(text)
    assert canary not in redacted_text
    assert WITHHELD in redacted_text


@pytest.mark.parametrize(
    "text",
    [
        "train: epoch 3 of 30, loss 0.1234",
        "s3://clean/signs/_versions/00000001.json is missing",
        "https://docs.example/page?tab=Logs&from=3",
        "drop 3fa94c1 has 1,797 samples; /var/run/token is a path",
        "c0ffee" * 10,
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_hostile_text_is_redacted_in_time_that_grows_with_its_length() -> None:
    assert len(redact("https://a?" * 5_000)) > 0
    assert len(redact("authorization=" * 5_000)) > 0


@pytest.fixture
def logger() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    out = io.StringIO()
    handler, log = logging.StreamHandler(out), logging.getLogger("telltale_core.canary")
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log.addHandler(handler)
    yield log, out
    log.removeHandler(handler)


def test_messages_arguments_and_tracebacks_of_any_handler_are_redacted(
    logger: tuple[logging.Logger, io.StringIO],
) -> None:
    log, out = logger
    assert install() >= 1
    before = [handler.formatter for handler in log.handlers]
    install()
    assert [handler.formatter for handler in log.handlers] == before
    assert all(isinstance(formatter, Redacting) for formatter in before)
    try:
        open(f"/nowhere/{SECRET}")  # noqa: PTH123, SIM115 - any foreign error
    except OSError:
        log.exception("object %s", f"https://b/k?X-Amz-Signature={KEY_ID}")
    output = out.getvalue()
    assert output.startswith("ERROR object https://b/k?[withheld]")
    assert "'/nowhere/[withheld]'" in output
    assert SECRET not in output
    assert KEY_ID not in output


def test_prefects_own_handlers_are_reached() -> None:
    from prefect.logging.configuration import setup_logging
    from prefect.logging.handlers import APILogHandler

    setup_logging()
    install()
    handlers = logging.getLogger("prefect.flow_runs").handlers
    assert any(isinstance(handler, APILogHandler) for handler in handlers)
    record = logging.LogRecord("prefect.flow_runs", logging.ERROR, "f", 1, "key %s", (KEY_ID,), None)
    assert all(handler.format(record) == f"key {WITHHELD}" for handler in handlers)


def test_an_error_and_what_led_to_it_hold_no_credential_and_keep_their_class() -> None:
    @withholding
    def body(place: str) -> None:
        """Read a place."""
        try:
            open(f"/nowhere/{place}")  # noqa: PTH123, SIM115 - any foreign error
        except OSError as error:
            raise ValueError(f"cannot read with {KEY_ID}", 7) from error

    assert (body.__name__, body.__doc__) == ("body", "Read a place.")
    with pytest.raises(ValueError, match=r"cannot read with \[withheld\]") as caught:
        body(SECRET)
    assert caught.value.args[1] == 7
    cause = caught.value.__cause__
    assert isinstance(cause, FileNotFoundError)
    assert str(cause) == f"[Errno 2] No such file or directory: '/nowhere/{WITHHELD}'"


def test_an_error_that_makes_its_text_of_other_things_holds_none_either() -> None:
    class Told(Exception):
        def __init__(self, place: str) -> None:
            self.place = place

        def __str__(self) -> str:
            return f"cannot read {self.place}"

    @withholding
    def body(error: Exception) -> None:
        raise error

    with pytest.raises(TelltaleError, match=r"^Told: cannot read \[withheld\]$") as caught:
        body(Told(SECRET))
    assert caught.value.__suppress_context__
    with pytest.raises(ExceptionGroup) as several:
        body(ExceptionGroup("several", [ValueError(SECRET)]))
    assert str(several.value.exceptions[0]) == WITHHELD


def test_the_states_that_the_server_keeps_hold_no_credential(prefect_server: str) -> None:
    from prefect import flow, task
    from prefect.client.orchestration import get_client

    @task
    @withholding
    def read() -> None:
        raise ConnectionError(f"refused: {SECRET}")

    @flow
    @withholding
    def canary() -> None:
        read()

    state = canary(return_state=True)
    assert state.is_failed()
    with get_client(sync_client=True) as client:
        kept = client.read_flow_run(state.state_details.flow_run_id).state
    assert kept is not None
    assert f"ConnectionError: refused: {WITHHELD}" in str(kept.message)
    assert SECRET not in kept.model_dump_json()
