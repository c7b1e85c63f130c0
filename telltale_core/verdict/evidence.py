"""What proposals and proofs may read: the spectra, who is compared with whom, copies, settings. No truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from telltale_core.drop.cohorts import Cohorts
from telltale_core.drop.grouping import Grouping
from telltale_core.label_sets import LabelSets
from telltale_core.records import Ids
from telltale_core.spectrum import Spectra
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.constants import PROOF
from telltale_core.verdict.label_sets import unexplained
from telltale_core.verdict.near_duplicates import Copies, find_copies
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.reference import whiteners


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cohort:
    """Samples that are compared with each other: ``rows`` (n,) in the order of their ids; no label: all samples.

    ``different`` are those of them without further copies; ``whitener`` (F, F) brings the features to unit scatter in
    the other cohorts.
    """

    number: int
    label: int | None
    name: str | None
    rows: NDArray[np.int64]
    different: NDArray[np.int64]
    whitener: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """All that is known of a drop: ``features`` (N, F), ``labels`` (N,) the cohort that each sample's answer is of.

    ``order`` (N,) are the rows in the order of their ids: permuting the rows permutes a verdict. ``retrains``: a proof
    can be had. ``trained`` (N, F) is what the proxy's last layer was given at the end of the training, None where it
    was not recorded. ``earlier`` are the proposals made before, for ways that look at what these leave.
    """

    spectra: Spectra
    features: NDArray[np.floating]
    labels: NDArray[np.int64] | None
    order: NDArray[np.int64]
    cohorts: tuple[Cohort, ...]
    copies: Copies
    grouping: Grouping
    config: VerdictConfig
    retrains: bool = False
    trained: NDArray[np.floating] | None = None
    earlier: tuple[Proposal, ...] = ()

    @property
    def provable(self) -> bool:
        """Whether a proof is wanted, and a proxy has a choice of answers."""
        return self.config.leave_out and len(self.cohorts) > 1

    @property
    def spreading(self) -> bool:
        """Whether answers other than the own one have where to spread: how they do is the proof of some proposals."""
        return len(self.cohorts) > PROOF.least_others

    @property
    def of_cohorts(self) -> list[Proposal]:
        """The earlier proposals that are about one cohort."""
        return [proposal for proposal in self.earlier if not proposal.over_all_labels]

    def after(self, proposals: Sequence[Proposal]) -> Evidence:
        """Return it with the proposals that were made before."""
        return replace(self, earlier=tuple(proposals))

    def step(self, rows: NDArray[np.int64], rest: NDArray[np.int64]) -> tuple[float, float]:
        """Return how much higher the losses of ``rows`` lie than those of ``rest``, and how far other samples stray.

        Where both are the whole drop, how far the rest does.
        """
        level_N = self.spectra.level
        other_N = self.spectra.finite.copy()
        other_N[rows] = other_N[rest] = False
        others = np.flatnonzero(other_N)
        others = self.copies.one_of_each(others if len(others) else rest)
        return float(np.median(level_N[rows]) - np.median(level_N[rest])), 1.4826 * self.deviation(others)

    def deviation(self, rows: NDArray[np.int64]) -> float:
        """Return the median absolute deviation of the levels of the rows."""
        level_n = self.spectra.level[rows]
        return float(np.median(np.abs(level_n - np.median(level_n))))


def collect(
    sample_ids: Ids,
    spectra: Spectra,
    cohorts: Cohorts | None,
    config: VerdictConfig,
    *,
    leaders: Ids | None = None,
    label_sets: NDArray[np.integer] | LabelSets | None = None,
    retrains: bool = False,
    trained: NDArray[np.floating] | None = None,
) -> Evidence:
    """Return the evidence on a drop; without ``cohorts``, or where the settings say so, all samples are one.

    ``label_sets`` (N, K) are the labels of a multi-label drop, as flags: where unlike sets are in one cohort, its
    samples are compared by what their labels do not explain.
    """
    grouping = Grouping.NONE if cohorts is None else cohorts.grouping
    order = np.argsort(sample_ids, kind="stable")
    parts = _parts(order[spectra.finite[order]], None if config.cohorts == "all" else cohorts)
    copies = find_copies(sample_ids, leaders, [rows for _, rows in parts])
    features_NF = _with_level(spectra) if grouping.answers_are_noisy else spectra.features
    if label_sets is not None and (cohorts is None or cohorts.pooled or config.cohorts == "all"):
        rows = order[spectra.finite[order]]
        sets = label_sets if isinstance(label_sets, LabelSets) else LabelSets.of_flags(label_sets)
        rest_nF = unexplained(features_NF[rows], sets.of(rows), np.isin(rows, copies.one_of_each(rows)))
        mixed_n = np.isin(rows, parts[-1][1])
        features_NF = np.array(features_NF, dtype=np.float64)
        features_NF[rows[mixed_n]] = rest_nF[mixed_n]
    return Evidence(
        spectra=spectra,
        features=features_NF,
        labels=None if cohorts is None else cohorts.number,
        order=order,
        cohorts=_cohorts(parts, copies, features_NF, None if cohorts is None else cohorts.names),
        copies=copies,
        grouping=grouping,
        config=config,
        retrains=retrains,
        trained=trained,
    )


def _parts(rows: NDArray[np.int64], cohorts: Cohorts | None) -> list[tuple[int | None, NDArray[np.int64]]]:
    """Return the rows of each label, in the order of the labels; without any all rows."""
    if cohorts is None:
        return [(None, rows)]
    by_label = np.argsort(cohorts.number[rows], kind="stable")
    number_n = cohorts.number[rows[by_label]]
    parts = np.split(rows[by_label], np.flatnonzero(np.diff(number_n)) + 1) if len(rows) else []
    return [(int(cohorts.number[part[0]]), part) for part in parts]


def _cohorts(
    parts: Sequence[tuple[int | None, NDArray[np.int64]]],
    copies: Copies,
    features_NF: NDArray[np.floating],
    names: tuple[str, ...] | None,
) -> tuple[Cohort, ...]:
    different = [copies.one_of_each(rows) for _, rows in parts]
    with threadpool_limits(1):
        usual = whiteners(features_NF, different)
    return tuple(
        Cohort(
            number=number,
            label=label,
            name=None if names is None or label is None else names[label],
            rows=rows,
            different=different[number],
            whitener=usual[number],
        )
        for number, (label, rows) in enumerate(parts)
    )


def _with_level(spectra: Spectra) -> NDArray[np.float64]:
    """Return the spectra with the level beside them, (N, F + 1)."""
    return np.column_stack([spectra.features, spectra.level])
