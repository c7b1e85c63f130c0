"""One training by two processes, started by torchrun: the bytes of one, whole or resumed after one was killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from telltale_core.drop import Drop
from telltale_core.errors import ConfigError
from telltale_core.losslog import LossLog
from telltale_core.proxy import ProxyConfig, train
from telltale_core.proxy.checkpoint import checkpoint_path, load_record
from telltale_core.proxy.sharing import rows_of
from tests.support.loss_logs import log_bytes

ROOT, HELPING = Path(__file__).parents[2], "telltale_core.proxy.helping"
SETTINGS = {"epochs": 3, "width": 4, "batch_size": 20, "device": "cpu", "threads": 1}
SETTINGS["snapshots_per_epoch"] = 2  # as dying.py counts them


def arguments(drop: Drop, out: Path, settings: dict[str, object]) -> list[str]:
    file = out.parent / "settings.json"
    file.write_text(json.dumps(settings))
    return [str(drop.path), str(out), str(file)]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **more}


def torchrun(drop: Drop, out: Path, settings: dict[str, object]) -> None:
    """Train by two processes that torchrun starts."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", HELPING]
    subprocess.run([*command, *arguments(drop, out, settings)], env=environment(), cwd=ROOT, timeout=250, check=True)


def ranks(drop: Drop, out: Path, settings: dict[str, object], dies: int | None = None) -> list[int]:
    """Return how two processes ended that train together, started as torchrun starts them; one may be killed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "DIES": str(dies)}
    command = [sys.executable, "-m", HELPING if dies is None else "tests.scale.dying", *arguments(drop, out, settings)]
    team = [subprocess.Popen(command, env=environment(RANK=str(rank), **place), cwd=ROOT) for rank in range(2)]
    return [process.wait(timeout=250) for process in team]


@pytest.fixture(scope="module")
def alone(drop: Drop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "run"
    train(drop, out, ProxyConfig(**SETTINGS))
    return out


def same(out: Path, other: Path) -> bool:
    files = ["model-0.safetensors", "recordings/member-0/features.parquet"]
    return log_bytes(out) == log_bytes(other) and all((out / f).read_bytes() == (other / f).read_bytes() for f in files)


@pytest.mark.slow
@pytest.mark.trains
def test_two_processes_write_the_bytes_of_one(drop: Drop, alone: Path, tmp_path: Path) -> None:
    torchrun(drop, tmp_path / "run", SETTINGS)
    assert same(tmp_path / "run", alone)
    assert LossLog.open(tmp_path / "run" / "losslog", drop=drop).digest


@pytest.mark.slow
@pytest.mark.trains
def test_a_rank_that_is_killed_costs_an_epoch_and_no_byte(drop: Drop, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for rank in (1, 0):
        ended = ranks(drop, out, SETTINGS, dies=rank)
        assert ended[rank] == -signal.SIGKILL
        assert ended[1 - rank] > 0, "the other one does not wait for ever"
        assert load_record(checkpoint_path(out)).epoch == (1 if rank else 2)
    assert ranks(drop, out, SETTINGS) == [0, 0]
    assert same(out, alone)


@pytest.mark.slow
@pytest.mark.trains
def test_shards_are_summed_to_the_same_bytes_by_one_process_and_by_two(drop: Drop, alone: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "shards": 3}
    train(drop, tmp_path / "one", ProxyConfig(**settings))
    assert ranks(drop, tmp_path / "two", settings) == [0, 0]
    assert same(tmp_path / "two", tmp_path / "one")
    assert log_bytes(tmp_path / "one") != log_bytes(alone), "another recipe"


def test_one_shard_is_the_recipe_of_before_and_a_shard_of_one_sample_is_refused(drop: Drop, tmp_path: Path) -> None:
    config = ProxyConfig(**SETTINGS)
    assert "shards" not in config.recipe()
    assert config.replace(shards=2).recipe_digest() != config.recipe_digest()
    with pytest.raises(ConfigError, match="shards"):
        train(drop, tmp_path / "run", config.replace(shards=11))


def test_each_sample_is_evaluated_by_one_rank() -> None:
    rows = [rows_of(rank, 3, 10, 4).tolist() for rank in range(3)]
    assert rows == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert rows_of(1, 2, 4, 4).tolist() == []
