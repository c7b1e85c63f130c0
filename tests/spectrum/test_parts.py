"""The spectra are computed part by part: the same bits as from whole arrays, whatever fits into memory."""

from __future__ import annotations

import dataclasses
import sys
import tracemalloc

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from telltale_core.spectrum import Spectra, SpectrumConfig, choose_window, transform
from telltale_core.spectrum.transform import STILL

MODULE = sys.modules["telltale_core.spectrum.transform"]
LABELS = {
    "no labels": lambda _: None,
    "one label": lambda n: np.zeros(n, dtype=np.int64),
    "a label with one sample": lambda n: (np.arange(n) > 0).astype(np.int64),
    "many labels, with gaps": lambda n: np.random.default_rng(1).integers(0, 9, n) * 3,
}


def whole(loss_NT: np.ndarray, labels: np.ndarray | None, config: SpectrumConfig) -> dict[str, np.ndarray]:
    """Return the spectra from arrays of all samples at once, written down plainly."""
    finite = np.isfinite(loss_NT).all(axis=1)
    kept = loss_NT[finite]
    start, stop = choose_window(np.median(kept, axis=0), config)
    window = kept[:, start:stop].astype(np.float64)
    residual = window - np.median(window, axis=0)
    residual -= residual.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(residual, axis=1, norm="ortho")[:, 1:]
    number = np.zeros(len(kept)) if labels is None else labels[finite]
    powers = []
    for label in np.unique(number):
        part = spectrum[number == label]
        centre = np.median(part.real, axis=0) + 1j * np.median(part.imag, axis=0)
        powers.append(np.median(np.abs(part - centre) ** 2, axis=0))
    power = np.mean(powers, axis=0)
    weight = np.maximum(power, 1e-12 + 1e-6 * power.max()) ** (-config.whitening / 2)
    spectrum = spectrum * weight * np.sqrt(2)
    parts = [spectrum.real, spectrum.imag]
    if window.shape[1] % 2 == 0:
        parts[0][:, -1] /= np.sqrt(2)
        parts[1] = parts[1][:, :-1]
    time = np.arange(window.shape[1]) - (window.shape[1] - 1) / 2
    early = window[:, : max(round(0.75 * kept.shape[1]) - start, 4)]
    quarters = np.array_split(early, 4, axis=1) if early.shape[1] >= 8 else [early] * 4
    motion = [
        (q.mean(axis=1), np.log(q.std(axis=1) + STILL), np.log(np.abs(np.diff(q, axis=1)).mean(axis=1) + STILL))
        for q in quarters
    ]
    with threadpool_limits(1):
        trend = window @ time / (time @ time)
    plain = {
        "features": np.concatenate(parts, axis=1).astype(np.float32),
        "level": window.mean(axis=1),
        "trend": trend,
        "motion": np.array(motion).transpose(2, 0, 1),
    }
    spread = {name: np.zeros((len(finite), *value.shape[1:]), value.dtype) for name, value in plain.items()}
    for name, value in plain.items():
        spread[name][finite] = value
    return {**spread, "finite": finite}


def losses(samples: int, snapshots: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    loss = (np.linspace(1, -8, snapshots) + rng.normal(0, 1, (samples, snapshots))).astype(np.float32)
    loss[:, snapshots // 2] = np.round(loss[:, snapshots // 2])  # ties within a snapshot
    loss[samples // 3 : samples // 2] = loss[0]  # samples that are all alike
    loss[2, 3], loss[-1, 0] = np.inf, np.nan
    return loss


@pytest.mark.parametrize("chunk_bytes", [1 << 12, 1 << 25], ids=["many parts", "one part"])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize(("samples", "snapshots"), [(700, 24), (131, 17)])
def test_parts_give_the_same_bits(
    samples: int, snapshots: int, labels: str, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "CHUNK_BYTES", chunk_bytes)
    loss, number = losses(samples, snapshots), LABELS[labels](samples)
    for config in (SpectrumConfig(), SpectrumConfig(start=0.1, stop=0.9, whitening=0.0)):
        spectra, expected = transform(loss, number, config), whole(loss, number, config)
        for name, value in expected.items():
            part = getattr(spectra, name)
            assert (part.dtype, part.shape) == (value.dtype, value.shape), name
            assert part.tobytes() == value.tobytes(), name


def test_no_copy_of_all_samples_in_float64_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "CHUNK_BYTES", 1 << 18)
    loss = losses(20_000, 40)
    tracemalloc.start()
    spectra = transform(loss, None, SpectrumConfig(start=0.0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    results = sum(getattr(spectra, field.name).nbytes for field in dataclasses.fields(Spectra)[:5])
    assert peak - results < loss.size * 8
