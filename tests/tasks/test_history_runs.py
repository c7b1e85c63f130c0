"""The page of a dataset names its runs: those that publish there, whatever else is called so."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from tasks import history

RUN = "0e9c4a6e-5d5c-4f6e-9c53-1a2b3c4d5e6f"


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[tuple[UUID, list[str]]]:
    """What a run that an operator began in the form, with a tag of his own, sends to the server."""
    sent: list[tuple[UUID, list[str]]] = []
    client = SimpleNamespace(update_flow_run=lambda run, tags: sent.append((run, tags)))
    monkeypatch.setattr(history, "get_client", lambda **_: contextlib.nullcontext(client))
    parameters = {"source": "s3://raw/inbox/signs/monday", "destination": "s3://clean/signs"}
    monkeypatch.setattr(history, "flow_run", SimpleNamespace(id=RUN, tags=["mine"], parameters=parameters))
    monkeypatch.setattr(history.keys, "flow_run", SimpleNamespace(parameters=parameters))
    return sent


def test_a_run_of_the_form_gets_the_tags_by_which_its_datasets_page_finds_it(
    updates: list[tuple[UUID, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    history.tag_run()
    tags = ["mine", "dataset:signs", "drop:monday"]
    assert updates == [(UUID(RUN), tags)]
    monkeypatch.setattr(history, "flow_run", SimpleNamespace(id=RUN, tags=tags))
    history.tag_run()
    assert len(updates) == 1  # those of the inbox have them


def test_a_failure_is_on_the_datasets_page_and_a_wait_for_a_person_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, str]] = []
    monkeypatch.setattr(history, "show_history", lambda *said: shown.append(said))
    with pytest.raises(ValueError, match="bad"), history.noting_failure("s3://clean/signs"):
        raise ValueError("bad")
    with pytest.raises(KeyboardInterrupt), history.noting_failure("s3://clean/signs"):
        raise KeyboardInterrupt  # as Prefect's signals, it is no Exception
    assert shown == [("s3://clean/signs", "Failed")]


def test_a_dataset_without_a_version_has_a_page_without_a_table_or_a_picture() -> None:
    assert history.markdown("s3://clean/signs", []) == "# s3&#58;//clean/signs\n\nNothing is published yet.\n"


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
    assert runs_of(dataset, "Completed") == ""
    with get_client(sync_client=True) as client:
        mine = begun(f"{tmp_path}/signs/", "cleanse signs/<b>monday")
        begun(dataset, "cleanse signs/sunday")
        others = [begun(f"{tmp_path}/elsewhere/signs", "other"), begun("s3://key:secret@clean/signs", "refused")]
    shown = runs_of(dataset, "Rejected", mine)
    assert re.search(r"monday.*<code>Rejected<", shown)  # the state in which the run that asks is about to end
    assert re.search(r"sunday.*<code>(Pending|Scheduled)<", shown)
    assert str(mine) in shown
    assert not any(str(other) in shown for other in others)
    assert "<b>" not in shown
