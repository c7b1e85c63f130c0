"""A tiny drop, made by the real ingest: 200 images of 8 x 8, four classes told apart by their brightness."""

import numpy as np
import pytest

from telltale_core.drop import ingest
from telltale_core.proxy import ProxyConfig
from tests.support.loss_logs import log_bytes


def tiny_images(samples=200, side=8, classes=4, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(samples) % classes
    noise = random.integers(0, 90, (samples, side, side, 3))
    return (noise + labels[:, None, None, None] * 40).astype(np.uint8), labels.astype(np.int64)


@pytest.fixture(scope="session")
def images():
    return tiny_images()


@pytest.fixture(scope="session")
def drop(tmp_path_factory, images):
    source = tmp_path_factory.mktemp("source")
    np.save(source / "images.npy", images[0])
    np.save(source / "labels.npy", images[1])
    return ingest(str(source), tmp_path_factory.mktemp("drops"))


@pytest.fixture
def config():
    return ProxyConfig(epochs=3, width=4, batch_size=20, device="cpu", threads=1)


@pytest.fixture(scope="session")
def finished(drop, tmp_path_factory):
    """A folder with a finished training under the ``config`` fixture's settings."""
    from telltale_core.proxy import train

    out = tmp_path_factory.mktemp("finished") / "run"
    train(drop, out, ProxyConfig(epochs=3, width=4, batch_size=20, device="cpu", threads=1))
    return out


@pytest.fixture(name="log_bytes")
def log_bytes_of():
    return log_bytes
