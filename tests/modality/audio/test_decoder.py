"""Audio drops: formats in, packing, and what hostile headers and values come to."""

from __future__ import annotations

import io
import json
import struct
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from telltale_core.drop import DropConfig, pack
from telltale_core.drop.config import Limits
from telltale_core.errors import BadInput, ConfigError
from telltale_core.modality.audio.decoder import AudioDecoder

RATE = 8000


def wave(seconds=0.5, rate=RATE, seed=0, channels=1, hertz=300):
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate)) / rate
    tone = 0.3 * np.sin(2 * np.pi * hertz * time_s) + rng.normal(0, 0.01, len(time_s))
    return np.repeat(tone[:, None], channels, axis=1) if channels > 1 else tone


def encoded(values, rate=RATE, kind="WAV", subtype=None):
    out = io.BytesIO()
    soundfile.write(out, values, rate, format=kind, subtype=subtype)
    return out.getvalue()


def drop_of(folder, media, labels=None):
    """A Parquet drop in the Hugging Face layout; the media that are asked about stand among 12 sound ones."""
    sound = [encoded(wave(seed=seed)) for seed in range(12)]
    rows = [{"bytes": one, "path": f"{number}.wav"} for number, one in enumerate([*media, *sound])]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {"audio": {"_type": "Audio"}, "label": {"names": ["no", "yes"], "_type": "ClassLabel"}}
    table = pa.table({"audio": pa.array(rows, kind), "label": labels or [n % 2 for n in range(len(rows))]})
    folder.mkdir()
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), folder / "train.parquet")
    return folder


def test_hugging_face_audio_is_packed_at_its_own_rate_bit_for_bit(tmp_path, take):
    values = (wave(0.4) * 32768).astype(np.int16)
    drop = take(drop_of(tmp_path / "d", [encoded(values)]))
    assert (drop.modality, drop.inputs.dtype, drop.inputs.shape) == ("audio", np.int16, (13, 4000))
    assert drop.packing["rate"] == RATE
    np.testing.assert_array_equal(drop.inputs[0, :3200], values)
    assert not drop.inputs[0, 3200:].any()
    assert drop.payload().schema.equals(pq.read_schema(tmp_path / "d" / "train.parquet"))


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "FLAC", "OGG"])
def test_a_folder_of_recordings_is_audio_by_the_endings_of_its_files(tmp_path, take, kind):
    for name in ("no", "yes"):
        (tmp_path / "d" / name).mkdir(parents=True)
        for number in range(2):
            data = encoded(wave(seed=number, hertz=500), kind=kind)
            (tmp_path / "d" / name / f"{number}.{kind.lower()}").write_bytes(data)
    drop = take(tmp_path / "d")
    assert (drop.modality, len(drop), drop.label_names) == ("audio", 4, ("no", "yes"))
    power = np.abs(np.fft.rfft(drop.inputs[0].astype(float)))
    assert power.argmax() * RATE / drop.inputs.shape[1] == pytest.approx(500, abs=3)
    assert json.loads(drop.payload().schema.metadata[b"huggingface"])["info"]["features"]["audio"] == {"_type": "Audio"}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_that_names_recordings_is_audio_whatever_its_column_is_called(tmp_path, take, kind):
    (tmp_path / "d" / "clips").mkdir(parents=True)
    for number in range(4):
        (tmp_path / "d" / "clips" / f"{number}.flac").write_bytes(encoded(wave(seed=number), kind="FLAC"))
    rows = [{"file_name": f"clips/{number}.flac", "label": number % 2, "id": f"c{number}"} for number in range(4)]
    lines = ["file_name,label,id"] + [",".join(str(value) for value in row.values()) for row in rows]
    text = lines if kind == "csv" else [json.dumps(row) for row in rows]
    (tmp_path / "d" / f"rows.{kind}").write_text("\n".join(text) + "\n")
    drop = take(tmp_path / "d")
    assert (drop.modality, len(drop)) == ("audio", 4)
    assert drop.payload().column_names == ["label", "id", "audio"] or "audio" in drop.payload().column_names


def test_other_rates_and_channels_are_brought_to_one(tmp_path, take):
    media = [encoded(wave(rate=44_100, channels=2)), encoded(wave(rate=11_025), 11_025)]
    media[0] = encoded(wave(rate=44_100, channels=2), 44_100)
    drop = take(drop_of(tmp_path / "d", media))
    assert drop.packing["rate"] == RATE
    for row in (0, 1):
        power = np.abs(np.fft.rfft(drop.inputs[row].astype(float)))
        assert power.argmax() * RATE / drop.inputs.shape[1] == pytest.approx(300, abs=3)
        assert np.abs(drop.inputs[row]).max() == pytest.approx(0.33 * 32768, rel=0.15)


def test_high_rates_are_packed_at_16_khz_unless_told_otherwise(tmp_path, take):
    folder = tmp_path / "d"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "x.wav").write_bytes(encoded(wave(rate=48_000), 48_000))
    assert take(folder).packing["rate"] == 16_000
    assert take(folder, sample_rate=4_000).inputs.shape == (2, 2_000)
    assert take(folder, max_seconds=0.25).inputs.shape == (2, 4_000)


def test_the_length_is_one_that_nearly_all_recordings_fit(tmp_path, take):
    folder = tmp_path / "d"
    for number in range(200):
        place = folder / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        seconds = 3.0 if number == 7 else 0.1
        (place / f"{number}.wav").write_bytes(encoded(wave(seconds, seed=number)))
    drop = take(folder)
    assert drop.inputs.shape == (200, 800)
    assert "199 of 200 recordings fit whole" in drop.packing["rule"]


def wav_header(rate=RATE, channels=1, data_bytes=1000, held=1000, bits=16, kind=1):
    block = channels * bits // 8
    fields = struct.pack("<HHIIHH", kind, channels, rate, (rate * block) & 0xFFFFFFFF, block & 0xFFFF, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + fields + b"data" + struct.pack("<I", data_bytes) + bytes(held)
    return b"RIFF" + struct.pack("<I", (len(body)) & 0xFFFFFFFF) + body


def lying_flac(frames):
    """A FLAC file whose header states another number of frames."""
    data = bytearray(encoded(wave(), kind="FLAC"))
    data[21:26] = bytes([data[21] & 0xF0 | frames >> 32 & 0x0F]) + struct.pack(">I", frames & 0xFFFFFFFF)
    return bytes(data)


HALF_OGG = encoded(wave(5.0), kind="OGG")
HALF_OGG = HALF_OGG[: len(HALF_OGG) // 2]
NAN = np.array([0.1, np.nan, 0.2] * 400, dtype=np.float32)
HOSTILE = {
    "a WAV header of 4 GB": (wav_header(data_bytes=0xFFFFFFF0), "media_unreadable"),
    "a FLAC header of 76 hours": (lying_flac((1 << 31) - 1), "audio_too_long"),
    "a FLAC header of more frames than there are": (lying_flac(8000), "media_unreadable"),
    "a truncated FLAC": (encoded(wave(2.0), kind="FLAC")[:-3000], "media_unreadable"),
    "a truncated OGG": (encoded(wave(2.0), kind="OGG")[:200], "media_unreadable"),
    "an OGG cut in half": (HALF_OGG, "media_unreadable"),
    "a WAV header of less than there is": (
        encoded(wave())[:40] + struct.pack("<I", 200) + encoded(wave())[44:],
        "media_unreadable",
    ),
    "a FLAC header of no length": (lying_flac(0), "media_unreadable"),
    "64 channels": (encoded(wave(0.1, channels=64)), "too_many_channels"),
    "1 Hz": (wav_header(rate=1), "sample_rate_refused"),
    "10 MHz": (wav_header(rate=10_000_000), "sample_rate_refused"),
    "no channel": (wav_header(channels=0), "media_unreadable"),
    "no values": (wav_header(data_bytes=0, held=0), "media_unreadable"),
    "no sound": (wav_header()[:40], "media_unreadable"),
    "NaN values": (encoded(NAN, subtype="FLOAT"), "values_invalid"),
    "infinite values": (encoded(np.where(np.isnan(NAN), np.inf, NAN), subtype="FLOAT"), "values_invalid"),
    "a truncated AIFF": (encoded(wave(), kind="AIFF")[:-400], "media_unreadable"),
    "a truncated AIFF of fractions": (encoded(wave(), kind="AIFF", subtype="FLOAT")[:-400], "media_unreadable"),
    "an AIFF header of less than there is": (
        encoded(wave(), kind="AIFF").replace(b"SSND" + struct.pack(">I", 8008), b"SSND" + struct.pack(">I", 208)),
        "media_unreadable",
    ),
    "a FORM file that is no AIFF": (b"FORM\x00\x00\x00\x24ILBMBMHD" + bytes(500), "media_unsupported"),
    "an AU file": (encoded(wave(), kind="AU"), "media_unsupported"),
    "an MP3 file": (b"ID3\x04\x00\x00\x00\x00\x00\x21" + bytes(500), "media_unreadable"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(500), "media_unsupported"),
    "a RIFF file that is no WAV": (b"RIFF\x24\x00\x00\x00AVI LIST" + bytes(500), "media_unsupported"),
    "random bytes behind the right beginning": (b"OggS" + np.random.default_rng(0).bytes(3000), "media_unreadable"),
    "an empty file": (b"", "media_missing"),
}


def test_hostile_recordings_are_rejected_with_their_reasons(tmp_path, take, capfd):
    drop = take(drop_of(tmp_path / "d", [media for media, _ in HOSTILE.values()]))
    rows = drop.rejected().to_pylist()
    assert {name: row["reason_code"] for name, row in zip(HOSTILE, rows, strict=True)} == {
        name: code for name, (_, code) in HOSTILE.items()
    }
    assert len(drop) == 12
    assert capfd.readouterr().err == ""


def test_what_a_header_states_is_refused_before_memory_is_taken():
    decoder = AudioDecoder(DropConfig(limits=Limits(max_audio_s=1)))
    with pytest.raises(BadInput, match=r"states 2 s, more than max_audio_s=1"):
        decoder.probe(encoded(wave(2.0)))
    with pytest.raises(BadInput, match="2 channels, more than max_channels=1"):
        AudioDecoder(DropConfig(limits=Limits(max_channels=1))).probe(encoded(wave(0.1, channels=2)))


def test_damaged_bytes_never_escape_as_another_error(tmp_path):
    decoder = AudioDecoder(DropConfig())
    rng = np.random.default_rng(3)
    packing = decoder.plan(__import__("collections").Counter({(RATE, 50): 1}))
    for kind in ("WAV", "AIFF", "FLAC", "OGG"):
        whole = encoded(wave(), kind=kind)
        for _ in range(60):
            damaged = bytearray(whole[: rng.integers(1, len(whole))] if rng.random() < 0.3 else whole)
            for place in rng.integers(0, len(damaged), rng.integers(1, 6)):
                damaged[place] = rng.integers(0, 256)
            try:
                assert decoder.decode(bytes(damaged), packing).shape == packing.shape
            except BadInput:
                continue


def test_one_label_only_is_refused(tmp_path, take):
    with pytest.raises(BadInput, match="same label") as error:
        take(drop_of(tmp_path / "d", [], labels=[1] * 12))
    assert error.value.code == "nothing_to_learn"


def test_arrays_of_recordings_need_their_rate(tmp_path, take):
    (tmp_path / "d").mkdir()
    np.save(tmp_path / "d" / "x.npy", np.stack([wave(seed=seed) for seed in range(6)]).astype(np.float32))
    np.save(tmp_path / "d" / "y.npy", np.arange(6) % 2)
    with pytest.raises(BadInput, match="values_invalid: 6"):
        take(tmp_path / "d", modality="audio")
    drop = take(tmp_path / "d", modality="audio", sample_rate=RATE)
    values, rate = soundfile.read(io.BytesIO(drop.payload()["audio"][0]["bytes"].as_py()), dtype="int16")
    assert rate == RATE
    np.testing.assert_array_equal(values, drop.inputs[0])


def test_new_recordings_are_packed_as_the_drop_is(tmp_path, take):
    drop = take(drop_of(tmp_path / "d", []))
    np.testing.assert_array_equal(pack(drop, [encoded(wave(seed=0)), encoded(wave(seed=5))]), drop.inputs[[0, 5]])
    assert pack(drop, []).shape == (0, *drop.inputs.shape[1:])
    with pytest.raises(BadInput):
        pack(drop, [b"no recording"])


@pytest.mark.parametrize("settings", [{"sample_rate": 1}, {"sample_rate": 10**7}, {"max_seconds": 0.0}])
def test_settings_out_of_range_are_errors(settings):
    with pytest.raises(ConfigError, match="must be in"):
        DropConfig(**settings)


def pitches(rows, rate):
    """The loudest frequency of each quarter of a packed recording, in Hz."""
    quarters = np.array_split(rows.astype(float), 4)
    return [round(np.abs(np.fft.rfft(part)).argmax() * rate / len(part), -1) for part in quarters]


def test_a_longer_recording_is_packed_in_crops_from_its_beginning_to_its_end(tmp_path, take):
    long = np.concatenate([wave(1.0, hertz=hertz) for hertz in (200, 500, 900, 1400, 2000, 2700, 3300)])
    other = np.concatenate([wave(1.0, rate=44_100, hertz=hertz) for hertz in (300, 3000)])
    drop = take(drop_of(tmp_path / "d", [encoded(long), encoded(other, 44_100)]), max_seconds=0.5)
    assert pitches(drop.inputs[0], RATE) == [200, 900, 2000, 3300]
    assert pitches(drop.inputs[1], RATE) == [300, 300, 3000, 3000]
    assert drop.manifest["lost"]["by_cause"] == {"length": 2}
    np.testing.assert_array_equal(pack(drop, [encoded(long)])[0], drop.inputs[0])


def test_half_a_minute_is_packed_whole_where_there_is_room(monkeypatch):
    probes = {(RATE, 2000): 98, (RATE, 2900): 5}
    decoder = AudioDecoder(DropConfig())
    assert decoder.plan(Counter(probes)).shape == (29 * RATE,)
    monkeypatch.setattr("telltale_core.modality.audio.decoder.PACKED_BYTES", 1 << 20)
    assert decoder.plan(Counter(probes)).shape == (10 * RATE,)
