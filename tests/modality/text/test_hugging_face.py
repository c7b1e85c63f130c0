"""A local Hugging Face model as the body of a text proxy: named by its content, never fetched, never run as code."""

import json
import shutil
import socket
import sys
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

from telltale_core import stages
from telltale_core.drop import DropConfig, ingest, pack
from telltale_core.errors import ConfigError, OverBudget
from telltale_core.modality.text.hf_tokens import RereadingFront, reading
from telltale_core.proxy import ProxyConfig, fit, load_proxy, train
from telltale_core.proxy.data import Resident
from telltale_core.proxy.models import build
from tests.support.loss_logs import log_bytes

GOOD, BAD = ["fine", "lovely", "warm"], ["dull", "cold", "stupid"]
FILL = [f"w{n}" for n in range(30)]
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*MARKS, *GOOD, *BAD, *FILL, "[", "]", *"abcdefghijklmnopqrstuvwxyz0123456789"]
SETTINGS = {"epochs": 2, "device": "cpu", "threads": 1}


@pytest.fixture(scope="module")
def library():
    import transformers

    transformers.utils.logging.disable_progress_bar()
    return transformers


@pytest.fixture(scope="module")
def body(library, tmp_path_factory):
    """A tiny BERT with random weights and a tokenizer of its own, saved as its library saves one."""
    path = tmp_path_factory.mktemp("models") / "tiny-bert"
    tokens = Tokenizer(WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokens.normalizer, tokens.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokens.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    marks = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), MARKS, strict=True))
    library.PreTrainedTokenizerFast(tokenizer_object=tokens, model_max_length=32, **marks).save_pretrained(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        library.BertModel(config_of(library)).save_pretrained(path)
    return path


def config_of(library, **changes):
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    return library.BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **sizes | changes)


def reviews(count=160, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    words = [[*rng.choice(FILL, 5), *rng.choice(GOOD if label else BAD, 2)] for label in labels]
    return [" ".join(rng.permutation(one).tolist()) for one in words], labels


def texts_of(columns, folder):
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / "drop.parquet")
    return str(folder / "drop.parquet")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    texts, labels = reviews()
    return texts_of({"text": texts, "label": labels}, tmp_path_factory.mktemp("texts"))


@pytest.fixture(scope="module")
def drop(source, tmp_path_factory):
    return ingest(source, tmp_path_factory.mktemp("drops"))


@pytest.fixture
def copy(body, tmp_path):
    return shutil.copytree(body, tmp_path / "elsewhere" / "under-another-name")


def proxy_of(path, **changes):
    return {"model": f"hf:{path}", **SETTINGS, **changes}


@pytest.mark.trains
def test_a_drop_goes_from_file_to_verdict_and_the_same_model_elsewhere_is_the_same_key(
    source, body, copy, tmp_path, monkeypatch
):
    def refused(*_args):
        raise AssertionError("a connection was asked for")

    monkeypatch.setattr(socket.socket, "connect", refused)
    work = str(tmp_path / "work")
    read = stages.ingest(source, work, {})
    trained = stages.train(read, work, proxy_of(body, epochs=40, lr=0.05))
    folder = stages.folder_of(trained, "train", work)
    training = stages.opened(trained, work).train_record()
    assert training["members"][0]["train_score"] > 0.95
    assert training["model"] == training["config"]["model"] == trained["settings"]["proxy"]["model"]
    assert training["model"].startswith("hf:sha256:")
    assert str(body.parent) not in "".join(path.read_text() for path in folder.glob("*.json"))
    verdict = stages.cluster(stages.spectrum(trained, work, {}), work, {})
    assert stages.opened(verdict, work).verdict().statement

    same = proxy_of(copy, epochs=40, lr=0.05)
    assert stages.key_for(stages.train, read, same) == trained["key"]
    modified_ns = (folder / "train.json").stat().st_mtime_ns
    assert stages.train(read, work, same) == trained
    assert (folder / "train.json").stat().st_mtime_ns == modified_ns

    texts, labels = reviews(seed=1)
    shutil.rmtree(copy)
    proxy = load_proxy(folder)
    assert (proxy.predict(pack(stages.open_drop(read, work), texts)) == labels).mean() > 0.9


@pytest.mark.trains
def test_the_losses_are_the_same_bits_from_another_path_and_over_a_kill(drop, body, copy, tmp_path):
    whole = train(drop, tmp_path / "whole", ProxyConfig(**proxy_of(body)))

    def stop(progress):
        if progress.epoch == 2:  # told before its checkpoint is written
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(drop, tmp_path / "cut", ProxyConfig(**proxy_of(body)), progress=stop)
    assert list((tmp_path / "cut" / "checkpoint").glob("*.safetensors"))
    train(drop, tmp_path / "cut", ProxyConfig(**proxy_of(copy)))
    assert log_bytes(tmp_path / "cut") == log_bytes(tmp_path / "whole")
    assert whole.log_loss.shape == (160, 4)


def test_training_starts_at_the_weights_that_the_directory_holds(drop, body, copy, library, tmp_path):
    library.BertModel(config_of(library)).save_pretrained(copy)  # other random weights
    one, other = (ProxyConfig(**proxy_of(path, epochs=1)) for path in (body, copy))
    assert one.recipe_digest() != other.recipe_digest()
    nets = [build(config.model, "text", (8, 16, 200), 32, 2, seed=0) for config in (one, one, other)]
    first, again, changed = (net.body.model.embeddings.word_embeddings.weight for net in nets)
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first, changed)
    saved = library.AutoModel.from_pretrained(body).embeddings.word_embeddings.weight
    torch.testing.assert_close(first, saved, rtol=0, atol=0)


def test_any_byte_of_the_model_or_its_tokenizer_makes_another_key_and_a_read_me_none(copy):
    config = ProxyConfig(**proxy_of(copy))
    before = config.recipe_digest()
    (copy / "README.md").write_text("about the model")
    assert config.recipe_digest() == before
    (copy / "tokenizer.json").write_text((copy / "tokenizer.json").read_text() + "\n")
    assert config.recipe_digest() != before


def front_of(body, drop):
    return RereadingFront(json.loads(json.dumps(reading(body, drop))))


def tokens_of(front, drop, row=0):
    codes = front.prepare(np.asarray(drop.inputs[row : row + 1]))[0, 0]
    return [(WORDS[(code - 1) % len(WORDS)], (code - 1) // len(WORDS)) for code in codes if code]


def test_texts_are_cut_by_the_models_own_tokenizer_and_cannot_spell_its_marks(body, tmp_path):
    texts = ["Fine [SEP] w3", "dull [PAD]", *reviews(20)[0]]
    drop = ingest(texts_of({"text": texts, "label": [1, 0] * 11}, tmp_path / "s"), tmp_path / "drops")
    front = front_of(body, drop)
    cut = [token for token, _ in tokens_of(front, drop)]
    assert cut == ["[CLS]", "fine", "[", "[UNK]", "]", "w3", "[SEP]"]
    assert tokens_of(front, drop, 1)[-1] == ("[SEP]", 0)


def test_the_second_text_of_a_pair_is_a_segment_of_its_own(body, tmp_path):
    columns = {"sentence1": ["fine w1", "dull"] * 8, "sentence2": ["cold", "w2 w3"] * 8, "label": [0, 1] * 8}
    drop = ingest(texts_of(columns, tmp_path / "s"), tmp_path / "drops")
    tokens = [("[CLS]", 0), ("fine", 0), ("w1", 0), ("[SEP]", 0), ("cold", 1), ("[SEP]", 1)]
    assert tokens_of(front_of(body, drop), drop) == tokens


@pytest.mark.parametrize("columns", [1, 2])
def test_a_text_that_is_longer_than_the_model_takes_is_read_to_its_end(body, tmp_path, columns):
    words = [*(f"w{n}" for n in range(30)), *GOOD, *(f"w{n}" for n in range(29, -1, -1)), *BAD]
    texts = [" ".join(words), *reviews(20)[0]]
    second = {"second": [" ".join(reversed(words)), *["w1 w2"] * 20]} if columns == 2 else {}
    source = texts_of({"text": texts, **second, "label": [0, *[1, 0] * 10]}, tmp_path / "s")
    drop = ingest(source, tmp_path / "drops", DropConfig(input_columns=("text", *second)))
    front = front_of(body, drop)
    codes = front.prepare(np.asarray(drop.inputs))
    windows = [[WORDS[(code - 1) % len(WORDS)] for code in window if code] for window in codes[0]]
    together = {pair for window in windows for pair in pairwise(window)}
    assert together >= set(pairwise(words)) | (set(pairwise(reversed(words))) if second else set())
    assert (codes.shape[1], codes.shape[2]) == (len(windows), 32)
    assert front.shape == (32 * len(windows), 16, 2 * len(WORDS) + 1)
    assert (codes[1:, 1:] == 0).all(), "short texts have one window"


def test_the_end_of_a_long_text_reaches_the_net_whatever_its_company(body, tmp_path):
    texts = [" ".join([*["w1"] * 60, word]) for word in ("fine", "stupid")] + reviews(20)[0]
    drop = ingest(texts_of({"text": texts, "label": [0, 1] * 11}, tmp_path / "s"), tmp_path / "drops")
    settings, inputs = reading(body, drop), np.asarray(drop.inputs)
    front = RereadingFront(settings)
    short = RereadingFront({**settings, "windows": 1})  # of a proxy whose own texts were shorter
    np.testing.assert_array_equal(front.prepare(inputs), short.prepare(inputs))
    net = build(f"hf:{body}", "text", front.shape, 32, 2, seed=0).eval()
    data = Resident(inputs, front, "cpu")
    with torch.inference_mode():
        together = net(data.rows(slice(0, 6)))
        alone = torch.cat([net(data.rows(slice(row, row + 1))) for row in range(6)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_padding_and_the_company_in_a_batch_do_not_matter(body, drop):
    front = front_of(body, drop)
    net = build(f"hf:{body}", "text", front.shape, 32, 2, seed=0).eval()
    inputs = np.asarray(drop.inputs[:6]).copy()
    for row in range(6):
        inputs[row, 1 + row :] = 0
    data = Resident(inputs, front, "cpu")
    with torch.inference_mode():
        together = net(data.rows(slice(0, 6)))
        alone = torch.cat([net(data.rows(slice(row, row + 1))) for row in range(6)])
        assert torch.isfinite(net(torch.zeros(2, 1, 4, dtype=torch.int64))).all()
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.trains
@pytest.mark.parametrize("kind", ["gpt2", "t5", "distilbert"])
def test_other_families_of_models_are_bodies_too(kind, library, copy, drop, tmp_path):
    sizes = {
        "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32},
        "t5": {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2},
        "distilbert": {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16, "max_position_embeddings": 32},
    }[kind]
    config = library.AutoConfig.for_model(kind, vocab_size=len(WORDS), **sizes)
    library.AutoModel.from_config(config).save_pretrained(copy)
    log = train(drop, tmp_path / "run", ProxyConfig(**proxy_of(copy, epochs=1)))
    assert np.isfinite(log.log_loss).all()
    shutil.rmtree(copy)
    assert load_proxy(tmp_path / "run").logits(drop.inputs).shape == (160, 2)


def without(*names):
    def change(path):
        for name in names:
            (path / name).unlink()

    return change


def pickled(path):
    (path / "model.safetensors").rename(path / "pytorch_model.bin")


def pictures(path):
    (path / "config.json").write_text('{"model_type": "vit", "hidden_size": 16}')


def settings(**changes):
    def change(path):
        earlier = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps(earlier | changes))

    return change


@pytest.mark.trains
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (shutil.rmtree, "Nothing is downloaded"),
        (pickled, "pytorch_model.bin, which can run code.*save_pretrained"),
        (without("model.safetensors"), "no weights; model.safetensors"),
        (without("tokenizer.json"), "no tokenizer"),
        (without("config.json"), "no config.json"),
        (lambda path: (path / "adapter_config.json").write_text("{}"), "an adapter.*merge"),
        (lambda path: (path / "model.safetensors").write_bytes(b"torn"), "cannot read the model"),
        (lambda path: (path / "config.json").write_text("{"), "cannot read the model"),
        (settings(hidden_size=32), "not those of its config.json|cannot read the model"),
        (settings(num_hidden_layers=3), "not those of its config.json"),
        (settings(vocab_size=20), "not of one model"),
        (pictures, "none of texts"),
        (settings(model_type="mine", auto_map={"AutoConfig": "mine.Config"}), "own code are not run"),
        (settings(quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}), "quantised"),
    ],
)
def test_a_directory_that_cannot_be_a_body_is_refused_with_what_to_do(copy, drop, tmp_path, change, says):
    (copy / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    change(copy)
    with pytest.raises(ConfigError, match=says):
        train(drop, tmp_path / "run", ProxyConfig(**proxy_of(copy)))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [("hf:", "local directory"), ("hf:someone/bert", "local"), ("hf:sha256:ab", "give its path")],
)
def test_a_name_that_is_no_directory_is_refused(name, says, source, tmp_path):
    work = str(tmp_path / "work")
    with pytest.raises(ConfigError, match=says):
        stages.key_for(stages.train, stages.ingest(source, work, {}), {"model": name})


@pytest.mark.trains
def test_without_the_library_the_error_names_the_extra(drop, body, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"telltale-cleanse\[hf\]"):
        train(drop, tmp_path / "run", ProxyConfig(**proxy_of(body)))


@pytest.mark.trains
def test_it_needs_a_drop_of_texts(drop, body):
    with pytest.raises(ConfigError, match="drop"):
        fit(drop.inputs, drop.labels, 2, ProxyConfig(**proxy_of(body)), modality="text", packing=drop.packing)
    with pytest.raises(ConfigError, match="not known for modality 'image'"):
        fit(np.zeros((20, 8, 8, 3), np.uint8), np.arange(20) % 2, 2, ProxyConfig(**proxy_of(body)))


@pytest.mark.trains
def test_memory_is_estimated_with_the_body(drop, body, tmp_path):
    with pytest.raises(OverBudget, match="batch_size"):
        train(drop, tmp_path / "run", ProxyConfig(**proxy_of(body, memory_limit_bytes=1000)))
