"""One training by several processes: torchrun, Ray or a test starts the same function in each.

On two processors::

    torchrun --nproc-per-node 2 -m telltale_core.proxy.helping DROP OUT [SETTINGS.json]
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from telltale_core.config import from_dict
from telltale_core.drop import Drop
from telltale_core.errors import ConfigError, Transient
from telltale_core.losslog import LossLog
from telltale_core.modality.drop_protocols import TrainingSet
from telltale_core.proxy import sharing
from telltale_core.proxy.config import ProxyConfig
from telltale_core.proxy.hardware import resolve_hardware, running
from telltale_core.proxy.job import Job, trainer_of
from telltale_core.proxy.loop import Trainer
from telltale_core.proxy.progress import ProgressCallback
from telltale_core.proxy.ranks import Task, Team, joined
from telltale_core.proxy.training import train

Drawn = dict[int, tuple[torch.Tensor, torch.Tensor | None]]


def train_together(
    drop: TrainingSet, out: Path, config: ProxyConfig | None = None, progress: ProgressCallback | None = None
) -> LossLog | None:
    """Return the loss log of a drop, as :func:`train` does, at rank 0; at the others None, once it is done.

    Called in each process of a group, or in one that is alone. The losses have the bits of one process, on one kind of
    processor. ``out`` is rank 0's. Raises at rank 0 as :func:`train` does; :class:`Transient` where a process was lost:
    started again, the training goes on after its last whole epoch.
    """
    with joined() as team:
        if team is None:
            return train(drop, out, config, progress)
        if team.rank:
            _help(team, drop, (config or ProxyConfig()))
            return None
        return _lead(team, drop, out, config, progress)


class _Leading(Team):
    """Rank 0's team, which ends what it began and only that."""

    begun = False

    def begin(self, about: Any = None) -> Any:
        self.begun = True
        return super().begin(about)

    def end(self) -> None:
        """Let the others go."""
        with contextlib.suppress(Transient):  # of those that were lost
            if self.begun:
                self.tell(Task.END)
            else:
                self.begin(None)


def _lead(
    team: Team, drop: TrainingSet, out: Path, config: ProxyConfig | None, progress: ProgressCallback | None
) -> LossLog:
    leading = _Leading(rank=team.rank, size=team.size)
    try:
        return train(drop, out, config, progress, team=leading)
    finally:
        leading.end()


def _help(team: Team, drop: TrainingSet, config: ProxyConfig) -> None:
    """Compute what rank 0 asks for until it ends."""
    about = team.begin()
    if about is None:
        return
    settled = config.settled(drop.modality)
    if (about["drop_digest"], about["recipe_digest"]) != (drop.digest, settled.recipe_digest()):
        raise ConfigError("the processes of a training were given different drops or settings")
    own = resolve_hardware(settled)
    job = Job(
        drop=drop,
        out=Path(),  # nothing is written here
        config=settled,
        hardware=replace(own, precision=about["precision"], threads=about["threads"]),
        statistics=about["statistics"],
        team=team,
    )
    with running(job.hardware):
        trainer, drawn = trainer_of(job), Drawn()
        while (order := team.task())[0] is not Task.END:
            team.share(trainer.net.state_dict().values())
            if order[0] is Task.STEP:
                _send_shards(team, trainer, drawn, order[1])
            elif team.rank * trainer.evaluated_at_once < len(trainer.data):
                sharing.send(team, trainer.outputs(team), trainer.objective)


def _send_shards(team: Team, trainer: Trainer, drawn: Drawn, step: int) -> None:
    """Send rank 0 this rank's shards of a step; ``drawn`` keeps the batches of the epoch."""
    epoch, place = divmod(step, trainer.steps_per_epoch)
    if epoch not in drawn:
        drawn.clear()
        drawn[epoch] = trainer.draw(epoch)
    orders, chances = drawn[epoch]
    trainer.net.train()
    assert trainer.shards is not None  # noqa: S101 - of a recipe without shards no step is shared
    for shard in trainer.shards.of(team):
        team.send(trainer.shards.vector(shard, step, orders[place], None if chances is None else chances[place]))


def main(arguments: Sequence[str]) -> int:
    """Train the drop in one folder into another, with the settings of a JSON file."""
    drop, out = Drop.open(Path(arguments[0])), Path(arguments[1])
    values = json.loads(Path(arguments[2]).read_text(encoding="utf-8")) if len(arguments) > 2 else {}
    train_together(drop, out, from_dict(ProxyConfig, values, "proxy"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
