"""The experiment on a called group: kept samples of other labels before and after they got the trigger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from telltale_core.display.sanitize import clean
from telltale_core.modality.viewing import Focus, Shown
from telltale_core.verdict.statement import into

if TYPE_CHECKING:
    from telltale_core.modality.parts import Viewer
    from telltale_core.report.run import Run
    from telltale_core.verdict.record import Group, TriggerTest

PX = 96


def triggers_shown(run: Run, focus: Focus, viewer: Viewer, *, any_label: bool) -> list[Shown]:
    """Return what experiments on a label's called groups found, with samples before and after; none without one.

    ``any_label``: those on groups of any label as well.
    """
    return [
        _shown(run, group, group.trigger, viewer)
        for group in run.groups()
        if group.trigger is not None and (group.label == focus.label or (group.label is None and any_label))
    ]


def _shown(run: Run, group: Group, test: TriggerTest, viewer: Viewer) -> Shown:
    said = clean(test.sentence(into(group)), 600)
    caption = (
        f"{said[0].upper()}{said[1:]}. The estimate is made of {group.quarantined:,} quarantined samples. The control "
        "is the strongest of three random ones and of one made in the same way of kept samples of the same label."
    )
    title = "The trigger, tried on other samples" if test.works else "What was tried as a trigger"
    return Shown(title=title, caption=caption, html=_pairs(run, group, viewer))


def _pairs(run: Run, group: Group, viewer: Viewer) -> Markup:
    """Return the samples that were kept of the experiment, each before and after."""
    pairs = Markup("")
    for one in run.triggers.to_pylist():
        rows = np.flatnonzero(run.drop.sample_ids == one["sample_id"])
        if one["cluster"] == group.number and len(rows):
            word = "turned" if one["turned"] else "not turned"
            before = viewer.fragment(int(rows[0]), PX)
            after = viewer.packed(_sample(run, one["after"]), PX)
            pairs += Markup('<li>{}<i aria-label="becomes">\u2192</i>{}<span>{}</span></li>').format(
                before, after, word
            )
    return Markup('<ul class="pairs{}">{}</ul>').format(" across" if viewer.wide else "", pairs)


def _sample(run: Run, data: bytes) -> NDArray[np.generic]:
    inputs = run.drop.inputs
    return np.frombuffer(data, dtype=inputs.dtype).reshape(inputs.shape[1:])
