"""Arrays as Keras, ART, MNIST and scikit-learn leave them."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from telltale_core.drop import Limits
from telltale_core.errors import BadInput

X = np.random.default_rng(0).integers(0, 256, (12, 4, 4), dtype=np.uint8)
Y = np.arange(12) % 3


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def written(root: Path, x: np.ndarray, y: np.ndarray) -> Path:
    root.mkdir()
    np.save(root / "x.npy", x)
    np.save(root / "y.npy", y)
    return root


@pytest.mark.parametrize("labels", [Y[:, None], np.eye(3)[Y], np.eye(3, dtype=np.uint8)[Y]])
def test_columns_of_one_and_one_hot_rows_are_classes(tmp_path, take, labels):
    drop = take(written(tmp_path / "d", X, labels))
    assert (drop.task, drop.num_classes) == ("classification", 3)
    np.testing.assert_array_equal(drop.labels, Y)


def test_rows_of_flags_are_sets_of_labels(tmp_path, take):
    flags = np.stack([Y == 0, Y < 2, Y > 0], axis=1).astype(np.uint8)
    assert take(written(tmp_path / "d", X, flags)).samples()["label"][0].as_py() == [0, 1]


@pytest.mark.parametrize("packed", [False, True])
def test_npz_and_idx_hold_the_same_samples_as_npy(tmp_path, take, packed):
    expected = take(written(tmp_path / "d", X, Y))
    np.savez(tmp_path / "d.npz", x_train=X, y_train=Y)
    (tmp_path / "i").mkdir()
    ending, pack = (".gz", gzip.compress) if packed else ("", bytes)
    (tmp_path / "i" / f"train-images-idx3-ubyte{ending}").write_bytes(pack(idx(X)))
    (tmp_path / "i" / f"train-labels-idx1-ubyte{ending}").write_bytes(pack(idx(Y.astype(np.uint8))))
    for source in (tmp_path / "d.npz", tmp_path / "i"):
        drop = take(source)
        np.testing.assert_array_equal(drop.inputs, expected.inputs)
        np.testing.assert_array_equal(drop.labels, Y)


def test_rows_of_few_fractions_are_a_table(tmp_path, take):
    iris = np.random.default_rng(1).normal(5, 1, (12, 4))
    drop = take(written(tmp_path / "d", iris, Y))
    assert (drop.modality, drop.inputs.shape) == ("table", (12, 4))
    assert drop.payload()["features"].to_pylist() == iris.tolist()


def test_values_of_minus_one_to_one_are_pixels(tmp_path, take):
    drop = take(written(tmp_path / "d", X / 127.5 - 1, Y))
    np.testing.assert_array_equal(drop.inputs[..., 0], X)
    assert "values of -1 to 1" in drop.manifest["packing"]["rule"]


def test_a_member_that_unpacks_to_more_than_it_states_is_refused(tmp_path, take):
    np.savez_compressed(tmp_path / "d.npz", x=X, y=Y)
    size_bytes = (tmp_path / "d.npz").stat().st_size
    np.savez_compressed(tmp_path / "z.npz", x=np.zeros((100, 100)), y=Y)
    with pytest.raises(BadInput, match="unpacks to more"):
        take(tmp_path / "z.npz", limits=Limits(max_drop_bytes=20 * size_bytes))
    data = bytearray((tmp_path / "d.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "d.npz") as archive:
        size = struct.pack("<I", archive.infolist()[0].file_size)
    (tmp_path / "d.npz").write_bytes(bytes(data).replace(size, struct.pack("<I", 5)))
    with pytest.raises(BadInput) as error:
        take(tmp_path / "d.npz")
    assert error.value.code == "file_corrupt"


def with_version(array: np.ndarray, version: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=version)
    return out.getvalue()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_a_header_is_read(tmp_path, take, version):
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        for name, array in (("x.npy", X), ("y.npy", Y)):
            archive.writestr(name, with_version(array, version))
    np.testing.assert_array_equal(take(tmp_path / "d.npz").labels, Y)


def header(text: str, version: int = 1) -> bytes:
    return bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text.encode()


@pytest.mark.parametrize(
    "begin",
    [
        *(bytes([version, 0]) + struct.pack("<I", 1 << 26) + b" " * (1 << 26) for version in (2, 3)),
        b"\x04\0" + with_version(X, (2, 0))[8:],  # a version that is not known
        header("{'descr': (), 'fortran_order': False, 'shape': (1,)}"),
        header("('" + "''" + " " * 12),
        header("{'descr': '<U0', 'fortran_order': False, 'shape': (12, 4)}"),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (12, 0, 1000000000000000000)}"),
    ],
    ids=["long 2", "long 3", "unknown", "no type", "no end", "no bytes a value", "no values a row"],
)
def test_a_header_is_refused_before_its_length_is_allocated(tmp_path, take, begin):
    with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\x93NUMPY" + begin)
        archive.writestr("y.npy", with_version(Y, (1, 0)))
    del begin
    tracemalloc.start()
    with pytest.raises(BadInput) as error:
        take(tmp_path / "d.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.value.code == "file_corrupt"
    assert peak < 16 << 20
