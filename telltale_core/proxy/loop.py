"""The inner loop that every training shares: one proxy, one epoch at a time, with or without snapshots.

Everything random in an epoch comes from a generator seeded by (seed, epoch): a resumed run replays nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_core import stopping
from telltale_core.errors import ConfigError, OverBudget, TrainingDiverged
from telltale_core.proxy import sharing
from telltale_core.proxy.config import SettledConfig
from telltale_core.proxy.data import Resident
from telltale_core.proxy.hardware import Hardware
from telltale_core.proxy.models import ProxyNet, folded
from telltale_core.proxy.objective import Objective
from telltale_core.proxy.progress import Ticker
from telltale_core.proxy.ranks import Task, Team
from telltale_core.proxy.shards import Shards

WARMUP_STEPS = 100  # at most, and at most a twentieth of the run
LOWEST_RATE = 0.02  # of lr, at the end of the decay
# A snapshot's batch: 256 images of 32 x 32 on a CPU (1,024 were no faster), 4,096 on a GPU.
EVALUATION_PIXELS = {"cpu": 1 << 18, "cuda": 1 << 22}
CUDA_CHECK_STEPS = 50  # reading a loss back makes the GPU wait; a CPU reads every one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """What one frozen model says of all samples: ``log_loss`` (N,) float32; ``score``, accuracy or R squared."""

    epoch: int
    step: int
    log_loss: NDArray[np.float32]
    score: float


@dataclass(slots=True)
class Timings:
    """Seconds spent: in optimiser steps, in snapshots' evaluation passes, in writing losses and checkpoints."""

    train_s: float = 0.0
    snapshot_s: float = 0.0
    write_s: float = 0.0


@dataclass(kw_only=True)
class Trainer:
    """One proxy in training; ``net`` is what is saved, ``step`` counts the optimiser steps taken."""

    net: ProxyNet
    data: Resident
    objective: Objective
    config: SettledConfig
    hardware: Hardware
    seed: int
    augment: bool
    deadline_at: float = math.inf
    clip: float | None = None
    """The largest norm that a step's gradient may have."""
    step: int = 0
    learnt: torch.Tensor | None = None
    """The rows that are learnt from; all where None. Snapshots are of all rows."""
    on_outputs: Callable[[int, torch.Tensor], None] | None = None
    """Called at every snapshot with the epoch and the outputs for all samples, (N, K) on the device."""
    team: Team | None = None
    """The processes that share the snapshots, and the shards of a step; of them this is rank 0."""
    timings: Timings = field(default_factory=Timings)

    def __post_init__(self) -> None:
        self.net.to(self.hardware.device)
        self._random: dict[str, torch.Tensor] | None = None
        self.samples = len(self.data) if self.learnt is None else len(self.learnt)
        self.batch = self.config.batch_for(self.samples)
        self.steps_per_epoch = self.samples // self.batch
        self.steps = self.steps_per_epoch * self.config.epochs
        self.evaluated_at_once = evaluation_batch(self.data.front.shape, self.hardware)
        # fullgraph is not asked for: a registered model may break the graph
        self._forward: Callable[[torch.Tensor], torch.Tensor] = (
            torch.compile(self.net) if self.config.compile else self.net
        )
        self._sgd = torch.optim.SGD(
            self.net.parameters(),
            lr=self.config.lr,
            momentum=self.config.momentum,
            nesterov=self.config.momentum > 0,
            weight_decay=self.config.weight_decay,
        )
        shards = self.config.shards
        self.shards = Shards(self.net, self._loss, self.batch, shards, self.seed) if shards > 1 else None

    def run_epoch(self, epoch: int, ticker: Ticker, on_snapshot: Callable[[Snapshot], None] | None = None) -> None:
        """Train one epoch, or the rest of it; with ``on_snapshot``, hand every snapshot's losses over.

        Raises :class:`TrainingDiverged` on a non-finite loss and, between two steps, :class:`OverBudget` past the
        deadline and :class:`Stopped` where the process was told to end: :meth:`state` is whole then.
        """
        orders, chances = self.draw(epoch)
        marks = snapshot_steps(self.steps_per_epoch, self.config.snapshots_per_epoch) if on_snapshot else frozenset()
        if self._random is not None:
            self.hardware.restore_random(self._random)
            self._random = None
        self.net.train()
        began, check = time.perf_counter(), 1 if self.hardware.kind == "cpu" else CUDA_CHECK_STEPS
        losses: list[torch.Tensor] = []
        for s in range(self.step - epoch * self.steps_per_epoch, self.steps_per_epoch):
            self._may_go_on()
            losses.append(self._update(orders[s], chances[s] if chances is not None else None))
            last = s == self.steps_per_epoch - 1
            if last or s in marks or len(losses) >= check or ticker.due():
                loss = self._checked(losses, epoch)
                losses.clear()
                if s in marks and on_snapshot:
                    self.hardware.synchronise()
                    self.timings.train_s += time.perf_counter() - began
                    snapshot = self.snapshot(epoch)
                    ticker.score = snapshot.score
                    on_snapshot(snapshot)
                    self.net.train()
                    began = time.perf_counter()
                if last or ticker.due():
                    ticker.tell(epoch + last, self.step, loss)
        self.hardware.synchronise()
        self.timings.train_s += time.perf_counter() - began

    def snapshot(self, epoch: int) -> Snapshot:
        """Return every sample's loss under the present weights: evaluation mode, no augmentation."""
        began = time.perf_counter()
        kept: list[torch.Tensor] = []
        if self.team is None or self.on_outputs is not None:
            parts = self.outputs() if self.on_outputs is None else self._keeping(kept)
            log_loss_N, answered_N = sharing.evaluated(parts, self.objective)
        else:
            self.team.tell(Task.EVALUATE, self.step)
            self.team.share(self.net.state_dict().values())
            own = sharing.evaluated(self.outputs(self.team), self.objective)
            log_loss_N, answered_N = sharing.gathered(self.team, own, len(self.data), self.evaluated_at_once)
        finite = torch.isfinite(log_loss_N)
        if not bool(finite.all()):
            raise self._diverged(epoch, f"{int((~finite).sum())} of {len(self.data)} samples have a non-finite loss")
        score = self.objective.score(answered_N)
        if self.on_outputs is not None:
            self.on_outputs(epoch, torch.cat(kept))
        self.timings.snapshot_s += time.perf_counter() - began
        return Snapshot(epoch=epoch, step=self.step, log_loss=log_loss_N.float().cpu().numpy(), score=score)

    def outputs(self, team: Team | None = None) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield rows and their outputs, (B, K) float32 on the device, until all samples, or its own, are through."""
        self.net.eval()
        first, every = (0, 1) if team is None else (team.rank, team.size)
        return batches(self._forward, self.data, self.hardware, first, every)

    def _keeping(self, kept: list[torch.Tensor]) -> Iterator[tuple[slice, torch.Tensor]]:
        for rows, outputs_BK in self.outputs():
            kept.append(outputs_BK)
            yield rows, outputs_BK

    def draw(self, epoch: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the epoch's batches as sample numbers (S, B) and, where samples are varied, a chance for each."""
        words = np.random.SeedSequence([self.seed, epoch]).generate_state(2, np.uint64)
        generator = torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))
        shape = (self.steps_per_epoch, self.batch)
        order = torch.randperm(self.samples, generator=generator)[: shape[0] * shape[1]].view(shape)
        if self.learnt is not None:
            order = self.learnt[order]
        chance = torch.rand(shape, generator=generator).to(self.hardware.device) if self.augment else None
        torch.manual_seed(int(words[1] >> np.uint64(1)))  # for what a registered model draws itself, such as dropout
        return order.to(self.hardware.device), chance

    def _may_go_on(self) -> None:
        """Raise where the process was told to end, or past the deadline."""
        stopping.check(f"the training stands at step {self.step} of {self.steps}")
        if time.monotonic() > self.deadline_at:
            raise OverBudget(
                f"deadline_s = {self.config.deadline_s:g} passed at step {self.step} of {self.steps}; run again with a "
                "larger one, a checkpointed training goes on from there"
            )

    def _update(self, index_B: torch.Tensor, chance_B: torch.Tensor | None) -> torch.Tensor:
        """Take one optimiser step and return the batch's loss, still on the device."""
        for group in self._sgd.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, self.config)
        if self.shards is not None:
            if self.team is not None:
                self.team.tell(Task.STEP, self.step)
                self.team.share(self.net.state_dict().values())
            loss = self.shards.apply(self.shards.total(self.step, index_B, chance_B, self.team))
        else:
            loss = self._loss(index_B, chance_B)
            self._sgd.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        self._sgd.step()
        self.step += 1
        return loss.detach()

    def _loss(self, index_B: torch.Tensor, chance_B: torch.Tensor | None) -> torch.Tensor:
        with self.hardware.autocast():
            outputs_BK = self._forward(self.data.rows(index_B, chance_B))
        return self.objective.loss(outputs_BK, index_B)

    def _checked(self, losses: list[torch.Tensor], epoch: int) -> float:
        mean = float(torch.stack(losses).mean())
        if not math.isfinite(mean):
            raise self._diverged(epoch, f"the training loss is {mean}")
        return mean

    def _diverged(self, epoch: int, what: str) -> TrainingDiverged:
        rate = learning_rate(max(self.step - 1, 0), self.steps, self.config)
        return TrainingDiverged(
            f"{what} in epoch {epoch}, step {self.step}, at learning rate {rate:.3g}; try a smaller lr "
            f"({self.config.lr / 4:.3g}), precision 'float32', a larger batch_size, or another seed"
        )

    def state(self) -> dict[str, torch.Tensor]:
        """Return all tensors that the next step depends on: weights, batch statistics, momentum, random numbers.

        Those of the random numbers matter within an epoch alone: each begins with its own.
        """
        tensors = {f"random.{name}": value for name, value in self.hardware.random_state().items()}
        tensors |= {f"net.{name}": value for name, value in self.net.state_dict().items()}
        for name, parameter in self.net.named_parameters():
            buffer = self._sgd.state.get(parameter, {}).get("momentum_buffer")
            if buffer is not None:
                tensors[f"momentum.{name}"] = buffer
        return tensors

    def load_state(self, tensors: dict[str, torch.Tensor], step: int) -> None:
        """Take over a state made by :meth:`state` after ``step`` steps."""
        self.net.load_state_dict({n.removeprefix("net."): v for n, v in tensors.items() if n.startswith("net.")})
        for name, parameter in self.net.named_parameters():
            if f"momentum.{name}" in tensors:
                buffer = torch.empty_like(parameter, requires_grad=False).copy_(tensors[f"momentum.{name}"])
                self._sgd.state[parameter]["momentum_buffer"] = buffer
        self.step = step
        if step % self.steps_per_epoch:
            self._random = {n.removeprefix("random."): v for n, v in tensors.items() if n.startswith("random.")}


def learning_rate(step: int, steps: int, config: SettledConfig) -> float:
    """Return the rate of a step: a short linear warm-up, the full rate for ``lr_hold`` of the run, a linear decay."""
    warm = min(1.0, (step + 1) / max(1, min(WARMUP_STEPS, steps // 20)))
    done = step / steps
    decay = 1.0 if done < config.lr_hold else max(LOWEST_RATE, (1.0 - done) / (1.0 - config.lr_hold))
    return config.lr * warm * decay


def snapshot_steps(steps_per_epoch: int, snapshots: int) -> frozenset[int]:
    """Return after which steps of an epoch a snapshot is taken, evenly spread, the last at the epoch's end."""
    if snapshots > steps_per_epoch:
        raise ConfigError(
            f"snapshots_per_epoch must be <= the {steps_per_epoch} steps of an epoch of this drop, got {snapshots}; "
            "choose fewer, or a smaller batch_size"
        )
    return frozenset(round(steps_per_epoch * (s + 1) / snapshots) - 1 for s in range(snapshots))


def evaluation_batch(shape: tuple[int, ...], hardware: Hardware) -> int:
    """Return how many inputs of a shape (H, W, C), (L, ids) or (D,) are evaluated at a time; the same all run long."""
    return min(4096, max(1, EVALUATION_PIXELS[hardware.kind] // max(1, math.prod(shape[:-1]))))


@torch.inference_mode()
def batches(
    net: Callable[[torch.Tensor], torch.Tensor], data: Resident, hardware: Hardware, first: int = 0, every: int = 1
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield rows and a net's outputs for them, (B, K) float32, in order; the caller has set evaluation mode.

    Of the batches the ``first`` and ``every`` so many after it.
    Of a million samples and a thousand labels all outputs would take gigabytes, and float64 losses of them four times
    as much.
    """
    if isinstance(net, ProxyNet) and hardware.kind == "cpu" and hardware.precision == "float32":
        net = folded(net)
    size = evaluation_batch(data.front.shape, hardware)
    for start in range(first * size, len(data), every * size):
        rows = slice(start, start + size)
        with hardware.autocast():
            outputs_BK = net(data.rows(rows)).float()
        yield rows, outputs_BK


def evaluate(net: Callable[[torch.Tensor], torch.Tensor], data: Resident, hardware: Hardware) -> torch.Tensor:
    """Return a net's outputs for all inputs, (N, K) float32; the caller has set evaluation mode."""
    return torch.cat([outputs_BK for _, outputs_BK in batches(net, data, hardware)])
