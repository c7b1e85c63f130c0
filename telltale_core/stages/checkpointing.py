"""Saving a stage that another run can go on with: after each epoch, and when its process is told to end."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator

from telltale_core import stopping
from telltale_core.errors import OverBudget, Stopped
from telltale_core.proxy import Progress
from telltale_core.stages.inputs import Context

log = logging.getLogger(__name__)


@contextlib.contextmanager
def saving(save: Callable[[], object], context: Context) -> Iterator[Context]:
    """Yield a context whose progress calls ``save`` once an epoch; a signal waits until what stopped is saved, too."""
    saved: set[int] = set()

    def see(progress: Progress) -> None:
        if progress.epoch not in saved:
            saved.add(progress.epoch)
            save()
        if context.progress is not None:
            context.progress(progress)

    with stopping.in_order():
        try:
            yield dataclasses.replace(context, progress=see)
        except (Stopped, OverBudget) as stopped:
            save()
            log.warning("%s", stopped)
            raise
