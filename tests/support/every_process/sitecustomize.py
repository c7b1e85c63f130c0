"""What Python runs first in every process of the tests, theirs and those that they start: PYTHONPATH leads here.

``CHIPS_PRECISION`` and ``CHIPS_SEED`` become the defaults of each training's settings, as if another chip or seed had
been drawn. Each training leaves a note for the test that caused it. With ``CHIPS_FAST`` no process imports Prefect or
listens at a port.
"""

import hashlib
import os
import socket
import sys
from importlib.machinery import PathFinder
from pathlib import Path


def note_of(test: str) -> Path:
    """Return the file that holds one byte for each epoch that was trained on behalf of a test."""
    return Path(os.environ["CHIPS_NOTES"]) / hashlib.sha256(test.encode()).hexdigest()


def _play_a_chip(module):
    """Give the settings other defaults, in their fields and in what validates them."""
    defaults = {"precision": os.environ.get("CHIPS_PRECISION"), "seed": int(os.environ.get("CHIPS_SEED") or 0)}
    for settings in (module.ProxyConfig, module.SettledConfig):
        for name, value in defaults.items():
            if value:
                settings.model_fields[name].default = value
        settings.model_rebuild(force=True)


def in_rounded_float32(product):
    """Return a product of tensors that, in a net's autocast, is what a chip with bfloat16 computes, in float32's time.

    Such a chip multiplies bfloat16 operands, sums in float32 and rounds the sum. torch's emulation on a chip without
    gives the same but for 1 output in 20,000, and takes 14 times as long (small convolutions, AMD Zen 3).
    """
    import torch

    def rounded(operand):
        return operand.bfloat16().float() if isinstance(operand, torch.Tensor) else operand

    def call(*arguments, **options):
        if not torch.is_autocast_enabled("cpu"):
            return product(*arguments, **options)
        with torch.autocast("cpu", enabled=False):
            options = {name: rounded(value) for name, value in options.items()}
            return product(*map(rounded, arguments), **options).bfloat16()

    return call


def _play_bfloat16(module):
    """Where bfloat16 was drawn, and the chip has none, round: hours become minutes."""
    if os.environ.get("CHIPS_PRECISION") == "bfloat16" and not module.has_native_bfloat16("cpu"):
        from torch.nn import functional

        for name in ("conv1d", "conv2d", "linear"):
            setattr(functional, name, in_rounded_float32(getattr(functional, name)))


def _note_training(module):
    run_epoch = module.Trainer.run_epoch

    def noted(self, *arguments, **options):
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" ", 1)[0]
        if test and "CHIPS_NOTES" in os.environ:
            with note_of(test).open("ab") as note:
                note.write(b".")
        return run_epoch(self, *arguments, **options)

    module.Trainer.run_epoch = noted


def _refuse(module):
    if os.environ.get("CHIPS_FAST"):
        raise ImportError("the fast tests do without Prefect: import it in a test that `make test-fast` leaves out")


AFTER = {
    "telltale_core.proxy.config": _play_a_chip,
    "telltale_core.proxy.hardware": _play_bfloat16,
    "telltale_core.proxy.loop": _note_training,
    "prefect": _refuse,
}
"""What is done once a module is loaded."""


class Hook:
    """Finds the modules of ``AFTER``, and does what is asked once they are loaded."""

    def find_spec(self, name, path=None, target=None):
        if name not in AFTER:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            AFTER[name](module)

        spec.loader.exec_module = exec_module
        return spec


def _listen(self, *arguments, listen=socket.socket.listen):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        raise OSError("the fast tests start no server: give the test that does the mark `server`")
    return listen(self, *arguments)


if os.environ.get("CHIPS_FAST"):
    socket.socket.listen = _listen
if Hook.__name__ not in {type(finder).__name__ for finder in sys.meta_path}:
    sys.meta_path.insert(0, Hook())
