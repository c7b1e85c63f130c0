from __future__ import annotations

from pathlib import Path

import pytest

from flows.settings import as_options, inbox_folders, read_settings, standing_settings
from telltale_core.config import from_dict, to_dict
from telltale_core.errors import ConfigError
from telltale_core.stages import CleanseConfig, picture_size, settings_of


def test_settings_written_as_options_are_read_back_as_the_same_settings(tmp_path: Path) -> None:
    file = tmp_path / "telltale.toml"
    file.write_text(
        '[drop]\nlabel_names = ["a b", "c"]\n[drop.limits]\nmax_rows = 7\n[proxy]\nlr = 0.02\nepochs = 30\n'
    )
    settings = to_dict(read_settings(file, ["proxy.epochs=20"]))
    options = as_options(settings)
    assert "--set=proxy.epochs=20" in options
    assert len(options) == 4
    assert to_dict(read_settings(None, [option.removeprefix("--set=") for option in options])) == settings
    assert as_options(to_dict(read_settings(None, []))) == []


def test_later_settings_win(tmp_path: Path) -> None:
    file = tmp_path / "telltale.toml"
    file.write_text("[proxy]\nepochs = 5\nwidth = 8\n")
    settings = read_settings(file, ["proxy.width=16"], base={"proxy": {"epochs": 3, "width": 4, "lr": 0.02}})
    assert (settings.proxy.epochs, settings.proxy.width, settings.proxy.lr) == (5, 16, 0.02)


@pytest.mark.parametrize("content", [b"[proxy\n", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "telltale.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"telltale\.toml is not valid TOML"):
        read_settings(file, [])


DATASETS = """
[drop]
image_size = 32
[publish]
unread = "drop"
[datasets.signs.drop]
label_column = "label"
[datasets.signs.publish]
unread = "keep"
[datasets.birds.drop]
image_size = 64
"""


def test_a_dataset_has_settings_of_its_own_over_the_general_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "telltale.toml"
    file.write_text(DATASETS)
    signs = read_settings(file, [], destination="s3://clean/signs/")
    assert (signs.drop.image_size, signs.drop.label_column, signs.publish.unread) == (32, "label", "keep")
    birds = read_settings(file, ["publish.unread=review"], destination=str(tmp_path / "birds"))
    assert (birds.drop.image_size, birds.drop.label_column, birds.publish.unread) == (64, None, "review")
    other = read_settings(file, [], destination="s3://clean/cars")
    assert (other.drop.image_size, other.publish.unread) == (32, "drop")
    assert read_settings(file, []) == other
    assert "the tables [datasets.NAME] have no effect here" in caplog.text


def test_a_deployment_keeps_the_tables_of_all_datasets_and_a_run_takes_its_own(tmp_path: Path) -> None:
    file = tmp_path / "telltale.toml"
    file.write_text(DATASETS)
    kept = standing_settings(file, ["proxy.epochs=7", "datasets.cars.drop.image_size=16"])
    assert kept == {
        "drop": {"image_size": 32},
        "publish": {"unread": "drop"},
        "proxy": {"epochs": 7},
        "datasets": {
            "signs": {"drop": {"label_column": "label"}, "publish": {"unread": "keep"}},
            "birds": {"drop": {"image_size": 64}},
            "cars": {"drop": {"image_size": 16}},
        },
    }
    run = settings_of(kept, "s3://clean/signs")
    assert (run.drop.label_column, run.proxy.epochs) == ("label", 7)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[datasets.signs.drop]\nlabel_colum = 'x'\n", r"datasets\.signs\.drop\.label_colum is not a setting"),
        (
            "[datasets]\nsigns = 3\n",
            r"settings\.datasets\.signs must be a table of settings, such as \[datasets\.signs\], got 3",
        ),
        ("datasets = 3\n", r"settings\.datasets must be a table that holds .*, such as \[datasets\.NAME\], got 3"),
    ],
)
def test_a_wrong_table_of_any_dataset_is_named_whichever_runs(tmp_path: Path, content: str, named: str) -> None:
    file = tmp_path / "telltale.toml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=named):
        read_settings(file, [], destination="s3://clean/birds")
    with pytest.raises(ConfigError, match=named):
        standing_settings(file, [])


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


def test_the_folders_of_the_inbox_are_no_settings_of_a_run_and_are_checked_with_them(tmp_path: Path) -> None:
    file = tmp_path / "telltale.toml"
    file.write_text(DATASETS + '[datasets.cars]\ninbox = ["team-a/cars"]\n[datasets.signs]\ninbox = ["signs"]\n')
    assert inbox_folders(file, []) == {"cars": ["team-a/cars"], "signs": ["signs"]}
    assert set(standing_settings(file, [])["datasets"]) == {"signs", "birds"}
    assert read_settings(file, [], destination="s3://clean/signs").drop.label_column == "label"
    file.write_text(DATASETS + '[datasets.cars]\ninbox = ["../signs"]\n')
    for read in (read_settings, standing_settings, inbox_folders):
        with pytest.raises(ConfigError, match=r"datasets\.cars\.inbox: '\.\./signs' is no folder below the inbox"):
            read(file, [])


@pytest.mark.parametrize(
    ("wrong", "meant"), [("priorty = 1", "priority"), ('inbx = ["a"]', "inbox"), ("prxy = 1", "proxy")]
)
def test_a_wrong_name_in_a_datasets_table_is_told_with_the_one_that_was_meant(
    tmp_path: Path, wrong: str, meant: str
) -> None:
    file = tmp_path / "telltale.toml"
    file.write_text(f"[datasets.signs]\n{wrong}\n")
    name = wrong.split(" ", maxsplit=1)[0]
    with pytest.raises(ConfigError, match=rf"datasets\.signs\.{name} is not a setting, did you mean {meant}\?"):
        read_settings(file, [])
