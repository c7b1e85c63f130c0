"""The page of a dataset names its runs: those that publish there, whatever else is called so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.server
def test_the_page_of_a_dataset_links_its_runs_and_no_other_datasets(prefect_server: str, tmp_path: Path) -> None:
    from prefect.client.orchestration import get_client

    from flows.cleanse import cleanse
    from tasks import keys
    from tasks.history import runs_of

    def begun(destination: str, name: str) -> Any:
        parameters = {"source": "s3://raw/inbox/signs/monday", "destination": destination}
        tags = keys.tags(**parameters)
        return client.create_flow_run(cleanse, name=name, parameters=parameters, tags=tags).id

    dataset = f"{tmp_path}/signs"
    assert runs_of(dataset) == ""
    with get_client(sync_client=True) as client:
        mine = begun(f"{tmp_path}/signs/", "cleanse signs/<b>monday")
        others = [begun(f"{tmp_path}/elsewhere/signs", "other"), begun("s3://key:secret@clean/signs", "refused")]
    shown = runs_of(dataset)
    assert str(mine) in shown
    assert not any(str(other) in shown for other in others)
    assert "<b>" not in shown
