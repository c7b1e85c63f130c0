"""What a command says of an error that nobody expected."""

from __future__ import annotations

import asyncio

import pytest
import typer
from typer.testing import CliRunner

from flows.console import command
from telltale_core.commands import Outcome
from telltale_core.errors import ConfigError

KEY = "AKIATESTCANARY000001"


def said(error: Exception, *, serves: bool) -> str:
    def fail() -> Outcome:
        raise error

    app = typer.Typer()
    app.command()(command(fail, serves=serves))
    result = CliRunner().invoke(app, [])
    assert result.exit_code in {1, 2}
    return result.stderr


@pytest.fixture
def group() -> Exception:
    """What a group of tasks raises, one within another, as a worker's loops are."""

    async def fail() -> None:
        raise OSError(f"no answer to {KEY}")

    async def inner() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())

    async def outer() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(inner())

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(outer())
    return caught.value


def test_a_group_of_errors_is_told_by_its_members(group: Exception) -> None:
    text = said(group, serves=False)
    assert text.startswith("error: unexpected OSError: no answer to [withheld] (run again")
    assert len(text.splitlines()) == 1


def test_a_command_that_serves_leaves_the_traceback_in_its_log_without_credentials(group: Exception) -> None:
    text = said(group, serves=True)
    assert "in fail" in text
    assert "Traceback (most recent call last)" in text
    assert "Traceback" not in said(ConfigError("a setting"), serves=True)  # that one is expected
    assert KEY not in text
