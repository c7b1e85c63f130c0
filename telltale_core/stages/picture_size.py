"""How large pictures may be packed: what the machine that trains can hold.

A CPU learns pictures of 64 x 64 in minutes, a GPU of 224 x 224; larger pictures show smaller triggers. At 224 the small
net takes about 1 GB for a batch of 128 and ``resnet18`` 6, the pictures at most 8 GiB.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""There where a GPU is that torch may know; asked first, since importing torch takes seconds."""
LARGEST = 224
LEAST_BYTES = 14e9


def drop_settings(settings: Mapping[str, Any], *, elsewhere: bool = False) -> dict[str, Any]:
    """Return the settings of the ingest stage in a run with ``settings``, for the machine that will train.

    ``drop.largest_image``, where nobody gave it, is 224 where another machine trains (``elsewhere``: on a GPU) or a GPU
    of this one with 14 GB; else it stays open, which is 64.
    """
    drop = dict(settings["drop"])
    if drop.get("largest_image") is None and drop.get("image_size") is None:
        large = elsewhere or _gpu_bytes(str(settings["proxy"].get("device", "auto"))) >= LEAST_BYTES
        drop["largest_image"] = LARGEST if large else None
    return drop


def _gpu_bytes(device: str) -> int:
    if device.startswith("cpu") or not any(Path(path).exists() for path in DEVICES):
        return 0
    import torch

    if not torch.cuda.is_available():
        return 0
    return int(torch.cuda.get_device_properties(device if device != "auto" else "cuda").total_memory)
