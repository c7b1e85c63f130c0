"""Every constant of the verdict that is no setting, by what reads it, with what it was measured on.

Of ``bench/notes``, *the note* is ``2026-11-22-what-was-tried-for-the-verdict.md``: CIFAR-10, 10,000 images, ten labels,
and the handwritten digits. *The note on retraining* is ``2026-11-24-does-leave-out-retraining-help.md``: recordings,
steering, texts, digits and CIFAR-10. *The note on covariance* is ``2026-11-24-does-covariance-shift-show-poison.md``:
CIFAR-10. *The note on the trigger* is ``2026-11-29-does-the-proxy-obey-the-trigger.md``.
*Chosen* says that no measurement of another value is on record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitConstants:
    """The most separate split in two of a cohort: ``split.py`` and ``clusters.py``."""

    min_cohort: int = 40
    """Samples below which a cohort is not tested. Chosen."""
    min_dimensions: int = 3
    """Principal components of a cohort that is too small for any of the setting ``dimensions``. Chosen."""
    samples_a_dimension: int = 45
    """Samples that one more component needs. The note: so many in small labels, of 4, 6, 8 and 12 components."""
    min_tested_separation: float = 3.3
    """Less separate splits get p = 1. Simulated: two halves of one Gaussian stand at 2.7."""
    neighbours: int = 10
    """The density about a sample reaches to its tenth neighbour. The note: cores with at most 1 wrong sample."""
    radius_quantiles: tuple[float, ...] = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    """Radii of dense cores that are tried, of the distances to that neighbour. Chosen."""
    max_clusters: int = 6
    """Most components of a mixture. The note: poison takes one to three."""
    ridge: float = 1e-3
    """Added to the variances of a mixture, where the first component has variance 1. Chosen."""
    starts: int = 2
    """k-means starts of each mixture. Chosen, for the time."""
    beside_cores: tuple[int, ...] = (1, 2, 3)
    """Components of the rest, beside those that start on a dense core. Chosen."""
    samples_a_number: int = 2
    """Samples that a mixture needs for each of its free numbers. Chosen."""
    least_core: int = 3
    """Fewest samples of a dense core. Chosen."""
    cores_a_cluster: int = 2
    """A dense core has at least ``min_cluster`` samples over this: it is what grows to a cluster. Chosen."""
    regularised: float = 1e-3
    """Of the quadratic discriminant that places samples on two sides, towards the identity. Chosen."""
    beyond_mean: float = 0.99
    """Least chance of a side for what lies beyond its mean: no far sample is the other side's. Chosen."""
    most: int = 10_000
    """Of a larger label so many samples are searched for a split; the others follow. Chosen, for the time: it grows
    with the square of them."""
    most_pairs: int = 8_000_000
    """Neighbouring pairs that are held at once: each takes about 80 bytes. Chosen, for the memory."""
    counted: int = 500
    """Samples whose neighbours say how many pairs there are. Chosen, for the time."""
    most_alone: int = 4000
    """The same where all samples are one cohort. Chosen, for the time."""

    def searched(self, label: int | None) -> int:
        """Return how many samples of a cohort are searched at most; no label: all samples are one."""
        return self.most_alone if label is None else self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentConstants:
    """How a trigger is tried: ``experiment.py``."""

    tried: int = 200
    """Kept samples that are judged with the trigger on. Chosen."""
    choosing: int = 100
    """Further ones, by which one of several estimates is chosen. Chosen."""
    draws: int = 3
    """Random triggers of the same size; the one that turns most counts. Chosen."""
    most_groups: int = 10
    """Called groups that are tried, the largest first. Chosen, for the time."""
    shown: int = 6
    """Samples of a group that the report shows before and after. Chosen."""
    least_share: float = 0.1
    """Of the samples, by which a trigger turns more than a control. Chosen."""
    level: float = 0.001
    """Chance of such a difference. Chosen."""
    obeyed: float = 0.75
    """The same share, where something is decided by it. The note on the trigger: poison 0.83 to 1, honest groups that
    were called -0.04 to 0.45, but one 0.90."""
    by_chance: float = 0.05
    """Largest share by chance, as other labels tell it, of those that hold an obeyed trigger. Chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceConstants:
    """How the samples of other cohorts scatter: ``reference.py``. The note: d' 2.4 becomes 5.9 by it."""

    trimmed: float = 0.05
    """Share of each cohort, the farthest from its centre, that does not count towards what is usual. Chosen."""
    trimmed_alone: float = 0.2
    """The same where the cohort is held against itself, as a poison must not count. The note: inner 80 %."""
    shrinkage: float = 1e-3
    """Of the covariance towards a round one. Chosen."""
    rows_a_feature: int = 4
    """Samples a feature below which nothing is usual. Chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSetsConstants:
    """What labels explain of samples with several: ``label_sets.py``."""

    trimmed: float = 0.2
    """Share of the samples, those explained worst, that the model is not fitted to. Measured on texts with one poisoned
    set in twenty: without it 0, 21 and 17 of 15, 30 and 60 are found, with it 13, 30 and 17."""
    rounds: int = 8
    """So often it is fitted anew at most. Chosen."""
    samples_a_term: int = 20
    """Samples that a term needs, for pairs of labels to have terms. Chosen."""
    held_bytes: int = 1 << 30
    """Terms that take more are not held at once: the same model is fitted by its normal equations. Chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NullConstants:
    """Simulated cohorts with one mode: ``significance.py``. Held by ``tests/verdict/test_significance.py``."""

    simulations: int = 19
    """Searches whose extremes are extrapolated. Chosen."""
    max_simulated: int = 2000
    """A larger cohort is simulated at this size: the fewer the samples, the more separate chance splits are. Chosen."""
    least: float = 2.65
    """Taken where the search finds no split. Simulated: the two halves of one Gaussian."""
    least_spread: float = 0.25
    """Least standard deviation of the simulated separations. Chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComovementConstants:
    """What is usual in other cohorts, and the suspected side: ``proposals/comovement.py``."""

    usual_quantile: float = 0.75
    """Up to a quarter of the other cohorts may be attacked before that raises what is required. The note: 1.5 times
    it, and 5.0 at least, calls no clean digits."""
    min_usual: int = 3
    """What is usual in the other cohorts is known from this many on. Chosen."""
    like_size: float = 0.25
    """From this share of its cohort on, the smaller side need not be the poisoned one. Chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatterConstants:
    """A covariance shift: ``proposals/scatter.py``."""

    ratio: float = 2.0
    """A shift is proposed from so many times what is usual in the other labels on. The note on covariance: poison that
    is found has 2.4 to 8.3 times as much, clean labels at most 1.6."""
    least_excess: float = 0.5
    """What it gains at least, in nats a sample. Held by the tests: one Gaussian gains 0.1, heavy tails 0.25."""
    starts: tuple[tuple[float, ...], ...] = ((0.7,), (0.5, 0.8))
    """Mixtures of two and three components start from shells: the quantiles of the distance from the centre. Chosen."""
    simulated: int = 2
    """Cohorts with one mode whose mean gain is subtracted. Chosen, for the time."""
    folds: int = 10
    """Of the discriminants that draw the border. Chosen."""
    rounds: int = 5
    """So often the border is drawn anew. Chosen."""
    same: float = 0.5
    """Samples of both over samples of either: below it the discriminants speak of another side. Chosen."""
    shrinkage: float = 0.2
    """Of the discriminant's covariance towards a round one. Chosen."""
    most: int = 4000
    """Of a larger cohort so many samples are fitted; the others follow. Chosen, for the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesConstants:
    """Samples that leave their labels' centres together: ``proposals/features.py``."""

    dimensions: int = 4
    """Principal components in which two Gaussians are held against one. Chosen."""
    least_excess: float = 0.2
    """What it gains at least, in nats a sample. Measured: all-to-all 0.29 and 0.53; clean images and recordings, wrong
    labels and poison with one target 0.02 to 0.13. The note is ``2026-11-29-is-all-to-all-in-the-features.md``."""
    most: float = 0.2
    """Largest share of the drop on the suspected side. Measured: clean texts part in two of 43 and 57 %."""
    refined_in: int = 32
    """Principal components in which the border is drawn. Chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriersConstants:
    """Who carries a faint trigger: ``proposals/carriers.py``. Note: ``2026-11-30-who-carries-a-faint-trigger.md``."""

    late: float = 0.3
    """Share of each label that counts as learnt late. The note: it has 57 to 68 % of adaptive blend."""
    fewest: int = 10
    """Samples below which nothing is estimated and nothing proposed. Chosen."""
    genuine: int = 8
    """Genuine samples of another label for each that is taken for it, at most. Chosen."""
    others: int = 4000
    """Learnt samples that say how much is carried by chance. Chosen, for the time."""
    by_chance: float = 0.2
    """Share by chance among those that are proposed. The note: at 0.1 most of adaptive blend is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateauConstants:
    """The loss plateau: ``proposals/plateau.py``. The note: 6.2 deviations, twelve other logs at most 2.0."""

    fewest: int = 200
    """Samples below which the shape of a density says nothing. Chosen."""
    bootstraps: int = 49
    """Smoothed bootstrap samples whose critical bandwidths are extrapolated. Chosen."""
    grid: int = 2048
    """Points of the density. Chosen."""
    widest: float = 3.0
    """Largest bandwidth, in robust deviations. Chosen."""
    finest: float = 0.01
    """Smallest bandwidth. Chosen."""
    halvings: int = 24
    """Steps of the search between both. Chosen."""
    least_spread: float = 0.02
    """Least standard deviation of the bootstraps. Chosen."""
    outside: float = 0.0005
    """Share at each end that is left out of the density: a few far samples are no mode. Chosen."""
    most_still: float = 0.05
    """Share of the samples from which the discriminant starts. The note on covariance: 0.03 and 0.1 end at
    about its direction."""
    folds: int = 5
    """Of the discriminant. Chosen."""
    rounds: int = 3
    """So often it starts anew from what it found. Chosen."""
    shrinkage: float = 0.05
    """Of the discriminant's covariance towards a round one. Chosen."""
    near_guess: float = math.log(2)
    """How far the still side's median log loss may be from that of a guess: a factor of two. Chosen."""
    at_random: float = 0.9
    """Least entropy of the still side's labels, as a share of the drop's: two like classes are less. Chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofConstants:
    """The leave-out retraining: ``proof.py`` and ``leave_out.py``."""

    considered: float = 0.6
    """Share of the required separation from which on a significant split is worth a retraining. The note on retraining:
    tones that are learnt unevenly have 0.64 to 0.91."""
    most_own: float = 0.25
    """Largest share of a poisoned cluster that is given its own label by a proxy that learnt without it. The note on
    retraining: poison 0.01 to 0.17 on the logs that it was set on."""
    mixed: float = 0.5
    """Up to this share of what is usual a larger one may be a cluster of both. The note on retraining: none of 85
    honest sides below it had a spread above 0.74."""
    least_spread: float = 0.8
    """Least entropy of the other answers, as a share of that of as many draws from the other labels. The note on
    retraining: on the logs that it was set on poison has 0.89 and more,
    honest sides at most 0.74."""
    few_own: float = 0.075
    """Most own answers of a covariance shift. The note on covariance: honest sides get 9.8 to 88 %."""
    wide_spread: float = 0.9
    """Least spread of the other answers of a covariance shift. The note on covariance: honest ones have 0.45 to 0.9."""
    least_others: int = 3
    """Among fewer other labels the answers have nowhere to spread: how they do says nothing. Chosen."""
    telling: float = 2.0
    """A proxy that gives others their own label less than so many times as often as chance refutes nothing. Chosen."""
    draws: int = 50
    """So many draws of as many answers say how diverse they could be. Chosen."""
    control: float = 0.2
    """At most this share of the samples beside a cluster is left out with it, to compare. Chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionConstants:
    """What becomes of a sample: ``decide.py``, ``untested.py``, ``wrong_labels.py``."""

    clear: float = 1.5
    """Share of what is required from which on a significant split is called whatever a proof says. The note on
    retraining: honest clusters that were called had 1.11 to 1.34."""
    nearly: float = 0.95
    """A significant split at least this share of what is required apart is set aside. Chosen."""
    borderline: float = 0.1
    """A sample whose chance of a called side is between this and one half is set aside. Chosen."""
    uncalled_ceiling: float = 0.49
    """Largest suspicion of a sample that is not called: above one half is only what is. Chosen."""
    unknown: float = 0.5
    """The suspicion of a sample that was not tested: no test speaks for it or against it. Chosen."""
    wrong_label_deviations: float = 2.0
    """Robust deviations above the label's median level. Measured: under 0.5 % of CIFAR-10's honest samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingConstants:
    """What a statement names: ``statement.py``, ``review_questions.py``."""

    many_copies: float = 0.2
    """Share of a called cluster from which on the verdict says that they are copies. Chosen."""
    most_of_cohort: float = 0.75
    """A drop of which a cohort would lose more than this share needs a person's approval. Chosen."""


SPLIT, REFERENCE, NULL, COMOVEMENT = SplitConstants(), ReferenceConstants(), NullConstants(), ComovementConstants()
SCATTER, FEATURES, PLATEAU = ScatterConstants(), FeaturesConstants(), PlateauConstants()
LABEL_SETS, EXPERIMENT, CARRIERS = LabelSetsConstants(), ExperimentConstants(), CarriersConstants()
PROOF, DECISION, TELLING = ProofConstants(), DecisionConstants(), TellingConstants()
