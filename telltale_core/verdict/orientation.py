"""Which side of a split is the suspected one.

That of fewer different samples (a poison may be copied until it has more rows), unless the sides are of like size and
the larger one is by far the easier to learn: then the poison is the majority of its label, as at high rates it is. A
range of targets holds a tenth of the samples, so that a poison can fill it and size says nothing: there it is the side
that is by far the easier to learn. Where neither is, it is the smaller one, and of sides of like size the one whose
levels lie closer together: poison with one target is predicted alike and errs alike, an honest target is noisy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telltale_core.verdict.constants import COMOVEMENT
from telltale_core.verdict.evidence import Evidence
from telltale_core.verdict.near_duplicates import Copies
from telltale_core.verdict.split import Findings


def suspected_side(finding: Findings, rows: NDArray[np.int64], evidence: Evidence) -> NDArray[np.float64]:
    """Return each row's chance of being on the suspected side of a split."""
    copies, size_tells = evidence.copies, evidence.grouping.size_tells
    chance_n = of_smaller(finding.chance, rows, copies)
    inside_n = chance_n > 0.5
    alike = copies.share(rows, inside_n) >= COMOVEMENT.like_size
    if len(rows) == evidence.spectra.finite.sum() or not inside_n.any() or (size_tells and not alike):
        return chance_n
    inside, outside = rows[inside_n], rows[~inside_n]
    step, usual = evidence.step(inside, outside)
    other_side = step > usual
    if not size_tells and alike and abs(step) <= usual:
        other_side = evidence.deviation(inside) > evidence.deviation(outside)
    return 1 - chance_n if other_side else chance_n


def of_smaller(chance_n: NDArray[np.float64], rows: NDArray[np.int64], copies: Copies) -> NDArray[np.float64]:
    """Return each row's chance of the side with fewer different samples, given that of the side with fewer rows."""
    return 1 - chance_n if copies.share(rows, chance_n > 0.5) > 0.5 else chance_n


def is_larger(rows: NDArray[np.int64], chance_n: NDArray[np.float64], evidence: Evidence) -> bool:
    """Return whether the suspected side of a label is the larger one."""
    return evidence.grouping.one_class_each and evidence.copies.share(rows, chance_n > 0.5) > 0.5
