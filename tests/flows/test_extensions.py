"""Commands that other packages bring: loaded generically, and refused in one line where their extra is absent."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from flows import extensions
from flows.cli import COMMANDS, app
from flows.console import command
from telltale_core.commands import DropArguments, Option, Outcome
from telltale_core.errors import ConfigError


def hello() -> Outcome:
    """Greet."""
    return Outcome(data="hello")


def greet(
    arguments: DropArguments,
    *,
    words: Annotated[list[str] | None, Option(name="--word", metavar="TEXT", help="What to say.")] = None,
    times: Annotated[int, Option(name="--times", help="How often.")] = 1,
) -> Outcome:
    """Greet a drop."""
    return Outcome(data=[arguments.source, arguments.work, arguments.settings["proxy"]["epochs"], words, times])


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a package that brings one command, which needs these libraries."""

    def install(*libraries: str) -> None:
        folder = tmp_path / "greeting-1.0.dist-info"
        folder.mkdir()
        needs = [f'Requires-Dist: {library}; extra == "polite"' for library in libraries]
        needs += ['Requires-Dist: greeting[more]; extra == "polite"', 'Requires-Dist: no-such-z; extra == "other"']
        needs += ['Requires-Dist: no-such-y; extra == "more"'] if "no-such-x" in libraries else []
        (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", "Name: greeting", "Version: 1.0", *needs]))
        (folder / "entry_points.txt").write_text(
            f"[telltale.commands]\nhello = {__name__}:hello [polite]\nagain = {__name__}:hello\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


def test_a_package_brings_a_command(installed) -> None:
    installed("pytest")
    commands = extensions.commands()
    assert [commands[name]().data for name in ("hello", "again")] == ["hello", "hello"]


def test_a_command_whose_extra_is_absent_says_how_to_install_it(installed) -> None:
    installed("pytest", "no-such-x")
    commands = extensions.commands()
    assert commands["again"]().data == "hello"
    with pytest.raises(ConfigError, match=r'needs no-such-x, no-such-y, not .*pip install "greeting\[polite\]"'):
        commands["hello"]()


def test_the_bench_and_the_comparison_come_with_the_extra_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"bench", "compare", "deploy", "worker"} <= set(COMMANDS)
    [entry] = metadata.entry_points(group=extensions.GROUP, name="compare")
    assert extensions.missing(entry, "bench") == []
    monkeypatch.setattr(extensions, "_installed", lambda library: library not in {"cleanlab", "soundfile"})
    assert sorted(extensions.missing(entry, "bench")) == ["cleanlab", "soundfile"]


def test_a_command_of_an_extension_ends_as_every_command_does() -> None:
    shown = CliRunner().invoke(app, ["compare", "--help"])
    assert shown.exit_code == 0
    assert "Exit codes" in shown.output


def test_a_command_without_typer_gets_its_options_and_those_of_every_command_on_a_drop(tmp_path: Path) -> None:
    greeter = typer.Typer(rich_markup_mode=None)
    greeter.command()(command(extensions.for_typer(greet)))
    words = ["./drop", "--word=a", "--word=b", "--work", str(tmp_path), "--set=proxy.epochs=7", "--json"]
    shown = CliRunner().invoke(greeter, words)
    assert json.loads(shown.stdout) == ["./drop", str(tmp_path), 7, ["a", "b"], 1]
    assert CliRunner().invoke(greeter, ["./drop", "--times=often"]).exit_code == 2
    assert CliRunner().invoke(greeter, ["./drop", "--set=proxy.epoch=7"]).exit_code == 2
    text = " ".join(CliRunner().invoke(greeter, ["--help"]).output.split())
    order = ["SRC", "--word TEXT", "What to say.", "--times", "How often. [default: 1]", "--work", "--config", "--set"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
