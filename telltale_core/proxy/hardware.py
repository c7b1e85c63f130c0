"""What the training runs on: device, precision, threads, and how much memory is left."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from telltale_core import memory
from telltale_core.errors import ConfigError
from telltale_core.processors import allowed, free_threads, load_of_others
from telltale_core.proxy.config import ProxyConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A resolved choice: ``device`` ("cpu", "cuda", "cuda:1"), the body's ``precision``, ``threads`` on a CPU."""

    device: str
    precision: str
    threads: int

    @property
    def kind(self) -> str:
        """Return the device's type, "cpu" or "cuda"."""
        return torch.device(self.device).type

    def autocast(self) -> torch.autocast:
        """Return the context in which the net's body runs."""
        return torch.autocast(self.kind, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")

    def synchronise(self) -> None:
        """Wait until the device has done all that was asked of it, so that a clock reads true."""
        if self.kind == "cuda":
            torch.cuda.synchronize(self.device)

    def random_state(self) -> dict[str, torch.Tensor]:
        """Return the state of torch's own random numbers, by device."""
        state = {"cpu": torch.get_rng_state()}
        if self.kind == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def restore_random(self, state: dict[str, torch.Tensor]) -> None:
        """Take over a state made by :meth:`random_state`; of a device that was not there, its own goes on."""
        torch.set_rng_state(state["cpu"])
        if self.kind == "cuda" and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self.device)

    def describe(self) -> str:
        """Return the device's name for a record."""
        if self.kind == "cuda":
            return str(torch.cuda.get_device_name(self.device))
        return f"{_processor()}, {self.threads} of {allowed()} threads"


def resolve_hardware(config: ProxyConfig) -> Hardware:
    """Return the hardware for a configuration; raise :class:`ConfigError` for what this machine does not have.

    ``precision="auto"`` is bfloat16 where the chip computes it natively, else float32: emulated bfloat16 was measured
    twice slower than float32 on a CPU with AVX-512 but without AVX512-BF16.
    """
    device = ("cuda" if torch.cuda.is_available() else "cpu") if config.device == "auto" else config.device
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ConfigError(f"device must be 'auto', 'cpu' or 'cuda[:index]', got {device!r}") from error
    if kind not in ("cpu", "cuda"):
        raise ConfigError(f"device must be 'auto', 'cpu' or 'cuda[:index]', got {device!r}")
    if kind == "cuda" and (torch.device(device).index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {device!r} was asked for; this machine shows {torch.cuda.device_count()} CUDA devices"
        )
    precision = config.precision
    if precision == "auto":
        precision = "bfloat16" if has_native_bfloat16(device) else "float32"
    return Hardware(device=device, precision=precision, threads=config.threads or _threads())


def has_native_bfloat16(device: str) -> bool:
    """Return whether the device has bfloat16 arithmetic of its own; False where that cannot be found out.

    ``torch.ops.mkldnn._is_mkldnn_bf16_supported()`` is no answer: it is True on every AVX-512 CPU, emulating.
    """
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if hasattr(torch.cpu, "get_capabilities"):  # newer torch; keys differ by architecture
        capabilities = torch.cpu.get_capabilities()
        return any(bool(capabilities.get(name)) for name in ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16"))
    probes = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(bool(probe()) for probe in probes if probe is not None)


@contextlib.contextmanager
def running(hardware: Hardware) -> Iterator[None]:
    """Set threads and determinism for a training and put back what was set before.

    On the CPU every operation is deterministic, so equal seeds, versions and threads give equal bits. On CUDA it is not
    demanded: average pooling has no deterministic backward there, so two runs agree in distribution, not in bits.
    """
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    devices = [torch.device(hardware.device)] if hardware.kind == "cuda" else []
    torch.set_num_threads(hardware.threads)
    torch.use_deterministic_algorithms(strict or hardware.kind == "cpu")
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def _threads() -> int:
    """Return how many threads a training takes: as ``OMP_NUM_THREADS`` says, else as processors are free."""
    usual = torch.get_num_threads()
    if os.environ.get("OMP_NUM_THREADS"):
        return usual
    return free_threads(min(usual, allowed()), os.cpu_count() or 1, load_of_others())


def available_bytes(device: str) -> int | None:
    """Return the memory that can still be taken, host or GPU; None where the system does not tell."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return memory.available_bytes()


def _processor() -> str:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line for line in lines if line.startswith("model name")).split(":", 1)[1].strip()
    return "CPU"
