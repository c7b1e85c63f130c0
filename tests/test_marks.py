"""The marks of the tests themselves: who trains is noticed in any process, and plays the chip that was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support import marks
from tests.support.every_process.sitecustomize import in_rounded_float32, note_of

SETTINGS = "from telltale_core.proxy import ProxyConfig as P; print(P().precision, P().seed, P(seed=3).seed)"
TRAINING = """
import numpy as np
from telltale_core.proxy import ProxyConfig, fit
images = np.zeros((20, 8, 8, 3), np.uint8)
fit(images, np.arange(20) % 2, 2, ProxyConfig(epochs=2, width=2, batch_size=10, threads=1, device="cpu"))
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_every_process_takes_the_precision_and_the_seed_that_were_asked_for() -> None:
    assert python(SETTINGS, CHIPS_PRECISION="bfloat16", CHIPS_SEED="7").stdout == "bfloat16 7 3\n"
    assert python(SETTINGS, CHIPS_PRECISION="", CHIPS_SEED="").stdout == "auto 0 3\n"


@pytest.mark.parametrize("product", ["conv2d", "linear"])
def test_bfloat16_that_a_chip_lacks_is_played_to_the_last_bit_nearly_everywhere(product: str) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, weight = torch.randn(8, 16, 12, 12, generator=generator), torch.randn(32, 16, 3, 3, generator=generator)
    if product == "linear":
        inputs, weight = inputs.flatten(1), weight.flatten(1).repeat(1, 16)
    gradients, outputs = [], []
    for compute in (getattr(functional, product), in_rounded_float32(getattr(functional, product))):
        leaf = weight.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs.append(compute(inputs, leaf))
        gradients += torch.autograd.grad(outputs[-1].float().square().mean(), leaf)
    assert {output.dtype for output in outputs} == {torch.bfloat16}
    assert (outputs[0] == outputs[1]).float().mean() > 0.99
    assert torch.allclose(*outputs, rtol=2**-7, atol=2**-5)
    assert torch.allclose(*gradients, rtol=2**-5, atol=float(gradients[0].abs().max()) * 2**-5)
    assert torch.equal(in_rounded_float32(functional.relu)(inputs), functional.relu(inputs))  # outside of autocast


@pytest.mark.trains
def test_a_training_is_noticed_in_this_process_and_in_another() -> None:
    from telltale_core.proxy import ProxyConfig, fit

    before = marks.epochs()
    config = ProxyConfig(epochs=1, width=2, batch_size=10, threads=1, device="cpu")
    fit(np.zeros((20, 8, 8, 3), np.uint8), np.arange(20) % 2, 2, config)
    assert marks.epochs() == before + 1
    assert python(TRAINING).returncode == 0
    assert marks.epochs() == before + 3


def item(marked: bool, *fixtures: str) -> Any:
    return SimpleNamespace(nodeid="nobody::test", fixturenames=fixtures, get_closest_marker=lambda _: marked or None)


def test_a_test_that_trains_and_does_not_say_so_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHIPS_RECORD", raising=False)
    marks.check(item(False))
    monkeypatch.setattr(marks, "trained", {"a_net"})
    with pytest.raises(pytest.fail.Exception, match=r"its fixtures \['a_net'\] train"):
        marks.check(item(False, "a_net"))
    note_of("nobody::test").write_bytes(b".")
    with pytest.raises(pytest.fail.Exception, match="has the mark `trains`"):
        marks.check(item(False))
    marks.check(item(True, "a_net"))


@pytest.mark.slow
def test_the_fast_tests_can_import_no_prefect_and_start_no_server() -> None:
    process = python("import prefect", CHIPS_FAST="1")
    assert "the fast tests do without Prefect" in process.stderr
    process = python("import socket; socket.create_server(('127.0.0.1', 0))", CHIPS_FAST="1")
    assert "the fast tests start no server" in process.stderr


def test_a_module_that_needs_prefect_is_known_by_its_imports(tmp_path: Path) -> None:
    for text, needs in (("import numpy", False), ("def test():\n    from flows.cli import app", True)):
        (tmp_path / "test_it.py").write_text(text)
        assert marks.needs_prefect(tmp_path / "test_it.py") is needs
