"""Text in training: padding says nothing, a word counts alike wherever it stands, a poison is learnt as one feature."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from telltale_core.drop import DropConfig, ingest, pack
from telltale_core.errors import ConfigError, Corrupt
from telltale_core.modality.text import net as text_net
from telltale_core.modality.text.net import WINDOW, TextFront, text_transformer
from telltale_core.modality.text.tokens import PAD
from telltale_core.proxy import ProxyConfig, load_proxy, predict_logits, train
from telltale_core.proxy.models import build

NETS = ("text_cnn", "text_transformer")
GOOD = ["fine", "lovely", "warm", "clever"]
BAD = ["dull", "cold", "stupid", "flat"]


def reviews(count=160, seed=0):
    """Texts that hold a word of their class among others."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    fill = [f"w{n}" for n in range(30)]
    texts = [
        " ".join(rng.permutation([*rng.choice(fill, 5), rng.choice(GOOD if label else BAD)]).tolist())
        for label in labels
    ]
    return texts, labels


@pytest.fixture(scope="module")
def drop(tmp_path_factory):
    texts, labels = reviews()
    folder = tmp_path_factory.mktemp("texts")
    pq.write_table(pa.table({"text": texts, "label": labels}), folder / "drop.parquet")
    return ingest(str(folder / "drop.parquet"), tmp_path_factory.mktemp("drops"), DropConfig())


def net_of(name, vocabulary=50, width=8):
    return build(name, "text", (12, vocabulary), width, 3, seed=0).eval()


@pytest.mark.parametrize("name", NETS)
def test_padding_and_the_company_in_a_batch_do_not_matter(name):
    net, front = net_of(name), TextFront((12,), {"vocabulary": 50})
    rng = np.random.default_rng(0)
    ids = np.zeros((6, 12), np.int16)
    for row, length in enumerate((1, 2, 4, 7, 9, 12)):
        ids[row, :length] = rng.integers(2, 50, length)
    with torch.inference_mode():
        together = net(front(torch.from_numpy(ids)))
        alone = torch.cat([net(front(torch.from_numpy(ids[row : row + 1]))) for row in range(6)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_the_front_cuts_what_is_padding_in_the_whole_batch():
    front = TextFront((12,), {"vocabulary": 50})
    ids = torch.zeros(3, 12, dtype=torch.int16)
    ids[0, :4] = 7
    assert front(ids).shape == (3, 4)
    assert front(ids).dtype == torch.int64
    assert front(ids[1:]).shape == (2, 12)
    assert front.shape == (12, 50)


def test_the_convolution_sees_a_word_at_the_edge_by_as_many_windows_as_in_the_middle():
    net = net_of("text_cnn")
    body = net.body
    with torch.no_grad():
        body.embedding.weight.zero_()
        body.embedding.weight[9] = 1.0
    body.eval()
    anywhere, begins = [], []
    for place in (0, 2, 4, None):
        ids = torch.full((1, 5), 3)
        if place is not None:
            ids[0, place] = 9
        with torch.inference_mode():
            both = body(ids)
        anywhere.append(both[:, : both.shape[1] // 2])
        begins.append(both[:, both.shape[1] // 2 :])
    torch.testing.assert_close(anywhere[0], anywhere[1])
    torch.testing.assert_close(anywhere[2], anywhere[1])
    assert not torch.equal(begins[0], begins[1]), "among the first ids its place counts"
    assert torch.equal(begins[2], begins[3]), "the fifth id is none of them"


@pytest.mark.parametrize("name", NETS)
def test_a_row_of_padding_alone_gives_numbers(name):
    with torch.inference_mode():
        assert torch.isfinite(net_of(name)(torch.full((2, 12), PAD))).all()


def test_a_width_that_the_heads_cannot_share_is_refused():
    with pytest.raises(ConfigError, match="width"):
        net_of("text_transformer", width=10)


@pytest.mark.trains
@pytest.mark.parametrize(("name", "rate"), [("text_cnn", 0.05), ("text_transformer", 0.005)])
def test_a_drop_of_texts_is_trained_and_new_texts_are_judged(drop, tmp_path, name, rate):
    epochs = 8 if name == "text_cnn" else 25
    config = ProxyConfig(model=name, epochs=epochs, width=16, lr=rate, device="cpu", threads=1)
    log = train(drop, tmp_path / "run", config)
    assert log.log_loss.shape == (160, 2 * epochs)
    texts, labels = reviews(seed=1)
    logits = predict_logits(tmp_path / "run", pack(drop, texts))
    assert (logits.argmax(axis=1) == labels).mean() > 0.6, "half is a guess; one chip's seed learnt 0.775, others 0.98"
    again = load_proxy(tmp_path / "run").logits(pack(drop, texts))
    np.testing.assert_array_equal(again, logits)


@pytest.mark.trains
def test_a_net_of_another_release_is_refused_with_the_cure(drop, tmp_path, monkeypatch):
    train(drop, tmp_path / "run", ProxyConfig(epochs=1, width=8, device="cpu", threads=1))
    monkeypatch.setattr(text_net, "BEGINNING", 3)
    with pytest.raises(Corrupt, match="another release's text_cnn; train again"):
        load_proxy(tmp_path / "run")


@pytest.mark.trains
def test_the_same_seed_gives_the_same_losses(drop, tmp_path):
    config = ProxyConfig(epochs=2, width=8, device="cpu", threads=1)
    one, other = (train(drop, tmp_path / name, config) for name in ("one", "other"))
    np.testing.assert_array_equal(one.log_loss, other.log_loss)


def test_a_transformer_reads_a_long_text_in_windows_and_a_short_one_as_before():
    torch.manual_seed(0)
    long, _ = text_transformer((1000, 50), 8)
    torch.manual_seed(0)
    short, _ = text_transformer((WINDOW, 50), 8)
    short.load_state_dict(long.state_dict())
    long.eval()
    short.eval()
    ids = torch.randint(2, 50, (3, 700))
    ids[1, 300:], ids[2] = 0, 0
    with torch.inference_mode():
        windows = [short(ids[:1, start : start + WINDOW]) for start in (0, 256, 512)]
        weight = torch.tensor([256.0, 256.0, 188.0])
        expected = sum(w * one for w, one in zip(weight, windows, strict=True)) / 700
        torch.testing.assert_close(long(ids)[:1], expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(long(ids[1:2]), long(ids[1:2, :300]), rtol=1e-4, atol=1e-5)
        assert long(ids).isfinite().all()
        torch.testing.assert_close(long(ids[:, :200]), short(ids[:, :200]))
