"""Whole records made by hand: what a test does not name has a plain value."""

from __future__ import annotations

from typing import Any, cast

from telltale_core.drop.manifest import Manifest
from telltale_core.proxy.record import Train


def manifest(**fields: Any) -> Manifest:
    """Return a drop's manifest: of 10 pictures of 4 x 4, all kept, in two classes."""
    plain: Manifest = {
        "digest": "d0" * 32,
        "name": "hand-made",
        "description": None,
        "source": "somewhere",
        "modality": "image",
        "task": "classification",
        "columns": {"id": "id", "input": "image", "label": "label"},
        "label_names": ["cat", "dog"],
        "num_classes": 2,
        "absent_classes": [],
        "counts": {"seen": 10, "kept": 10, "rejected": 0, "by_reason": {}, "same_content": 0},
        "input": {"file": "inputs.npy", "shape": [10, 4, 4, 3], "dtype": "uint8"},
        "packing": {"shape": [4, 4, 3], "rule": "as it is"},
        "config": {},
        "stated": {},
        "inferred": {},
        "metadata_left_out": {},
        "spellings": [],
        "unread": [],
        "accounting": {"files": None, "lines": None},
        "lost": {},
        "repeats": {},
        "questions": [],
        "files": {},
    }
    return cast("Manifest", {**plain, **fields})


def train_record(**fields: Any) -> Train:
    """Return the record of a training on the CPU of a small net."""
    plain: Train = {
        "drop_digest": "d0" * 32,
        "log_digest": "e0" * 32,
        "config": {"seed": 0},
        "recipe_digest": "f0" * 32,
        "model": "small_cnn",
        "task": "classification",
        "outputs": 2,
        "answers": {},
        "input": {"modality": "image", "shape": [4, 4, 3]},
        "augmented": False,
        "hardware": {"device": "cpu", "name": "cpu", "precision": "float32"},
        "versions": {},
        "members": [],
        "alignment": {"lowest": None, "decided": False},
        "wall_s": 1.0,
    }
    return cast("Train", {**plain, **fields})
