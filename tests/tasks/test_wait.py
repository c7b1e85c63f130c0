"""A run that waits for a training elsewhere: what it does meanwhile, and when it goes on."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from tasks import train_elsewhere

LOADED = """
import sys
from telltale_core import stages
heavy = ("torch", "sklearn.mixture", "matplotlib.figure")
assert not [name for name in heavy if name in sys.modules]
stages.load_libraries()
assert [name for name in heavy if name not in sys.modules] == []
"""


class Server:
    """Gives one state after another of a run, and notes what happens in between."""

    def __init__(self, *states: StateType) -> None:
        self.states, self.notes = list(states), list[str]()

    @contextlib.contextmanager
    def client(self, **_options: Any) -> Iterator[Server]:
        yield self

    def read_flow_run(self, run: Any) -> FlowRun:
        state = self.states.pop(0)
        self.notes.append(state.value)
        return FlowRun(id=run, flow_id=uuid4(), state=State(type=state))


def waited(server: Server, monkeypatch: pytest.MonkeyPatch, load: Any) -> FlowRun:
    monkeypatch.setattr(train_elsewhere, "get_client", server.client)
    monkeypatch.setattr(train_elsewhere, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(train_elsewhere, "LOOK_OFTEN_S", 0.05)
    monkeypatch.setattr(train_elsewhere.stages, "load_libraries", load)
    return train_elsewhere.wait(uuid4())


def test_a_run_imports_its_libraries_once_while_its_training_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.RUNNING, StateType.COMPLETED)
    assert waited(server, monkeypatch, lambda: server.notes.append("imported")).state.is_completed()
    assert server.notes == ["SCHEDULED", "PENDING", "RUNNING", "imported", "RUNNING", "COMPLETED"]


def test_a_run_imports_nothing_for_a_training_that_never_was_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(StateType.SCHEDULED, StateType.CRASHED)
    assert waited(server, monkeypatch, lambda: server.notes.append("imported")).state.is_crashed()
    assert "imported" not in server.notes


def test_a_library_that_is_not_sound_ends_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsound() -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    server = Server(StateType.RUNNING, StateType.COMPLETED)
    assert waited(server, monkeypatch, unsound).state.is_completed()


@pytest.mark.slow
def test_what_is_imported_is_what_later_stages_take_long_to_import() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
