"""A training that is told to end saves the step it is at, and goes on from there to the very same log."""

import os
import signal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core import stopping
from telltale_core.drop import DropConfig, ingest
from telltale_core.errors import OverBudget, Stopped
from telltale_core.proxy import ProxyConfig, train
from telltale_core.proxy.checkpoint import checkpoint_path, load_record
from telltale_core.proxy.loop import Trainer
from telltale_core.proxy.record import read_train_record


@pytest.fixture(autouse=True)
def anew():
    yield
    stopping.forget()


@pytest.fixture
def after_steps(monkeypatch):
    """Do something once so many optimiser steps were taken in this process."""
    update, plans = Trainer._update, {}
    taken = [0]

    def counted(self, *arguments):
        loss = update(self, *arguments)
        taken[0] += 1
        if act := plans.pop(taken[0], None):
            act()
        return loss

    monkeypatch.setattr(Trainer, "_update", counted)
    return plans


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Texts: half of their net's features are dropped by chance, at every step."""
    rng = np.random.default_rng(0)
    rows = [" ".join(rng.choice([f"w{n}" for n in range(30)], 6)) for _ in range(120)]
    file = tmp_path_factory.mktemp("texts") / "drop.parquet"
    pq.write_table(pa.table({"text": rows, "label": np.arange(120) % 2}), file)
    return ingest(str(file), tmp_path_factory.mktemp("drops"), DropConfig())


SETTINGS = ProxyConfig(epochs=3, width=4, batch_size=20, snapshots_per_epoch=2, device="cpu", threads=1)


@pytest.mark.trains
@pytest.mark.parametrize("kind", ["images", "texts"])
def test_stopped_at_any_step_it_loses_none(kind, drop, texts, tmp_path, log_bytes, after_steps):
    """10 or 8 steps an epoch, two snapshots: stopped before the first, between, right after one, at an epoch's end."""
    training_set = drop if kind == "images" else texts
    per_epoch = 10 if kind == "images" else 8
    stops = [1, per_epoch // 2, per_epoch // 2 + 1, per_epoch, per_epoch + 2, 3 * per_epoch - 1]
    after_steps |= {step: lambda: stopping.tell("SIGTERM") for step in stops}
    saved_steps = []
    for step in stops:
        with pytest.raises(Stopped, match=f"stands at step {step} of {3 * per_epoch}"):
            train(training_set, tmp_path / "stopped", SETTINGS)
        saved_steps.append(load_record(checkpoint_path(tmp_path / "stopped")).step)
        stopping.forget()
    assert saved_steps == stops
    train(training_set, tmp_path / "stopped", SETTINGS)
    train(training_set, tmp_path / "whole", SETTINGS)
    assert log_bytes(tmp_path / "stopped") == log_bytes(tmp_path / "whole")
    assert (tmp_path / "stopped" / "model-0.safetensors").read_bytes() == (
        tmp_path / "whole" / "model-0.safetensors"
    ).read_bytes()


@pytest.mark.trains
@pytest.mark.parametrize(("stated", "then"), [(0, 2), (1, 1)])
def test_what_goes_on_has_the_threads_that_it_began_with_unless_they_are_set(
    drop, tmp_path, after_steps, monkeypatch, stated, then
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("telltale_core.proxy.training.allowed", lambda: 4)
    free = iter([2, 3])
    monkeypatch.setattr("telltale_core.proxy.hardware._threads", lambda: next(free))
    after_steps |= {1: lambda: stopping.tell("SIGTERM")}
    with pytest.raises(Stopped):
        train(drop, tmp_path, SETTINGS.replace(threads=stated))
    stopping.forget()
    train(drop, tmp_path, SETTINGS.replace(threads=stated))
    assert read_train_record(tmp_path)["hardware"]["threads"] == then


@pytest.mark.trains
def test_a_deadline_saves_the_step_as_well(drop, tmp_path):
    with pytest.raises(OverBudget, match="deadline_s"):
        train(drop, tmp_path, SETTINGS.replace(epochs=100000, deadline_s=0.5))
    assert load_record(checkpoint_path(tmp_path)).step >= 0


def half_way(so):
    with stopping.in_order():
        os.kill(os.getpid(), signal.SIGTERM)
        assert so()
        stopping.check("half is done")


def test_a_signal_waits_for_the_block_and_then_reaches_who_handles_it():
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    try:
        with pytest.raises(Stopped, match="SIGTERM: half is done"):
            half_way(lambda: came == [] and stopping.requested_by() == "SIGTERM")
        assert came == [signal.SIGTERM]
        assert stopping.requested_by() == ""  # a notebook that trains again is not told to stop
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_that_nobody_handles_ends_work_as_stopped_not_the_process():
    with pytest.raises(Stopped):
        half_way(lambda: True)
