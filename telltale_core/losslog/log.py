"""A finished loss log as a matrix, samples x snapshots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telltale_core.errors import ConfigError
from telltale_core.losslog.alignment import Alignment, check_alignment
from telltale_core.losslog.epochs import LogPlan, read_losses
from telltale_core.losslog.stored import StoredLog
from telltale_core.losslog.writer import LossLogWriter
from telltale_core.records import Ids, Samples, as_ids


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LossLog:
    """Every sample's log loss at every snapshot, in the order of time.

    ``log_loss`` (N, T) float32, natural log of the loss, lower = better learned; ``sample_ids`` (N,) in the drop's row
    order; ``epochs`` and ``steps`` (T,) the moment of each snapshot; ``digest`` of the files that it was read from,
    empty for one made in memory.
    """

    drop_digest: str
    sample_ids: Ids
    log_loss: NDArray[np.float32]
    epochs: NDArray[np.int32]
    steps: NDArray[np.int32]
    digest: str = ""

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Return which samples have a finite loss at every snapshot, (N,) bool; the others are to be set aside."""
        return np.asarray(np.isfinite(self.log_loss).all(axis=1), dtype=np.bool_)

    def losses_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the log losses (n, T) of some rows."""
        return self.log_loss[rows]

    def check_alignment(self, *, errors: bool = False, guess: float = math.inf) -> Alignment:
        """Return how neighbouring snapshots agree; raise :class:`Misaligned` where rows do not follow their ids.

        ``errors``: the losses are those of a regression. ``guess``: see :func:`check_alignment`.
        """
        return check_alignment(self.log_loss, errors=errors, guess=guess)

    @classmethod
    def open(cls, folder: Path, *, drop: Samples | None = None) -> LossLog:
        """Return the complete log in ``folder``, which is that of ``drop`` if it is given.

        Raises as :meth:`StoredLog.open` does. No loss is ever filled in.
        """
        stored = StoredLog.open(folder, drop=drop)
        plan, each = stored.plan, stored.plan.snapshots_per_epoch
        log_loss_NT = np.empty((plan.n_samples, plan.epochs * each), dtype=np.float32)
        steps_T = np.empty(plan.epochs * each, dtype=np.int32)
        for epoch in range(plan.epochs):
            part = slice(epoch * each, (epoch + 1) * each)
            steps_T[part], loss_SN = read_losses(folder, plan, epoch)
            log_loss_NT[:, part] = loss_SN.T
        return cls(
            drop_digest=plan.drop_digest,
            sample_ids=stored.sample_ids,
            log_loss=log_loss_NT,
            epochs=stored.epochs,
            steps=steps_T,
            digest=stored.digest,
        )

    @classmethod
    def from_array(
        cls,
        log_loss: ArrayLike,
        *,
        sample_ids: Sequence[str] | Ids | NDArray[np.str_] | None = None,
        snapshots_per_epoch: int = 1,
        drop_digest: str = "",
    ) -> LossLog:
        """Return a log made in memory from (N, T) log losses with T = epochs x ``snapshots_per_epoch``.

        Ids default to the row numbers. Steps are counted by the snapshot.
        """
        losses = np.array(log_loss, dtype=np.float32)
        spe = snapshots_per_epoch
        if losses.ndim != 2 or spe < 1 or losses.shape[1] % spe or not losses.size:
            raise ConfigError(f"losses must be (N >= 1, T a multiple of {spe}), got shape {losses.shape}")
        ids = as_ids(np.arange(len(losses)).astype(str) if sample_ids is None else sample_ids)
        if len(np.unique(ids)) != len(losses):
            raise ConfigError(f"{len(losses)} samples need as many distinct ids, got {len(np.unique(ids))}")
        time_T = np.arange(losses.shape[1], dtype=np.int32)
        return cls(
            drop_digest=drop_digest,
            sample_ids=ids,
            log_loss=losses,
            epochs=(time_T // spe).astype(np.int32),
            steps=(time_T + 1).astype(np.int32),
        )

    def write(self, folder: Path) -> LossLog:
        """Write the log to ``folder`` as training does, and return it read back."""
        epochs = int(self.epochs.max()) + 1
        plan = LogPlan(
            drop_digest=self.drop_digest,
            n_samples=len(self),
            epochs=epochs,
            snapshots_per_epoch=len(self.epochs) // epochs,
        )
        writer = LossLogWriter.create(folder, plan, self.sample_ids)
        for epoch in range(epochs):
            at = np.flatnonzero(self.epochs == epoch)
            writer.write_epoch(epoch, self.steps[at], self.log_loss[:, at])
        writer.finish()
        return LossLog.open(folder)
