"""The settings of the means: they decide how fast a result comes, never what it is, and are in no key."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from telltale_core.config import Settings


class ScaleConfig(Settings, frozen=True):
    """How many processes share the work of a drop, and where they are."""

    engine: Literal["local", "ray"] = Field(
        default="local",
        description="local: processes of this machine. ray: tasks of a Ray cluster, with the extra scale.",
    )
    workers: int = Field(
        default=1, ge=1, le=4096, description="Processes that compute at most; 1 of local: this one alone."
    )
    gpus_per_worker: int = Field(
        default=0, ge=0, le=64, title="GPUs per worker", description="ray: GPUs of each process of a training."
    )
    address: str = Field(
        default="",
        description="ray: auto inside a cluster, or its HOST:PORT; empty: a Ray of this machine alone.",
    )

    @model_validator(mode="after")
    def _an_address_inside_of_a_cluster(self) -> Self:
        if self.address and self.engine != "ray":
            raise ValueError('scale.address is that of a Ray cluster: set scale.engine = "ray", or leave it out')
        if "://" in self.address:
            raise ValueError(
                'scale.address must be "auto" or HOST:PORT, within the cluster: Ray Client (ray://) is not supported'
            )
        return self
