"""Layouts whose samples have no class, or have it elsewhere: detection, segmentation, backdoor-toolbox."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from telltale_core.modality.reasons import bad, shown

IMAGES = {"images", "image", "imgs", "img", "jpegimages", "leftimg8bit"}
MASKS = {"masks", "mask", "segmentationclass", "segmentationobject", "segmentation", "gtfine", "ground_truth"}
BOXES = {"labels", "annotations", "annots", "bboxes"}
COCO = re.compile(r"(.*/)?(instances|panoptic|captions|person_keypoints)_.*\.json|(.*/)?_annotations\.coco\.json")
NOTES = (".txt", ".xml", ".json")


def refuse_other_tasks(keys: Sequence[str]) -> None:
    """Raise ``task_refused`` for the export of a detection or segmentation project."""
    if "labels" in keys and any(key.startswith("imgs/") for key in keys):
        raise bad(
            "task_refused",
            "'imgs/' and 'labels' are an output of backdoor-toolbox, whose labels are a tensor: make a drop of it by "
            "python -m telltale_core.bench.backdoor_folders SRC OUT",
        )
    folders = Counter(part.lower() for key in keys for part in set(key.split("/")[:-1]))
    beside = IMAGES & set(folders)
    masks = MASKS & set(folders) if beside else set()
    boxes = {name for name in BOXES & set(folders) if beside and _holds_notes(keys, name)}
    coco = next((key for key in keys if COCO.fullmatch(key)), None)
    if masks or boxes or coco:
        kind = "segmentation" if masks else "detection"
        what = shown(coco) if coco else f"a folder {shown(sorted(beside)[0])} beside {shown(sorted(masks | boxes)[0])}"
        raise bad(
            "task_refused",
            f"{what} is a {kind} data set, whose samples have no class: put pictures into a folder for each class, or "
            "name them with one label each in a table (file_name, label)",
        )


def _holds_notes(keys: Sequence[str], folder: str) -> bool:
    inside = [key for key in keys if folder in key.lower().split("/")[:-1]]
    return bool(inside) and all(key.lower().endswith(NOTES) for key in inside)
