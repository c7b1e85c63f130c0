"""2 train: a small proxy learns the untrusted data, and every sample's loss is logged while it does."""

from typing import TYPE_CHECKING

from telltale_core.lazy_imports import on_demand
from telltale_core.proxy.config import ProxyConfig
from telltale_core.proxy.progress import Progress, ProgressLines

if TYPE_CHECKING:
    from telltale_core.proxy.fitting import Fitted, fit
    from telltale_core.proxy.helping import train_together
    from telltale_core.proxy.leave_out import RETRAINED_EPOCHS, can_retrain, leave_out_retraining
    from telltale_core.proxy.loop import Snapshot
    from telltale_core.proxy.models import register
    from telltale_core.proxy.predict import asker, load_proxy, predict_logits
    from telltale_core.proxy.recording import (
        observe,
        read_logits,
        read_recording,
        recorded_answers,
        recorded_features,
        recording_path,
    )
    from telltale_core.proxy.training import train

__all__ = [
    "RETRAINED_EPOCHS",
    "Fitted",
    "Progress",
    "ProgressLines",
    "ProxyConfig",
    "Snapshot",
    "asker",
    "can_retrain",
    "fit",
    "leave_out_retraining",
    "load_proxy",
    "observe",
    "predict_logits",
    "read_logits",
    "read_recording",
    "recorded_answers",
    "recorded_features",
    "recording_path",
    "register",
    "train",
    "train_together",
]

__getattr__ = on_demand(
    __name__,
    fitting=("Fitted", "fit"),
    helping=("train_together",),
    leave_out=("RETRAINED_EPOCHS", "can_retrain", "leave_out_retraining"),
    loop=("Snapshot",),
    models=("register",),
    predict=("asker", "load_proxy", "predict_logits"),
    recording=("observe", "read_logits", "read_recording", "recorded_answers", "recorded_features", "recording_path"),
    training=("train",),
)
