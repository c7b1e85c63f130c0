"""Layouts whose samples have no class, or have it elsewhere: detection, segmentation, anomalies, backdoor-toolbox."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable

from telltale_core.drop.source import Source, SourceFile
from telltale_core.drop.split_names import PARTS, split_named
from telltale_core.modality import modality_named
from telltale_core.modality.reasons import bad, shown

IMAGES = {"images", "image", "imgs", "img", "jpegimages", "leftimg8bit"}
MASKS = {"masks", "mask", "segmentationclass", "segmentationobject", "segmentation", "gtfine", "groundtruth"}
TWO_WORDS = re.compile(r"ground[-_.\s]+truth")
GROUND_TRUTH = [{"groundtruth"}, {"gtfine"}]
"""Words of a folder that is no class, whatever lies beside it."""
MASK = re.compile(r"(.*[^ _-])[ _-]+(mask|segmentation|seg|gt)s?([ _-]?[0-9]+)?", re.IGNORECASE)
"""How a mask is called after its picture, which lies in the same folder."""
MASKED = 0.05
"""Share of pictures, above which those called so are masks."""
NOTED = {"label", "labels", "annotation", "annotations", "annots", "bboxes"}
"""Words of a folder whose files are notes on the pictures of the folder beside it: masks where these are pictures."""
COCO = re.compile(r"(.*/)?(instances|panoptic|captions|person_keypoints)_.*\.json|(.*/)?_annotations\.coco\.json")
NOTES = {".txt", ".xml", ".json"}
BOXES = re.compile(rb"\s*[0-9]+([ \t]+[0-9.eE+-]+){4,}\s*(\n|$)|(?s:.*)(<bndbox>|\"(shapes|bbox)\")")
"""How a note on one picture begins that holds boxes: as YOLO, VOC, LabelMe or COCO write them."""
TRIED, TRIED_BYTES = 8, 1 << 14


def refuse_other_tasks(source: Source, others: Iterable[str]) -> None:
    """Raise ``task_refused`` for an export of detection or segmentation; ``others`` are files of other splits."""
    keys = [*source.files, *others]
    if "labels" in keys and any(key.startswith("imgs/") for key in keys):
        raise bad(
            "task_refused",
            "'imgs/' and 'labels' are an output of backdoor-toolbox, whose labels are a tensor: make a drop of it by "
            "python -m telltale_core.bench.backdoor_folders SRC OUT",
        )
    if any("/bd_train_dataset/" in f"/{key}" for key in keys):
        raise bad(
            "task_refused",
            "'bd_train_dataset/' is an output of BackdoorBench and holds only its altered pictures, by their original "
            "labels: make a drop of it by python -m telltale_core.bench.backdoor_folders SRC OUT",
        )
    coco = next((key for key in keys if COCO.fullmatch(key)), None)
    what = f"{shown(coco)} is of a detection" if coco else _folder_of_notes(keys)
    what = what or _masks_beside(source) or _boxes_beside(source)
    if what:
        raise bad(
            "task_refused",
            f"{what} data set, whose samples have no class: put pictures alone into a folder for each class, or name "
            "them with one label each in a table (file_name, label)",
        )


def _folder_of_notes(keys: Iterable[str]) -> str:
    """Return in words which folder holds masks or boxes of the pictures in those beside it; empty for none."""
    beside: defaultdict[str, set[str]] = defaultdict(set)
    endings: defaultdict[str, set[str]] = defaultdict(set)
    for key in keys:
        parts = key.split("/")
        for depth, name in enumerate(parts[:-1]):
            beside["/".join(parts[:depth])].add(name)
            endings["/".join(parts[: depth + 1])].add(key[key.rfind(".") :].lower())
    noting = MASKS | NOTED
    for parent, names in beside.items():
        words = {name: {*PARTS.split(TWO_WORDS.sub("groundtruth", name.lower()))} for name in sorted(names)}
        pictures = {frozenset(of - IMAGES): name for name, of in words.items() if not of & noting}
        for name, of in words.items():
            masks = endings[f"{parent}/{name}".lstrip("/")] & modality_named("image").suffixes
            beside_splits = len(names) > 1 and all(split_named(other) for other in names - {name})
            if masks and (of in GROUND_TRUTH or (of <= noting and beside_splits)):
                return f"a folder {shown(name)} of masks is of a segmentation or anomaly"
            rest = of - noting - IMAGES
            about = pictures.get(frozenset(rest)) if of & noting else None
            if about is None or not (words[about] & IMAGES or all(map(split_named, rest))):
                continue  # else it may be a class: face and face_mask
            if not masks and not endings[f"{parent}/{name}".lstrip("/")] & NOTES:
                continue  # documents, a table
            return f"a folder {shown(about)} beside {shown(name)} is {'a segmentation' if masks else 'a detection'}"
    return ""


def _masks_beside(source: Source) -> str:
    """Return in words which picture has its mask in a file beside it; empty for none."""
    suffixes = modality_named("image").suffixes
    pictures = {_stem(file): file.key for file in source.files.values() if file.suffix in suffixes}
    masks = [stem for stem in pictures if (match := MASK.fullmatch(stem)) and match[1] in pictures]
    if len(masks) <= MASKED * len(pictures):
        return ""
    return f"{shown(pictures[masks[0]])}, the mask of the picture beside it, is of a segmentation"


def _boxes_beside(source: Source) -> str:
    """Return in words which picture has its boxes in a file of the same name beside it; empty for none."""
    suffixes = modality_named("image").suffixes
    notes = [file for file in source.files.values() if file.suffix in NOTES]
    pictures = {_stem(file) for file in source.files.values() if notes and file.suffix in suffixes}
    for note in itertools.islice((file for file in notes if _stem(file) in pictures), TRIED):
        with source.open(note) as handle:
            if BOXES.match(handle.read(TRIED_BYTES)):
                return f"{shown(note.key)}, boxes of the picture of that name, is of a detection"
    return ""


def _stem(file: SourceFile) -> str:
    return file.key[: -len(file.suffix)] if file.suffix else file.key
