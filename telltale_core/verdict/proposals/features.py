"""Samples of any label that leave their labels' centres together, in what the proxy's last layer is given.

A trigger that comes with several labels (all-to-all: each label becomes the next one) makes no group of its own in any
label: its samples are few in each, and of one kind. But the proxy learnt the trigger as one feature, and so all of them
stand away from the centres of their labels in the same few directions. So the features before the last layer are held
against the median of their label, pooled, and reduced to the directions in which they scatter most. There a mixture of
two Gaussians with a covariance each is held against one, as for a covariance shift of losses (``scatter.py``).

Which honest samples do the same is not known from the features alone: only a proof calls them.

Source: features held against their label's centre, as in Spectral Signatures (Tran et al., NeurIPS 2018), which looks
at one label at a time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telltale_core.verdict.clusters import reduce
from telltale_core.verdict.constants import FEATURES
from telltale_core.verdict.evidence import Evidence
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.orientation import of_smaller
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.proposals.scatter import refined, split_by_scatter


def propose(evidence: Evidence) -> list[Proposal]:
    """Return at most one proposal over all labels; none without features, or where no proof could be had."""
    trained_NF, config = evidence.trained, evidence.config
    if trained_NF is None or not (evidence.provable and evidence.spreading and evidence.grouping.one_class_each):
        return []
    rows = evidence.order[evidence.spectra.finite[evidence.order]]
    centred_nF = centred(trained_NF, evidence)[rows]
    if not np.isfinite(centred_nF).all() or centred_nF.shape[1] < FEATURES.dimensions or not np.ptp(centred_nF):
        return []
    shift = split_by_scatter(reduce(centred_nF, FEATURES.dimensions), config.min_cluster, config.seed)
    if shift.excess < FEATURES.least_excess or not 0 < (shift.chance > 0.5).mean() <= FEATURES.most:
        return []
    within_nD = reduce(centred_nF, FEATURES.refined_in)
    chance_n = refined(within_nD, shift.chance, config.min_cluster, config.seed)
    return [
        Proposal(
            kind=Kind.FEATURES,
            number=1 + max(proposal.number for proposal in evidence.earlier),
            cohort=None,
            label=None,
            name="any label, by features",
            rows=rows,
            chance=of_smaller(chance_n, rows, evidence.copies),
            statistic=shift.excess,
            required=FEATURES.least_excess,
            simulate=lambda: 1.0,  # the p-value is the proof's
            family=evidence.earlier[0].family,
            stands_alone=False,
        )
    ]


def centred(trained_NF: NDArray[np.floating], evidence: Evidence) -> NDArray[np.float64]:
    """Return the features less the median of their label, of which each group of copies is one sample."""
    centred_NF = np.array(trained_NF, dtype=np.float64)
    for cohort in evidence.cohorts:
        centred_NF[cohort.rows] -= np.median(centred_NF[cohort.different], axis=0)
    return centred_NF
