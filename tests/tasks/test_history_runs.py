"""The page of a dataset names its runs: those that publish there, whatever else is called so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.server
def test_the_page_of_a_dataset_links_its_runs_and_no_other_datasets(
    prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client

    from flows.cleanse import cleanse
    from tasks import keys
    from tasks.history import runs_of

    def begun(destination: str, name: str) -> Any:
        parameters = {"source": "s3://raw/inbox/signs/monday", "destination": destination}
        tags = keys.tags(**parameters)
        return client.create_flow_run(cleanse, name=name, parameters=parameters, tags=tags).id

    dataset = f"{tmp_path}/signs"
    assert runs_of(dataset, "Completed") == ""
    with get_client(sync_client=True) as client:
        mine = begun(f"{tmp_path}/signs/", "cleanse signs/<b>monday")
        begun(dataset, "cleanse signs/sunday")
        others = [begun(f"{tmp_path}/elsewhere/signs", "other"), begun("s3://key:secret@clean/signs", "refused")]
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", str(mine))
    shown = runs_of(dataset, "Rejected")
    assert re.search(r"monday.*<code>Rejected<", shown)  # the state in which the run that asks is about to end
    assert re.search(r"sunday.*<code>(Pending|Scheduled)<", shown)
    assert str(mine) in shown
    assert not any(str(other) in shown for other in others)
    assert "<b>" not in shown
