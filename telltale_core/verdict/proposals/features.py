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

from telltale_core.verdict.constants import FEATURES
from telltale_core.verdict.evidence import Evidence
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.orientation import of_smaller
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.proposals.centred import Centred
from telltale_core.verdict.proposals.scatter import refined, split_by_scatter


def propose(evidence: Evidence) -> list[Proposal]:
    """Return at most one proposal over all labels; none without features, or where no proof could be had."""
    trained_NF, config = evidence.trained, evidence.config
    if trained_NF is None or not (evidence.provable and evidence.spreading and evidence.grouping.one_class_each):
        return []
    rows = evidence.order[evidence.spectra.finite[evidence.order]]
    if trained_NF.shape[1] < FEATURES.dimensions:
        return []
    centred = Centred(trained_NF, evidence.cohorts)
    if not centred.varied:
        return []
    point_nD = centred.components(rows, FEATURES.dimensions)
    shift = split_by_scatter(point_nD, config.min_cluster, config.seed)
    if shift.excess < FEATURES.least_excess or not 0 < (shift.chance > 0.5).mean() <= FEATURES.most:
        return []
    within_nD = centred.components(rows, FEATURES.refined_in)
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
