"""Settings from plain values: a value of another type is refused with a sentence, never bent until it fits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from telltale_core.config import ListOf, Settings, config_digest, from_dict, to_dict
from telltale_core.drop import DropConfig
from telltale_core.drop.config import Limits
from telltale_core.errors import ConfigError
from telltale_core.proxy import ProxyConfig
from telltale_core.stages import CleanseConfig

ROOT = Path(__file__).parent.parent


class Inner(Settings):
    width: int | None = Field(default=None, ge=1)
    share: float = Field(default=0.5, ge=0, lt=1)
    side: int = Field(default=8, ge=1, le=64)


class Example(Settings):
    mode: Literal["auto", "off"] = "auto"
    names: ListOf[str] | None = None
    rates: ListOf[float] = ()
    sizes: ListOf[Annotated[int, Field(ge=1)]] = Field(default=(1,), min_length=1)
    inner: Inner = Inner()


def test_the_default_settings_survive_a_round_trip() -> None:
    assert from_dict(CleanseConfig, to_dict(CleanseConfig())) == CleanseConfig()


def test_lists_become_tuples_of_their_elements_type() -> None:
    example = from_dict(Example, {"names": ["cat", "dog"], "sizes": [2, 3], "rates": [1, 0.5]})
    assert (example.names, example.sizes, example.rates) == (("cat", "dog"), (2, 3), (1.0, 0.5))
    assert isinstance(example.rates[0], float)
    assert to_dict(example)["names"] == ["cat", "dog"]


def test_a_text_is_not_a_list_of_its_letters() -> None:
    with pytest.raises(
        ConfigError, match=r"label_names must be a list, in a shell '.\"x\", \"z\".' with its quotes, got"
    ):
        from_dict(DropConfig, {"label_names": "x,z"}, "drop")
    with pytest.raises(ConfigError, match=r"in a shell '.1, 2.' with its quotes, got '1,2'"):
        from_dict(Example, {"sizes": "1,2"}, "example")


def test_the_settings_of_a_list_that_may_be_absent_may_be_none() -> None:
    assert from_dict(Example, {"names": None}).names is None


@pytest.mark.parametrize("flip", ["auto", True, False])
def test_a_choice_takes_its_own_values(flip: object) -> None:
    assert from_dict(ProxyConfig, {"flip": flip}).flip is flip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "of"}, "settings.mode must be one of 'auto', 'off', got 'of'"),
        ({"mode": True}, "settings.mode must be one of 'auto', 'off', got True"),
        ({"names": ["cat", 7]}, "settings.names[1] must be of type str, got 7"),
        ({"names": {"cat": 0}}, "settings.names must be a list, got {'cat': 0}"),
        ({"rates": ["high"]}, "settings.rates[0] must be of type float, got 'high'"),
        ({"rates": [float("nan")]}, "settings.rates[0] must be a finite number, got nan"),
        ({"sizes": [1, 0]}, "settings.sizes[1] must be >= 1, got 0"),
        ({"sizes": []}, "settings.sizes must have at least 1 elements, got ()"),
        ({"inner": {"width": True}}, "settings.inner.width must be of type int, got True"),
        ({"inner": {"width": 2.0}}, "settings.inner.width must be of type int, got 2.0"),
        ({"inner": {"width": "20"}}, "settings.inner.width must be of type int, got '20'"),
        ({"inner": {"width": 0}}, "settings.inner.width must be >= 1, got 0"),
        ({"inner": {"side": 65}}, "settings.inner.side must be in 1..64, got 65"),
        ({"inner": {"share": 1}}, "settings.inner.share must be in [0, 1), got 1"),
        ({"inner": {"share": True}}, "settings.inner.share must be of type float, got True"),
        ({"inner": 3}, "settings.inner must be a table of settings, such as [inner], got 3"),
        (
            {"inner": {"widht": 1}},
            "settings.inner.widht is not a setting, did you mean width? known settings: share, side, width",
        ),
        ({"colour": 1}, "settings.colour is not a setting; known settings: inner, mode, names, rates, sizes"),
        (
            {"mode": 1, "inner": {"side": 0}},
            "settings.mode must be one of 'auto', 'off', got 1; settings.inner.side must be in 1..64, got 0",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_whole_path_what_is_expected_and_what_was_found(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        from_dict(Example, values, "settings")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"drop": {"input_column": "a", "input_columns": ["b"]}},
            "settings.drop: give input_column or input_columns, not",
        ),
        (
            {"drop": {"label_column": "a", "target_column": "b"}},
            "settings.drop: give one of label_column, target_column",
        ),
        ({"drop": {"num_classes": 3, "label_names": ["a", "b"]}}, "num_classes is 3, but label_names has 2 names"),
        ({"drop": {"label_names": ["a", "a"]}}, "settings.drop.label_names must be different, non-empty texts"),
        ({"drop": {"modality": "smell"}}, "settings.drop.modality: modality 'smell' is not known"),
        ({"drop": {"accept_loss": ["alpa"]}}, "settings.drop.accept_loss[0] must be one of resized, alpha"),
        ({"drop": {"also_labels": ["a"], "label_column": "a"}}, "also_labels must name different columns, and not the"),
        ({"drop": {"limits": {"max_rows": 0}}}, "settings.drop.limits.max_rows must be > 0, got 0"),
        ({"proxy": {"seed": 2**32}}, "settings.proxy.seed must be in [0, 4294967296), got 4294967296"),
        ({"proxy": {"members": 2}}, "settings.proxy.members is not a setting; known settings: batch_size, clip, "),
        ({"spectrum": {"start": 0.5, "stop": 0.4}}, "settings.spectrum: start must be less than stop, got 0.5 and 0.4"),
        ({"verdict": {"dimensions": [4, 65]}}, "settings.verdict.dimensions[1] must be <= 64, got 65"),
        ({"verdict": {"with_history": 2}, "drop": {"also_labels": ["a"]}}, "settings: verdict.with_history joins one"),
    ],
)
def test_settings_that_contradict_each_other_are_named_with_the_cure(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        from_dict(CleanseConfig, values, "settings")


def test_settings_made_in_a_notebook_are_refused_by_the_name_of_their_stage() -> None:
    with pytest.raises(ConfigError, match=r"^proxy\.epochs must be >= 1, got 0$"):
        ProxyConfig(epochs=0)
    with pytest.raises(ConfigError, match=r"^proxy\.epoch is not a setting, did you mean epochs\?"):
        ProxyConfig().replace(epoch=3)
    assert ProxyConfig(epochs=2).replace(seed=1) == ProxyConfig(epochs=2, seed=1)


@pytest.mark.parametrize("flip", [1, 0])
def test_the_proxy_takes_no_number_for_flip(flip: int) -> None:
    with pytest.raises(ConfigError, match=r"flip must be one of"):
        from_dict(CleanseConfig, {"proxy": {"flip": flip}})


def table_of(readme: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading of a package's README, a list of cells each."""
    text = (ROOT / "telltale_core" / readme / "README.md").read_text(encoding="utf-8").split(heading, 1)[1]
    rows = re.search(r"\n((?:\|.*\n)+)", text)
    assert rows is not None
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[1].splitlines()[2:]]


def test_the_tables_of_settings_in_the_readmes_are_those_of_the_models() -> None:
    named = [
        name for row in table_of("proxy", "## Settings (`ProxyConfig`)") for name in re.findall(r"`(\w+)`", row[0])
    ]
    assert sorted(named) == sorted(ProxyConfig.model_fields)
    units = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "Hz": 1, "": 1}
    limits = {
        name: int(amount.replace(",", "")) * units[unit]
        for row in table_of("drop", "\n## Limits\n")
        for name, (amount, unit) in zip(
            re.findall(r"`(\w+)`", row[0]), re.findall(r"(\d[\d,]*\d|\d)(?: (\w+))?", row[1]), strict=True
        )
    }
    assert limits == to_dict(Limits())


CHANGED: dict[str, Any] = {
    "drop": {
        "label_names": ["cat", "dog"], "input_columns": ["a"], "num_classes": 2, "also_labels": ["x"],
        "accept_loss": ["alpha"], "limits": {"max_rows": 7}, "max_seconds": 3, "image_size": 32,
    },
    "proxy": {"lr": 1, "epochs": 20, "record": ["norms", "logits"], "clip": 2, "flip": False, "weight_decay": 0},
    "spectrum": {"start": 0, "whitening": 1},
    "verdict": {"dimensions": [4, 6], "min_ratio": 2},
    "report": {"cluster_picture": "tsne"},
    "publish": {"unread": "keep"},
    "scale": {"workers": 2},
}  # fmt: skip
WHOLE = (
    "95e01a10a98e373d4d9f3aeb29453b213e89c1c80bc60b68c0d641d7986d16ca",
    "b4331880c2c7018b75da96d5f0645714a3aaee45ed5a969529b589e1627e600b",
)
BY_STAGE = {
    "drop": (
        "508d2d9fb6698eae0b6831e7696a64957dda3aa40a081dfda42c1ab88c15c85f",
        "c427f9ba07c4562de61ecf792d785f190725a626b3a274b198c6280e6db6a5c3",
    ),
    "proxy": (
        "3a97c53f4083a31becb9c434f7a20fde3507c1b7b7b4fb445da4e7cfd23b7f04",
        "70a2200f261f8ab26808d56bd6408617566631c5640c8953be901b86d7d410cf",
    ),
    "spectrum": (
        "3fe360e1c49582b5e5d49c69f757c28edd29582aeb0126895f40c2d45dde0a9b",
        "db9944948b33f8af01450529248db2ecf72d0a941db0d769f19eda15633e0826",
    ),
    "verdict": (
        "3fe56443b100bd6b50495ac42a485ae282cebe5ccaf54f7ec0eace0d467ac21a",
        "4b1f1bfb5d5705923f6d972d92e519e73d7d76d50df6575c7f32961d148fd199",
    ),
    "report": (
        "b3b9efceadd17ef39b7e1e3070d86ae247f814613136aca53184f30f67534c9e",
        "31d22591b6888d9d50e1820846d0d6dcafcd4dca0d82bd1925a2cfd8acc52dbb",
    ),
    "publish": (
        "3dc42f25ecc712068051e28cfae9618c12dce7c6b2aacfa11279b2dfe5941910",
        "287f27d4571579d9387b1832b3cdf132ccd64ad4652acb9fafbd23fd93fbac26",
    ),
    "scale": (  # in no key: which means a run has may change
        "7bd09f27bb037b53f1665f3e518a7f16baaea3402a6de73445154835a832ea54",
        "4d81d532cea6637349daf619643d682e1f26656e3d61072ffbec974608584da7",
    ),
}
RECIPES = {
    "image": "91ecc6fe39037879f94267e2b4bc74609b033ea75e8e3a66b07cd18ebd14f3b8",
    "audio": "6cfe9d536c6eb4791e5a8876c10dcee41f88e0bb45f9e55efe6a9dd7f7f9745e",
    "text": "ba6ab67647710f6a00b9661ce7467e4d50b6823add5bf3baa1b734f5ad403a14",
    "table": "d4471a7c2b07dd7b5d849956faa7d61da375ed49dc3683416b071b375144761d",
    "open": "0e3c187ff7b9b149c97906cb482ea9e3d317f11140359ac09076a38674f17d03",
    "changed": "6bcc2b57e719cd5247090a3a30bc2d3df4c2945b30138deeb18dce34743fddbc",
}


def test_digests_are_those_of_earlier_releases_so_that_old_work_areas_stand() -> None:
    """Those of spectrum and verdict changed when ``recipe`` and ``method`` went and the second look became
    ``leave_out``, the proxy's when ``members`` and ``workers`` went, with its features, early answers and ``shards``.
    The drop's changed when it came to have splits, encodings, ``media_root``, ``unpack``, ``other_splits`` and
    ``decimal``: it is read again. That of publishing changed with ``mode``, the recipe of images with their two
    snapshots an epoch instead of four.
    """
    default, changed = CleanseConfig(), from_dict(CleanseConfig, CHANGED, "settings")
    digests = {name: (config_digest(value), config_digest(getattr(changed, name))) for name, value in default}
    assert digests == BY_STAGE
    assert (config_digest(default), config_digest(changed)) == WHOLE
    bare = default.proxy.replace(record=())  # the recipe of a training that records nothing is as it was
    recipes = {kind: bare.settled(kind).recipe_digest() for kind in ("image", "audio", "text", "table")}
    recipes |= {"open": bare.recipe_digest(), "changed": changed.proxy.recipe_digest()}
    assert recipes == RECIPES
