"""Inputs that are not held on the device are gathered from the packed file, batch by batch: the same bits."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from telltale_core.modality.image.net import ImageFront, channel_scaling
from telltale_core.proxy import ProxyConfig
from telltale_core.proxy.budget import estimate_bytes
from telltale_core.proxy.data import Resident, held_bytes, streams
from telltale_core.proxy.fitting import fit
from telltale_core.proxy.hardware import Hardware
from telltale_core.proxy.models import build

SCALING = {"mean": [127.0] * 3, "std": [60.0] * 3}
SMALL_MEMORY = """
import resource, sys
import numpy as np, torch
from telltale_core.modality.image.net import ImageFront, channel_scaling
from telltale_core.proxy.data import Resident

inputs = np.load(sys.argv[1], mmap_mode="r")
with open("/proc/self/status") as status:
    data_kb = next(int(line.split()[1]) for line in status if line.startswith("VmData"))
limit = data_kb * 1024 + inputs.nbytes // 2
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.array(inputs)
except MemoryError:
    print("too large to hold")
data = Resident(inputs, ImageFront(inputs.shape[1:], channel_scaling(inputs), "cpu"), "cpu")
for seed in range(20):
    index = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:128]
    assert torch.equal(data.packed(index), torch.from_numpy(inputs[index.numpy()]))
assert sum(len(data.rows(slice(at, at + 64))) for at in range(0, len(data), 64)) == len(inputs)
print("streamed")
"""


def mapped(images: np.ndarray, folder: Path) -> np.ndarray:
    np.save(folder / "inputs.npy", images)
    array: np.ndarray = np.load(folder / "inputs.npy", mmap_mode="r")
    return array


def test_gathered_batches_are_those_of_inputs_that_are_held(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 3)).astype(np.uint8)
    front = ImageFront((8, 8, 3), SCALING, "cpu")
    held, streamed = Resident(images, front, "cpu"), Resident(mapped(images, tmp_path), front, "cpu")
    index = torch.from_numpy(np.random.default_rng(1).integers(0, 200, 77))  # some rows more than once
    chance = torch.rand(77)
    for part in (index, slice(190, 300)):
        assert streamed.rows(part).numpy().tobytes() == held.rows(part).numpy().tobytes()
    assert torch.equal(streamed.rows(index, chance), held.rows(index, chance))
    assert len(streamed) == len(held) == 200


@pytest.mark.slow
def test_inputs_larger_than_memory_are_read_with_little_of_it(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npy"
    large = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(6_000, 160, 160, 3))
    large[::500] = np.random.default_rng(0).integers(0, 256, (12, 160, 160, 3))  # the rest are holes in the file
    large.flush()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SMALL_MEMORY, str(path)], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["too large to hold", "streamed"], done.stderr[-2000:]


@pytest.mark.trains
def test_losses_are_the_same_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    images, labels = rng.integers(0, 256, (120, 8, 8, 3)).astype(np.uint8), np.arange(120) % 3
    config = ProxyConfig(epochs=2, width=4, batch_size=20, device="cpu", threads=1, precision="float32")
    logs: list[list[bytes]] = []
    for inputs in (images, mapped(images, tmp_path)):
        losses: list[bytes] = []
        fit(inputs, labels, 3, config, lambda snapshot, into=losses: into.append(snapshot.log_loss.tobytes()))
        logs.append(losses)
    assert len(logs[0]) == 2 * config.settled("image").snapshots_per_epoch
    assert logs[0] == logs[1]


def test_a_gpu_holds_inputs_that_take_up_to_half_of_its_memory() -> None:
    images, front = np.zeros((1000, 8, 8, 3), dtype=np.uint8), ImageFront((8, 8, 3), SCALING, "cpu")
    assert not streams(images, front, "cuda:0", 2 * images.nbytes)
    assert streams(images, front, "cuda:0", 2 * images.nbytes - 2)
    assert not streams(images, front, "cpu", 10)  # an array is in memory already


class Twice:
    """A front that keeps inputs in a form of its own."""

    shape = (4,)

    def prepare(self, inputs_N: np.ndarray) -> np.ndarray:
        return np.asarray(inputs_N, dtype=np.float32) * 2

    def __call__(self, packed_B: torch.Tensor, chance_B: torch.Tensor | None = None) -> torch.Tensor:
        return packed_B


def test_what_a_front_makes_of_inputs_is_made_by_the_batch_where_it_does_not_fit() -> None:
    inputs, front = np.random.default_rng(3).integers(0, 9, (50, 4)).astype(np.uint8), Twice()
    assert held_bytes(inputs, front) == 2 * 50 * 4 * 4
    few, many = Resident(inputs, front, "cpu", 100), Resident(inputs, front, "cpu", 10**6)
    assert streams(inputs, front, "cpu", 100)
    assert not streams(inputs, front, "cpu", 10**6)
    index = torch.tensor([7, 3, 49, 3])
    assert torch.equal(few.rows(index), many.rows(index))
    assert torch.equal(few.rows(slice(10, 20)), many.rows(slice(10, 20)))


def test_inputs_that_are_streamed_are_no_reason_to_refuse() -> None:
    inputs = np.broadcast_to(np.zeros((1, 8, 8, 3), dtype=np.uint8), (4_000_000, 8, 8, 3))
    data: Any = SimpleNamespace(inputs=inputs, task="classification")
    front = ImageFront((8, 8, 3), channel_scaling(np.zeros((2, 8, 8, 3))), "cpu")
    config = ProxyConfig(width=4, batch_size=20, record=()).settled("image")
    net = build("auto", "image", (8, 8, 3), 4, 4, seed=0)
    gpu = Hardware(device="cuda:0", precision="float32", threads=1)
    room = [
        estimate_bytes(net, front, data, config.replace(memory_limit_bytes=limit), gpu)
        for limit in (3 * inputs.nbytes, inputs.nbytes)
    ]
    assert room[0] - room[1] == inputs.nbytes
