"""Where work that is pure goes: this process, other processes of this machine, or a Ray cluster. Never a result."""

from telltale_core.scale.config import ScaleConfig
from telltale_core.scale.engine import ordered_map, using
from telltale_core.scale.ray_train import on_ranks

__all__ = ["ScaleConfig", "on_ranks", "ordered_map", "using"]
