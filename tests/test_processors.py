"""Threads are chosen by what is free: a busy host gets one, an idle one all that the process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from telltale_core import processors
from telltale_core.processors import allowed, free_threads, load_of_others
from telltale_core.proxy.config import ProxyConfig
from telltale_core.proxy.hardware import resolve_hardware


@pytest.mark.parametrize(
    ("allowed_count", "machine_count", "load", "threads"),
    [
        (2, 2, 0.0, 2),
        (2, 2, 0.4, 2),
        (2, 2, 1.0, 1),
        (2, 2, 15.5, 1),
        (8, 8, 3.0, 5),
        (4, 64, 20.0, 4),  # a container on a large machine that has room
        (4, 64, 62.0, 2),
        (1, 64, 0.0, 1),
    ],
)
def test_as_many_threads_as_processors_are_free(allowed_count, machine_count, load, threads):
    assert free_threads(allowed_count, machine_count, load) == threads


def test_a_quota_of_the_container_counts_as_affinity_does(tmp_path, monkeypatch):
    for place, text in (("", "max 100000"), ("pod", "150000 100000"), ("pod/box", "400000 100000")):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / "cpu.max").write_text(text + "\n")
    monkeypatch.setattr(processors, "CGROUPS", tmp_path)
    assert processors._quota_of(tmp_path) is None
    assert processors._quota_of(tmp_path / "pod" / "box") == 4.0
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next(line for line in lines if line.startswith("0::")).removeprefix("0::").lstrip("/")
    (tmp_path / own).mkdir(parents=True, exist_ok=True)
    assert processors._quota() == 0.5
    assert allowed() == 1


def test_a_training_on_a_busy_host_takes_one_thread_and_settings_are_obeyed(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    config = ProxyConfig(device="cpu")
    monkeypatch.setattr(os, "getloadavg", lambda: (1000.0, 0.0, 0.0))
    assert load_of_others() > 900
    assert resolve_hardware(config).threads == 1
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    assert resolve_hardware(config).threads == min(torch.get_num_threads(), allowed())
    assert resolve_hardware(config.replace(threads=3)).threads == 3
    monkeypatch.setattr(os, "getloadavg", lambda: (1000.0, 0.0, 0.0))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert resolve_hardware(config).threads == torch.get_num_threads()


@pytest.mark.parametrize(("stated", "count"), [("3", 3), ("0", 2), ("", 2), ("many", 2)])
def test_threads_are_as_many_as_were_asked_for_or_processors_are_free(
    stated: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", stated)
    monkeypatch.setattr(processors, "allowed", lambda: 2)
    monkeypatch.setattr(processors, "load_of_others", lambda: 0.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert processors.threads() == count
