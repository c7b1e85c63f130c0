from __future__ import annotations

from pathlib import Path

import pytest

from flows.settings import as_options, read_settings
from telltale_core.config import from_dict, to_dict
from telltale_core.errors import ConfigError
from telltale_core.stages import CleanseConfig, picture_size


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


def test_pictures_are_larger_where_a_gpu_trains_and_as_ever_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def size(*, elsewhere: bool = False, **changed: object) -> object:
        settings = to_dict(from_dict(CleanseConfig, changed))
        return picture_size.drop_settings(settings, elsewhere=elsewhere)["largest_image"]

    assert size(proxy={"device": "cpu"}) is None
    assert size(elsewhere=True) == 224
    assert size(elsewhere=True, drop={"largest_image": 96}) == 96
    assert size(elsewhere=True, drop={"image_size": 48}) is None
    for gigabytes, side in ((4, None), (24, 224)):
        monkeypatch.setattr(picture_size, "_gpu_bytes", lambda _device, held=gigabytes: held * 10**9)
        assert size() == side
