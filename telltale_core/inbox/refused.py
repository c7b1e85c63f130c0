"""Why what lies in an inbox is not taken, each with the cure. An empty text means that nothing speaks against it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from telltale_core.inbox.allowed import NAME_RULE, AllowList
from telltale_core.modality.reasons import shown

CURE = "upload the files themselves, below the drop's own folder"


def not_fed(allowed: AllowList, folder: str) -> str:
    """Return why drops in a folder of the inbox are not taken."""
    if allowed.dataset(folder) is not None:
        return ""
    if allowed.folders is None:
        return (
            f"the folder {shown(folder)} names no dataset: a dataset's name has {NAME_RULE}; rename the folder and "
            "upload again"
        )
    return (
        f"the folder {shown(folder)} of the inbox feeds no dataset: upload below a folder that does; or add it to the "
        "list inbox of its dataset, in the file of telltale deploy --config, and deploy again"
    )


def climbs(drop: str, keys: Iterable[str]) -> str:
    """Return why a drop is not taken some of whose files' names lead out of it, once a store or program folds them."""
    if any(".." in key.split("/") for key in keys):
        return f"the drop {shown(drop)} holds names that climb out of it by ..; {CURE}"
    return ""


def linked(inbox: str, drop: str, links: Iterable[str]) -> str:
    """Return why a local drop is not taken that is, lies behind or holds a link which leads out of it.

    ``drop`` is relative to ``inbox``; ``links`` are paths. The inbox itself may lie behind a link.
    """
    home = f"{os.path.realpath(inbox)}/{drop}"
    if os.path.realpath(home) != home:
        return f"the drop {shown(drop)} is, or lies behind, a link; {CURE}"
    for link in links:
        if not os.path.realpath(link).startswith(f"{home}/"):
            return f"the drop {shown(drop)} holds a link that leaves it, {shown(Path(link).name)}; {CURE}"
    return ""
