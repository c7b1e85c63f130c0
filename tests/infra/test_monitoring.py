"""Dashboard and alert rules ask for series that `telltale metrics` exports, and for no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

MONITORING = Path(__file__).parents[2] / "infra" / "monitoring"
ROOT = Path(__file__).parents[2]
EXPORTED = set(re.findall(r'"(telltale_\w+)"', (ROOT / "flows" / "metrics.py").read_text()))


def dashboard() -> list[str]:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    return list(group["rules"])


@pytest.mark.parametrize(
    "expressions", [dashboard, lambda: [rule["expr"] for rule in rules()]], ids=["panels", "rules"]
)
def test_what_is_asked_for_is_exported(expressions: Any) -> None:
    asked = {name for text in expressions() for name in re.findall(r"telltale_\w+", text)}
    assert asked
    assert asked <= EXPORTED


def test_each_number_is_on_the_dashboard_or_in_a_rule() -> None:
    asked = {
        name
        for text in [*dashboard(), *(rule["expr"] for rule in rules())]
        for name in re.findall(r"telltale_\w+", text)
    }
    assert asked == EXPORTED


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule["annotations"]) == {"summary", "todo"}
    assert rule["labels"]["severity"] in {"page", "ticket"}


def test_panels_do_not_lie_on_each_other() -> None:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
