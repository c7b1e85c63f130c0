"""The UI's graph of a run is a chain: each stage follows the one before, and nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def parents(prefect_server: str) -> Callable[[Any], dict[str, list[str]]]:
    """Ask the server for the graph of a flow run: the stages, and which each is drawn after."""
    from prefect.client.orchestration import get_client

    def ask(flow_run: Any) -> dict[str, list[str]]:
        deadline = time.monotonic() + 60
        with get_client(sync_client=True) as client:
            while True:
                nodes = dict(client.request("GET", f"/flow_runs/{flow_run}/graph-v2").json()["nodes"])
                names = {name: node["label"].split()[0] for name, node in nodes.items()}
                if len(nodes) == 6 and {node["state_type"] for node in nodes.values()} == {"COMPLETED"}:
                    return {
                        names[name]: sorted({names[up["id"]] for up in node["parents"]}) for name, node in nodes.items()
                    }
                assert time.monotonic() < deadline, names
                time.sleep(0.3)

    return ask


def test_each_stage_is_drawn_after_the_one_before_and_the_log_tells_the_story(
    run_cleanse: Callable[..., Any], parents: Callable[[Any], dict[str, list[str]]], small_settings: dict[str, Any]
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

    run = run_cleanse(small_settings).state_details.flow_run_id
    assert parents(run) == {
        "ingest": [],
        "train": ["ingest"],
        "spectrum": ["train"],
        "cluster": ["spectrum"],
        "report": ["cluster"],
        "publish": ["report"],
    }
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
    deadline = time.monotonic() + 60
    with get_client(sync_client=True) as client:
        assert "dataset:out" in client.read_flow_run(run).tags  # nobody gave it any
        lines = client.read_logs(wanted)
        while not any("ended as" in one.message for one in lines):
            assert time.monotonic() < deadline, lines
            time.sleep(0.3)
            lines = client.read_logs(wanted)
    topics = [one.message.split(":")[0] for one in lines if ":" in one.message]
    assert [word for word in topics if word in {"drop", "training", "verdict", "counts", "published"}] == [
        "drop", "training", "verdict", "counts", "published",
    ]  # fmt: skip
    of_prefect = re.compile(r"Finished in state|Beginning flow run|View at|Created task run|Executing")
    own = [one.message for one in lines if one.task_run_id is None and not of_prefect.match(one.message)]
    assert 6 <= len(own) <= 10, own  # two more where another pool trains: that it waits, and how long it waited
    assert any("600 rows = 600 read + 0 rejected" in one.message for one in lines)
    assert any("training: 10 epochs on cpu" in one.message for one in lines)
