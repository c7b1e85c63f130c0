"""2 train: a small proxy learns the untrusted data, and every sample's loss is logged while it does."""

from telltale_core.proxy.config import ProxyConfig
from telltale_core.proxy.fit import Fitted, fit
from telltale_core.proxy.loop import Snapshot
from telltale_core.proxy.models import register
from telltale_core.proxy.predict import load_proxy, predict_logits
from telltale_core.proxy.progress import Progress, ProgressBar
from telltale_core.proxy.recording import observe, read_logits, read_recording, recording_path
from telltale_core.proxy.train import train

__all__ = [
    "Fitted",
    "Progress",
    "ProgressBar",
    "ProxyConfig",
    "Snapshot",
    "fit",
    "load_proxy",
    "observe",
    "predict_logits",
    "read_logits",
    "read_recording",
    "recording_path",
    "register",
    "train",
]
