from __future__ import annotations

from pathlib import Path

import pytest

from flows.settings import as_options, read_settings
from telltale_core.config import to_dict
from telltale_core.errors import ConfigError


def test_settings_written_as_options_are_read_back_as_the_same_settings(tmp_path: Path) -> None:
    file = tmp_path / "telltale.toml"
    file.write_text(
        '[drop]\nlabel_names = ["a b", "c"]\n[drop.limits]\nmax_rows = 7\n[proxy]\nlr = 0.02\nepochs = 30\n'
    )
    given = to_dict(read_settings(file, ["proxy.epochs=20"]))
    options = as_options(given)
    assert "--set=proxy.epochs=20" in options
    assert len(options) == 4
    assert to_dict(read_settings(None, [option.removeprefix("--set=") for option in options])) == given
    assert as_options(to_dict(read_settings(None, []))) == []


def test_later_settings_win(tmp_path: Path) -> None:
    file = tmp_path / "telltale.toml"
    file.write_text("[proxy]\nepochs = 5\nwidth = 8\n")
    made = read_settings(file, ["proxy.width=16"], base={"proxy": {"epochs": 3, "width": 4, "lr": 0.02}})
    assert (made.proxy.epochs, made.proxy.width, made.proxy.lr) == (5, 16, 0.02)


@pytest.mark.parametrize("content", [b"[proxy\n", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "telltale.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"telltale\.toml is not valid TOML"):
        read_settings(file, [])
