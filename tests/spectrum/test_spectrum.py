"""The spectrum stage: window, common mode, transform, record."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from telltale_core.errors import BadInput, ConfigError, Corrupt, NotFound
from telltale_core.losslog import LossLog
from telltale_core.spectrum import Spectra, Spectrum, SpectrumConfig, choose_window, compute_spectrum, transform
from telltale_core.spectrum.record import StoredSpectrum


def noise(samples: int = 50, snapshots: int = 16, seed: int = 0) -> np.ndarray:
    fall = np.linspace(1, -5, snapshots)
    return (fall + np.random.default_rng(seed).normal(0, 1, (samples, snapshots))).astype(np.float32)


def test_a_swing_that_all_samples_share_leaves_no_trace() -> None:
    log_loss = noise()
    shared = log_loss + np.random.default_rng(1).normal(0, 3, 16).astype(np.float32)
    config = SpectrumConfig(start=0.0)
    first = transform(log_loss, None, config)
    second = transform(shared, None, config)
    np.testing.assert_allclose(first.features, second.features, atol=1e-4)


def test_a_sample_that_is_harder_by_a_constant_has_the_same_spectrum_and_a_higher_level() -> None:
    log_loss = noise()
    log_loss[1] = log_loss[0] + 2
    spectra = transform(log_loss, None, SpectrumConfig(start=0.0))
    np.testing.assert_allclose(spectra.features[0], spectra.features[1], atol=1e-4)
    assert spectra.level[1] - spectra.level[0] == pytest.approx(2, abs=1e-5)


@pytest.mark.parametrize("snapshots", [16, 17])
def test_without_whitening_the_transform_keeps_distances(snapshots: int) -> None:
    log_loss = noise(snapshots=snapshots)
    spectra = transform(log_loss, None, SpectrumConfig(start=0.0, whitening=0.0))
    centred = log_loss - log_loss.mean(axis=1, keepdims=True)
    expected = np.linalg.norm(centred[0] - centred[1])
    distance = np.linalg.norm(spectra.features[0] - spectra.features[1])
    assert distance == pytest.approx(expected, rel=1e-4)


def test_the_phase_is_kept() -> None:
    time = np.arange(16)
    fall = np.linspace(1, -5, 16)
    log_loss = np.stack([fall + 4 * np.sin(2 * np.pi * time / 8), fall + 4 * np.cos(2 * np.pi * time / 8)])
    stack = np.concatenate([log_loss, noise()]).astype(np.float32)
    spectra = transform(stack, None, SpectrumConfig(start=0.0))
    first, second = spectra.features[:2]
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.5


def test_the_window_opens_once_the_proxy_has_begun_to_learn() -> None:
    median = np.concatenate([np.full(6, 1.0), np.linspace(0.5, -5, 14)])
    assert choose_window(median, SpectrumConfig()) == (6, 20)


def test_a_given_window_is_taken_as_given() -> None:
    assert choose_window(np.zeros(20), SpectrumConfig(start=0.25, stop=0.75)) == (5, 15)


def test_too_few_snapshots_say_what_to_do() -> None:
    with pytest.raises(BadInput, match="record more snapshots"):
        transform(noise(snapshots=3), None, SpectrumConfig(start=0.0))


def test_no_finite_row_is_an_error() -> None:
    with pytest.raises(BadInput, match="no_finite_losses"):
        transform(noise() * np.nan, None, SpectrumConfig())


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="must be less than"):
        SpectrumConfig(start=0.9, stop=0.5)


def test_the_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    log = LossLog.from_array(noise(), drop_digest="d" * 64)
    record = compute_spectrum(log, None, tmp_path)
    read, spectra = Spectrum.open(tmp_path), transform(log.log_loss, None, SpectrumConfig())
    for field in dataclasses.fields(Spectra):
        np.testing.assert_array_equal(getattr(read.spectra, field.name), getattr(spectra, field.name))
    np.testing.assert_array_equal(read.sample_ids, log.sample_ids)
    assert read.drop_digest == "d" * 64
    assert read.record == record


@pytest.mark.parametrize("non_finite", [[], [0, 1, 700], list(range(60, 640))])
def test_spectra_are_written_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, non_finite: list[int]
) -> None:
    loss = noise(samples=701)
    loss[non_finite, 3] = np.nan
    log, labels = LossLog.from_array(loss), np.arange(701) % 3
    compute_spectrum(log, labels, tmp_path / "one")
    monkeypatch.setattr(sys.modules[transform.__module__], "CHUNK_BYTES", 8 * loss.shape[1] * 64)
    compute_spectrum(log, labels, tmp_path / "parts")
    groups = [pq.ParquetFile(tmp_path / name / "spectrum.parquet").num_row_groups for name in ("one", "parts")]
    assert groups == [1, -(-(701 - len(non_finite)) // 64)]
    one, parts = (Spectrum.open(tmp_path / name).spectra for name in ("one", "parts"))
    for field in dataclasses.fields(Spectra):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(parts, field.name))
    order = np.random.default_rng(0).permutation(701)
    drop = SimpleNamespace(digest="", sample_ids=log.sample_ids[order])
    moved, rows = Spectrum.open(tmp_path / "parts", drop=drop), np.array([5, 700, 5, 0])
    np.testing.assert_array_equal(moved.spectra.features, one.features[order])
    np.testing.assert_array_equal(moved.spectra.motion, one.motion[order])
    stored = StoredSpectrum.open(tmp_path / "parts", drop)
    np.testing.assert_array_equal(stored.features_of(rows), one.features[order][rows])
    np.testing.assert_array_equal(stored.finite, one.finite[order])


def test_an_unfinished_or_foreign_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="run the spectrum stage"):
        Spectrum.open(tmp_path)
    (tmp_path / "spectrum.json").write_text('{"format": "another/9"}', encoding="utf-8")
    with pytest.raises(Corrupt, match="format"):
        Spectrum.open(tmp_path)
