"""What a command shows of a training: a bar that fits the terminal, lines elsewhere, nothing with ``--json``."""

from __future__ import annotations

import io
import re

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from flows.console import command, silent
from flows.progress import training_progress
from telltale_core.commands import Outcome
from telltale_core.proxy import Progress

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def at(step: int) -> Progress:
    return Progress(
        epoch=step // 10, epochs=3, step=step, steps=30, loss=0.5, score=0.75,
        samples_per_s=1234.0, remaining_s=65.0,
    )  # fmt: skip


def shown(console: Console, *steps: int) -> str:
    with training_progress(console) as see:
        for step in steps:
            assert see is not None
            see(at(step))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, legacy_windows=False)


def frames(text: str) -> list[str]:
    return [line for line in re.split(r"[\r\n]+", ESCAPE.sub("", text)) if line.strip()]


def test_a_terminal_gets_one_line_redrawn_in_place_and_its_cursor_back() -> None:
    text = shown(terminal(120), 5, 10, 30)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "33% epoch 1/3, 1:05 left, loss 0.5000, accuracy 0.750, 1,234 samples/s" in text
    assert "100% epoch 3/3" in frames(text)[-1]


@pytest.mark.parametrize("width", [20, 40, 60])
def test_a_narrow_terminal_gets_one_line_that_fits(width: int) -> None:
    lines = frames(shown(terminal(width), 5, 10, 30))
    assert max(map(len, lines)) <= width
    assert all(line.startswith("tr") for line in lines), lines  # a line that went on would begin otherwise
    assert width < 40 or "33%" in "".join(lines)


def test_the_cursor_comes_back_where_a_training_is_interrupted() -> None:
    def interrupted(console: Console) -> None:
        with training_progress(console) as see:
            assert see is not None
            see(at(5))
            raise KeyboardInterrupt

    console = terminal(80)
    with pytest.raises(KeyboardInterrupt):
        interrupted(console)
    assert console.file.getvalue().rstrip("\n").endswith("\x1b[?25h")  # type: ignore[attr-defined]


def test_two_trainings_are_two_bars() -> None:
    lines = frames(shown(terminal(120), 10, 30, 10, 30))
    assert ["100%" in lines[-2], "100%" in lines[-1]] == [True, True]


def test_elsewhere_an_epoch_is_a_plain_line() -> None:
    text = shown(Console(file=io.StringIO(), force_terminal=False, width=40), 5, 7, 10, 30)
    assert "\x1b" not in text
    assert [line.split("epoch ")[1][:3] for line in text.splitlines()] == ["0/3", "1/3", "3/3"]


def test_with_json_no_training_is_shown() -> None:
    token = silent.set(True)
    try:
        with training_progress(terminal(80)) as see:
            assert see is None
    finally:
        silent.reset(token)


@pytest.mark.parametrize(("words", "output"), [(["--json"], "True"), ([], "False")])
def test_a_command_that_is_asked_for_json_shows_no_training(words: list[str], output: str) -> None:
    def look() -> Outcome:
        return Outcome(data=str(silent.get()), lines=[str(silent.get())])

    app = typer.Typer()
    app.command()(command(look))
    assert CliRunner().invoke(app, words).stdout.strip().strip('"') == output
