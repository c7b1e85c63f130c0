from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest


@pytest.fixture
def run_cleanse(prefect_server: str, tmp_path: Path, small_drop: Path, small_work: Path) -> Callable[..., Any]:
    """Call the flow on the small drop in the shared work area, publishing below ``tmp_path``; returns its state."""
    from flows.cleanse import cleanse

    def run(settings: dict[str, Any], **options: Any) -> Any:
        work = str(options.pop("work", small_work))
        return cleanse(str(small_drop), str(tmp_path / "out"), work, config=settings, return_state=True, **options)

    return run


@pytest.fixture
def stage_states(prefect_server: str) -> Callable[[UUID], dict[str, str]]:
    """Ask the server how each stage of a flow run ended: ``{"train": "Cached", ...}``."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    def ask(flow_run: UUID) -> dict[str, str]:
        chosen = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run]))
        deadline = time.monotonic() + 60
        with get_client(sync_client=True) as client:
            while True:  # task runs reach the server as events, a moment later
                runs = client.read_task_runs(flow_run_filter=chosen)
                if len(runs) == 6 and all(run.state is not None and run.state.is_final() for run in runs):
                    return {run.name.split()[0]: str(run.state_name) for run in runs}
                assert time.monotonic() < deadline, f"not final: {[(run.name, run.state_name) for run in runs]}"
                time.sleep(0.3)

    return ask
