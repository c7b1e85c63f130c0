"""Settings from plain values: a value of another type is refused with a sentence, never bent until it fits."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import pytest

from telltale_core.config import from_dict, to_dict
from telltale_core.drop import DropConfig
from telltale_core.errors import ConfigError
from telltale_core.stages import CleanseConfig


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    flip: Literal["auto", True, False] = "auto"
    level: Literal[1, 2] = 1
    names: tuple[str, ...] | None = None
    size: tuple[int, int] = (1, 1)
    rates: tuple[float, ...] = ()


def test_the_default_settings_survive_a_round_trip() -> None:
    assert from_dict(CleanseConfig, to_dict(CleanseConfig())) == CleanseConfig()


def test_lists_become_tuples_of_their_elements_type() -> None:
    made = from_dict(Example, {"names": ["cat", "dog"], "size": [2, 3], "rates": [1, 0.5]})
    assert (made.names, made.size, made.rates) == (("cat", "dog"), (2, 3), (1.0, 0.5))
    assert isinstance(made.rates[0], float)


def test_a_text_is_not_a_list_of_its_letters() -> None:
    with pytest.raises(ConfigError, match=r"drop\.label_names must be a list, got 'abc'"):
        from_dict(DropConfig, {"label_names": "abc"}, "drop")


def test_the_settings_of_a_list_that_may_be_absent_may_be_none() -> None:
    assert from_dict(Example, {"names": None}).names is None


@pytest.mark.parametrize("flip", ["auto", True, False])
def test_a_choice_takes_its_own_values(flip: object) -> None:
    assert from_dict(Example, {"flip": flip}).flip is flip


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"flip": 1}, r"flip must be one of 'auto', True, False, got 1"),
        ({"flip": 0.0}, r"flip must be one of"),
        ({"level": True}, r"level must be one of 1, 2, got True"),
        ({"level": 1.0}, r"level must be one of 1, 2, got 1\.0"),
        ({"names": ["cat", 7]}, r"names\[1\] must be of type str, got 7"),
        ({"names": {"cat": 0}}, r"names must be a list"),
        ({"size": [1, 2, 3]}, r"size must have 2 elements, got 3"),
        ({"size": [1, 2.5]}, r"size\[1\] must be of type int, got 2\.5"),
        ({"size": [1, True]}, r"size\[1\] must be of type int, got True"),
        ({"rates": ["high"]}, r"rates\[0\] must be of type float"),
        ({"colour": 1}, r"colour is not a setting; known settings: flip, level"),
    ],
)
def test_values_of_another_type_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        from_dict(Example, values)


@pytest.mark.parametrize("flip", [1, 0])
def test_the_proxy_takes_no_number_for_flip(flip: int) -> None:
    with pytest.raises(ConfigError, match=r"flip must be one of"):
        from_dict(CleanseConfig, {"proxy": {"flip": flip}})
