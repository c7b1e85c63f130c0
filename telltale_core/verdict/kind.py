"""The kinds of evidence by which samples are suspected, and how each is said: one entry a way to suspect."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What hangs on the kind of evidence; texts are filled in by ``str.format``.

    ``finding`` says in the statement what was found (``count``, ``where``, ``p``). ``reason`` says why a sample is
    quarantined (``others``, ``where``, ``statistic``, ``p``, ``without``: what a proof saw); ``proved`` is added where
    a proof confirmed it. ``side`` names the suspected side, ``place`` the samples that it lies in (``where``).
    ``deviations``: the statistic is d'. ``proof_gives_p``: the p-value is the proof's. ``wrong_labels_alike``: wrong
    labels that all went to one look the same. ``any_label``: its samples are of any label.
    ``provable``: a proof is asked about it; what is not is judged last, and about what all others keep.
    ``by_trigger``: what its samples share was put on others and turned them, which wrong labels cannot do.
    """

    finding: str
    reason: str
    proved: str = ""
    side: str = "the suspected cluster of {where}"
    place: str = "{where}"
    deviations: bool = False
    proof_gives_p: bool = False
    wrong_labels_alike: bool = False
    any_label: bool = False
    provable: bool = True
    by_trigger: bool = False


class Kind(StrEnum):
    """By which evidence samples are suspected; the value stands in ``verdict.json``."""

    traits: Traits

    def __new__(cls, value: str, traits: Traits) -> Self:
        """Return the member of this value, with its traits."""
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.traits = traits
        return kind

    TOGETHER = (
        "together",
        Traits(
            finding="{count:,}{where} learn as one hidden feature (p = {p:.1e})",
            reason="its loss moves in step with {others} other samples of {where}, {statistic:.1f} standard deviations "
            "from the rest (p = {p:.1e}): they share a feature that the proxy learnt as one",
            proved=", and {without}",
            deviations=True,
        ),
    )
    SCATTER = (
        "scatter",
        Traits(
            finding="the losses of {count:,}{where} swing otherwise than their like (p = {p:.1e})",
            reason="its loss swings as those of {others} other samples of {where} do and otherwise than the rest's, "
            "and {without} (p = {p:.1e})",
            proof_gives_p=True,
            wrong_labels_alike=True,
        ),
    )
    GUESS = (
        "guess",
        Traits(
            finding="{count:,} of any label keep the loss of a guess, a feature that comes with labels at random "
            "(p = {p:.1e})",
            reason="its loss stays at that of a guess over the labels and hardly moves, as that of {others} others "
            "(p = {p:.1e}): the proxy learnt a feature that comes with labels at random",
            side="the samples on the loss plateau",
            place="any label that keep the loss of a guess",
            any_label=True,
            provable=False,
        ),
    )
    FEATURES = (
        "features",
        Traits(
            finding="{count:,} of any label share a feature that the proxy learnt beside their labels (p = {p:.1e})",
            reason="the proxy's last layer sees in it what it sees in {others} others of any label and in few besides, "
            "and {without} (p = {p:.1e})",
            side="the samples that share a feature",
            place="any label that share a feature",
            proof_gives_p=True,
            wrong_labels_alike=True,
            any_label=True,
        ),
    )
    CARRIERS = (
        "carriers",
        Traits(
            finding="{count:,}{where} carry a trigger that other labels do not (p = {p:.1e})",
            reason="it carries what {others} other samples of {where} carry and few of other labels; put on others, "
            "that turns them into {where} (p = {p:.1e}); and {without}",
            side="the samples of {where} that carry the trigger",
            by_trigger=True,
        ),
    )
