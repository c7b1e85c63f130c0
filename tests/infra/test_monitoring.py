"""Dashboard and alert rules ask for series that `telltale metrics` exports, and for no other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
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


EXPRESSIONS = {"panels": dashboard, "rules": lambda: [rule["expr"] for rule in rules()]}


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_what_is_asked_for_is_exported(where: str) -> None:
    asked = {name for text in EXPRESSIONS[where]() for name in re.findall(r"telltale_\w+", text)}
    assert asked
    assert asked <= EXPORTED


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_what_is_asked_of_prefects_server_is_exported_by_the_installed_one(where: str) -> None:
    """Its /api/metrics answers with its process's registry: the series of its modules, and those of any process."""
    import prometheus_client
    from prefect.server.utilities import worker_channel

    assert worker_channel.WORKER_CHANNEL_CONNECTIONS is not None
    families = list(prometheus_client.REGISTRY.collect())
    exported = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    asked = {name for text in EXPRESSIONS[where]() for name in re.findall(r"(?:prefect|process)_\w+", text)}
    assert asked
    assert asked <= exported


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


@pytest.fixture
def promtool() -> str:
    """Prometheus's own checker, of its release or of Debian's package prometheus; ``PROMTOOL`` may say where it is."""
    if not (program := os.environ.get("PROMTOOL") or shutil.which("promtool")):
        pytest.skip("promtool is not installed")
    return program


def output_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_rules_and_scrapes_and_raises_the_alarms_when_it_should(promtool: str) -> None:
    assert f"{len(rules())} rules found" in output_of(promtool, "check", "rules", str(MONITORING / "alerts.yaml"))
    output_of(promtool, "check", "config", "--syntax-only", str(MONITORING / "scrape.yaml"))
    output_of(promtool, "test", "rules", str(MONITORING / "alerts-test.yaml"))


def test_prometheus_parses_the_query_of_every_panel(promtool: str, tmp_path: Path) -> None:
    queries = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(dashboard())]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": queries}]}))
    assert f"{len(queries)} rules found" in output_of(promtool, "check", "rules", str(tmp_path / "panels.yaml"))


def test_every_alarm_is_played_both_ways() -> None:
    played = [
        case
        for one in yaml.safe_load((MONITORING / "alerts-test.yaml").read_text())["tests"]
        for case in one["alert_rule_test"]
    ]
    for rule in rules():
        raised = {bool(case.get("exp_alerts")) for case in played if case["alertname"] == rule["alert"]}
        assert raised == {True, False}, rule["alert"]


def test_grafana_can_import_the_dashboard_and_ask_which_prometheus() -> None:
    board = json.loads((MONITORING / "dashboard.json").read_text())
    assert board["title"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", board["uid"])
    assert isinstance(board["schemaVersion"], int)
    assert board.get("id") is None  # a number would be another server's
    [source] = [one for one in board["templating"]["list"] if one["type"] == "datasource"]
    assert source["query"] == "prometheus"
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": f"${{{source['name']}}}"}
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)


def test_panels_lie_in_the_grid_and_not_on_each_other() -> None:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
