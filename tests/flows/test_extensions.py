"""Commands that other packages bring: loaded generically, and refused in one line where their extra is absent."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows import extensions
from flows.cli import COMMANDS, app
from flows.console import Outcome
from telltale_core.errors import ConfigError


def hello() -> Outcome:
    """Greet."""
    return Outcome(data="hello")


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
    found = extensions.commands()
    assert (found["hello"], found["again"]) == (hello, hello)


def test_a_command_whose_extra_is_absent_says_how_to_install_it(installed) -> None:
    installed("pytest", "no-such-x")
    found = extensions.commands()
    assert found["again"] is hello
    with pytest.raises(ConfigError, match=r'needs no-such-x, no-such-y, not .*pip install "greeting\[polite\]"'):
        found["hello"]()


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
