"""One function in several processes of a Ray cluster, joined by ``torch.distributed``: Ray Train (re)starts it.

Ray keeps nothing of a training: what stands, stands in the work area, and a group that starts again goes on from there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

from telltale_core.errors import TelltaleError, Transient
from telltale_core.scale.config import ScaleConfig
from telltale_core.scale.ray_tasks import connected

RESTARTS = 3
"""How often a group starts again that lost a process or a node."""
LIMITS = ("max_failures", "controller_failure_limit", "max_preemption_failures")
"""Ray's names of what may fail: a process or node, a group that does not start, a node that is taken away."""
LONGEST_STEP_S = 43_200
"""As in ``proxy/ranks.py``: between two messages."""


def on_ranks(fn: Callable[[int], Any], config: ScaleConfig) -> Any:
    """Return what rank 0 returned of ``fn(rank)``, called in each of ``config.workers`` joined processes.

    Where a process or node is lost, or :class:`Transient` is raised, all begin anew; after so many times
    :class:`Transient` is raised here, or another :class:`TelltaleError` that a rank raised.
    """
    with connected(config) as ray, tempfile.TemporaryDirectory() as folder:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        gpus = config.gpus_per_worker
        limits: dict[str, Any] = dict.fromkeys(LIMITS, RESTARTS)  # its stated types lack two of them
        outcome = ray.remote(num_cpus=0)(_Outcome).remote()
        trainer = TorchTrainer(
            _rank,
            train_loop_config={"fn": fn, "outcome": outcome},
            scaling_config=ScalingConfig(
                num_workers=config.workers,
                use_gpu=gpus > 0,
                resources_per_worker={"CPU": 1, **({"GPU": gpus} if gpus else {})},
            ),
            torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpus else "gloo", timeout_s=LONGEST_STEP_S),
            run_config=RunConfig(
                storage_path=folder,
                failure_config=FailureConfig(**limits),
            ),
        )
        try:
            trainer.fit()
        except ray.train.TrainingFailedError as error:
            try:
                kept = ray.get(outcome.value.remote())
            except ray.exceptions.RayError:  # it was lost with its node
                kept = None
            if not isinstance(kept, TelltaleError):
                raise Transient(f"Ray gave the training up after {RESTARTS} more tries: {error}") from error
        else:
            kept = ray.get(outcome.value.remote())
    if isinstance(kept, TelltaleError):
        raise kept
    return kept


class _Outcome:
    """What rank 0 returned, or a rank raised, kept until the driver asks."""

    def __init__(self) -> None:
        self._value: Any = None

    def keep(self, value: Any) -> None:
        self._value = value

    def value(self) -> Any:
        return self._value


def _rank(loop: dict[str, Any]) -> None:
    import ray
    import ray.train

    rank, outcome = ray.train.get_context().get_world_rank(), loop["outcome"]
    if isinstance(ray.get(outcome.value.remote()), TelltaleError):
        return  # of the start before: no other one would end otherwise
    try:
        value = loop["fn"](rank)
    except Transient:
        raise
    except TelltaleError as error:
        ray.get(outcome.keep.remote(error))
        raise  # the others wait for this one: the group must end
    if rank == 0:
        ray.get(outcome.keep.remote(value))
