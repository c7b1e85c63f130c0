"""The settings of the proxy's training."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticKnownError

from telltale_core.config import ListOf, Settings, to_dict
from telltale_core.digest import digest_of
from telltale_core.modality import modality_named
from telltale_core.modality.local_model import by_content

MIN_STEPS = 8
REGRESSION_LOSSES = ("ranges", "squared", "absolute", "huber")
RECORDABLE = ("features", "answers", "maps", "norms", "logits")
EARLY = 1 / 6
"""Of the epochs, after which each sample's answer is recorded: what resembles others is learnt, what is odd not yet."""
# Settings that change how fast or within what means a run goes, never its losses: a resumed run may change them.
_MEANS = ("deadline_s", "memory_limit_bytes")


def _no_number(value: Any) -> Any:
    """Refuse 1 and 0, which a choice would take for true and false."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise PydanticKnownError("literal_error", {"expected": "'auto', True or False"})
    return value


class ProxyConfig(Settings, frozen=True):
    """How a proxy is trained. The default learns any shortcut in the data, and shows it; see the package's README.

    ``None`` is the modality's own: :meth:`settled` says what that comes to.
    """

    model: str = Field(
        default="auto",
        description="The net: auto, small_cnn, resnet18, vgg16, text_cnn, text_transformer, mlp, hf:/path/to/a/model, "
        "or a registered one.",
    )
    width: int | None = Field(
        default=None, ge=1, description="Channels or units of the net's first stage; unset: by the kind of data."
    )
    epochs: int | None = Field(
        default=None, ge=1, description="How often every sample is learnt; unset: by the kind of data."
    )
    snapshots_per_epoch: int | None = Field(
        default=None, ge=1, description="How often in an epoch every loss is logged; unset: by the kind of data."
    )
    lr: float | None = Field(
        default=None, gt=0, title="Learning rate", description="The full learning rate; unset: by the kind of data."
    )
    lr_hold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        title="Share at the full learning rate",
        description="Share of the run at the full rate before it falls to nothing; unset: by the kind of data.",
    )
    batch_size: int | None = Field(
        default=None, ge=2, description="Samples a step; a small drop gets smaller batches. Unset: by the kind of data."
    )
    momentum: float | None = Field(
        default=None, ge=0, lt=1, description="Momentum of the descent; unset: by the kind of data."
    )
    weight_decay: float | None = Field(
        default=None, ge=0, description="How strongly weights are drawn to zero; unset: by the kind of data."
    )
    clip: float | None = Field(
        default=None,
        gt=0,
        title="Largest gradient",
        description="Largest norm of a step's gradient; unset: that of the kind of data for errors of a "
        "regression, else none.",
    )
    flip: Annotated[Literal["auto", True, False], BeforeValidator(_no_number)] = Field(
        default="auto",
        title="Mirror",
        description="Mirror half of each batch. auto: colour images of 24 pixels and more, not in regression, where a "
        "target may have a side.",
    )
    regression_loss: Literal["ranges", "squared", "absolute", "huber"] = Field(
        default="ranges",
        description="ranges: cross-entropy over ranges of targets. squared, absolute, huber: of each sample's error on "
        "its scaled target.",
    )
    shards: int = Field(
        default=1,
        ge=1,
        le=4096,
        description="Parts of a step's batch, each with batch statistics of its own, which several processes can "
        "share; more than 1 is another recipe.",
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Seed of the net's first weights and of the order of samples."
    )
    device: str = Field(default="auto", description="Where it is trained: auto, cpu, cuda, cuda:1, ...")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 where the chip computes it natively, else float32."
    )
    threads: int = Field(default=0, ge=0, description="Threads of the training; 0: as many as processors are free.")
    compile: bool = Field(
        default=False, description="Compile the net first; costs a minute or more and pays in long trainings."
    )
    deadline_s: float | None = Field(
        default=None, gt=0, title="Deadline", description="Seconds after which it stops, to go on in a later run."
    )
    memory_limit_bytes: int | None = Field(
        default=None, gt=0, title="Memory limit", description="A training that needs more bytes than this is refused."
    )
    record: ListOf[Literal["features", "answers", "maps", "norms", "logits"]] = Field(
        default=("features", "answers"),
        description="What is recorded of every sample besides its losses. The verdict looks at features and answers.",
    )

    def settled(self, modality: str) -> SettledConfig:
        """Return the settings with the modality's own where none was given."""
        if isinstance(self, SettledConfig):
            return self
        values = {name: value for name, value in self if value is not None}
        return SettledConfig(**{**modality_named(modality).defaults(self.model), **values})

    def recipe(self) -> dict[str, Any]:
        """Return the settings on which the losses and what is recorded beside them depend, as plain values.

        A model in a local directory is named by the directory's content; raises :class:`ConfigError` for one that
        cannot be a proxy's body.
        """
        plain = {name: value for name, value in to_dict(self).items() if name not in _MEANS}
        plain["model"] = by_content(self.model)
        for name, unset in (("record", not self.record), ("clip", self.clip is None), ("shards", self.shards == 1)):
            if unset:
                del plain[name]  # so that a recipe which does without is the one it was before there was a choice
        return plain

    def recipe_digest(self) -> str:
        """Return the digest of the recipe, 64 hex digits: a checkpoint of another recipe is never resumed."""
        return digest_of({**self.recipe(), "members": 1})  # as when there could be several: what was trained stands


class SettledConfig(ProxyConfig, frozen=True):
    """How a proxy of one modality is trained, nothing left open; the defaults hold where its modality has no own."""

    width: int = Field(default=32, ge=1)
    epochs: int = Field(default=30, ge=1)
    snapshots_per_epoch: int = Field(default=2, ge=1)
    lr: float = Field(default=0.05, gt=0)
    lr_hold: float = Field(default=0.7, ge=0, le=1)
    batch_size: int = Field(default=128, ge=2)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)

    @property
    def early_epoch(self) -> int:
        """The epoch, from 0 on, at whose end answers are recorded."""
        return max(1, round(EARLY * self.epochs)) - 1

    def batch_for(self, samples: int) -> int:
        """Return the batch size for a drop of so many samples: a small drop gets at least 8 steps an epoch."""
        return max(2, min(self.batch_size, samples // MIN_STEPS))
