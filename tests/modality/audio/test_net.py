"""Recordings from files to a published report, with real nets; and the pieces of the way."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import soundfile
import torch

from telltale_core import stages
from telltale_core.bench.attacks import WaveSet, make_attack
from telltale_core.bench.attacks.waves import objects
from telltale_core.bench.data import load
from telltale_core.bench.victim import judge_attack
from telltale_core.bench.writing import packed, write_drop
from telltale_core.errors import ConfigError
from telltale_core.modality.audio.mel import BANDS, MANY_FRAMES, log_mel, plan_for
from telltale_core.modality.audio.net import SpectrogramFront, band_scaling
from telltale_core.proxy import ProxyConfig, load_proxy
from telltale_core.proxy.models import build

RATE = 8000
NAMES = ("low", "middle", "high")


def beeps(rows, seed=0):
    """Recordings of three classes, told apart by their pitch, of differing lengths and loudness."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(rows) % 3)
    waves = []
    for label in labels:
        time_s = np.arange(rng.integers(1600, 2400)) / RATE
        hertz = (250, 500, 900)[label] * rng.uniform(0.95, 1.05)
        sound = rng.uniform(0.05, 0.2) * np.sin(2 * np.pi * hertz * time_s) + rng.normal(0, 0.01, len(time_s))
        waves.append((sound * 32767).astype(np.int16))
    return WaveSet(waves=objects(waves), rate=RATE, labels=labels.astype(np.int64), num_classes=3)


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A small poisoned drop, run to its report; with few epochs: what is found is the bench's business."""
    work, attack = tmp_path_factory.mktemp("audio"), make_attack("tone", frequency=3000.0, place=0.0)
    poisoned_set = attack.poison(beeps(300), 0.05, 0, seed=1)
    write_drop(work / "drop", poisoned_set.data, [f"r{n}" for n in range(300)], NAMES, seed=1)
    area = str(work / "area")
    drop = stages.ingest(str(work / "drop"), area, {})
    trained = stages.train(drop, area, {"epochs": 6, "width": 4, "threads": 1, "device": "cpu"})
    verdict = stages.cluster(stages.spectrum(trained, area, {}), area, {})
    return area, stages.report(verdict, area, {}), attack


def test_the_proxy_learns_from_spectrograms_and_can_be_loaded_for_new_recordings(reported):
    area, record, _ = reported
    drop = stages.open_drop(record, area)
    training = stages.opened(record, area).train_record()
    assert training["input"]["rate"] == RATE
    assert len(training["input"]["mean"]) == BANDS
    assert (training["model"], training["config"]["batch_size"], training["config"]["epochs"]) == ("small_cnn", 64, 6)
    fresh = beeps(60, seed=9)
    proxy = load_proxy(stages.folder_of(record, "train", area))
    assert (proxy.predict(packed(drop, fresh)) == fresh.labels).mean() > 0.8


def test_the_report_shows_players_and_spectrograms_of_what_the_proxy_heard(reported):
    area, record, _ = reported
    drop = stages.open_drop(record, area)
    page = (stages.folder_of(record, "report", area) / "report.html").read_text(encoding="utf-8")
    assert "300 recordings, classification, 3 labels" in page
    assert "media-src data:" in page
    sounds = re.findall(r'<audio controls preload="none" src="data:audio/wav;base64,([^"]+)"', page)
    assert len(sounds) == page.count('alt="spectrogram of the recording"') > 5
    values, rate = soundfile.read(io.BytesIO(base64.b64decode(sounds[0])), dtype="int16")
    assert rate == RATE
    assert any(np.array_equal(values, row[: len(values)]) for row in np.asarray(drop.inputs))


def test_what_suspected_recordings_share_is_drawn_with_its_pitch_and_time(reported):
    from telltale_core.modality import modality_named
    from telltale_core.modality.viewing import Focus

    area, record, _ = reported
    drop = stages.open_drop(record, area)
    poisoned = np.flatnonzero([_has_tone(row) for row in np.asarray(drop.inputs)])
    kept = np.setdiff1d(np.flatnonzero(drop.labels == 0), poisoned)
    focus = Focus(label=0, name="low", word="quarantined", suspected_rows=poisoned, kept_rows=kept)
    viewer = modality_named("audio").viewer(drop, [focus], 140)
    (figure,) = viewer.shared(focus)
    hertz = float(re.search(r"near ([\d,]+) Hz", figure.caption)[1].replace(",", ""))
    assert len(poisoned) == 15
    assert hertz == pytest.approx(3000, rel=0.1)
    few = Focus(label=0, name="low", word="quarantined", suspected_rows=poisoned[:2], kept_rows=kept)
    assert viewer.shared(few) == []


def _has_tone(row):
    spectrum = np.abs(np.fft.rfft(row[:800].astype(float)))
    return spectrum[295:306].max() > 10 * np.median(spectrum[200:280])


@pytest.mark.trains
def test_a_victim_is_judged_on_recordings_packed_as_the_drop_is(reported):
    area, record, attack = reported
    drop = stages.open_drop(record, area)
    config = ProxyConfig(epochs=6, width=4, threads=1, device="cpu")
    outcome = judge_attack(attack, 0, data=beeps(300), test=beeps(60, seed=9), config=config, drop=drop)
    assert outcome["accuracy"] > 0.8
    assert 0 <= outcome["attack_success"] <= 1


def test_the_proxys_spectrogram_is_the_reports():
    rng = np.random.default_rng(0)
    for rate, length in ((8000, 7440), (16_000, 4000), (44_100, 441_00), (1000, 10)):
        recordings = rng.integers(-9000, 9000, (3, length)).astype(np.int16)
        front = SpectrogramFront((length,), {"rate": rate, "mean": [0.0] * BANDS, "std": [1.0] * BANDS}, "cpu")
        spectrograms = front(torch.from_numpy(recordings)).numpy()
        plan = plan_for(rate, length)
        assert spectrograms.shape == (3, 1, *front.shape[:2]) == (3, 1, BANDS, plan.frames)
        drawn = np.stack([log_mel(one, plan) for one in recordings])
        np.testing.assert_allclose(spectrograms[:, 0], drawn, atol=2e-3)


def test_long_recordings_make_no_endless_pictures_and_no_sound_lies_between_their_windows():
    assert plan_for(16_000, 16_000 * 8).frames <= MANY_FRAMES + 1
    assert plan_for(16_000, 16_000 * 30).frames <= 2 * MANY_FRAMES
    for rate, seconds in ((8000, 600), (16_000, 60), (44_100, 30)):
        plan = plan_for(rate, rate * seconds)
        assert plan.hop <= plan.window


def test_every_mel_band_hears_something_at_any_rate():
    for rate in (1000, 8000, 16_000, 192_000):
        assert (plan_for(rate, rate).matrix().sum(axis=0) > 0).all()


def test_bands_are_scaled_by_the_drops_own_level():
    recordings = (np.random.default_rng(0).normal(0, 1000, (50, 4000))).astype(np.int16)
    scaled = SpectrogramFront((4000,), band_scaling(recordings, RATE), "cpu")(torch.from_numpy(recordings))
    assert scaled.mean().item() == pytest.approx(0, abs=0.01)
    assert scaled.std().item() == pytest.approx(1, abs=0.05)
    silence = np.zeros((4, 4000), np.int16)
    assert torch.isfinite(
        SpectrogramFront((4000,), band_scaling(silence, RATE), "cpu")(torch.from_numpy(silence))
    ).all()


@pytest.mark.parametrize("frames", [30, 200])
def test_resnet18_takes_spectrograms_small_and_large(frames):
    net = build("resnet18", "audio", (BANDS + frames // 4, frames, 1), 16, 5, seed=0).eval()
    assert net(torch.zeros(1, 1, BANDS + frames // 4, frames)).shape == (1, 5)


def test_the_benchs_spoken_digits_need_their_folder(tmp_path):
    with pytest.raises(ConfigError, match=r"fsdd needs --data ROOT with fsdd/train\.parquet"):
        load("fsdd", tmp_path, tmp_path)
