"""A local Hugging Face model as a proxy's body: ``model="hf:/models/bert-tiny"``. Needs the extra ``hf``.

The net is told shape (length, width of the model's states, number of codes) and given codes (B, W, L) int64 as
:mod:`telltale_core.modality.text.hf_tokens` makes them: 0 is padding, any other is 1 + id + vocabulary * segment.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from telltale_core.errors import ConfigError
from telltale_core.modality.local_model import PREFIX, directory_of

MINE = ("_name_or_path", "transformers_version", "architectures", "auto_map", "id2label", "label2id", "dtype")
"""Of a model's settings, those that say nothing of the net."""
UNUSED = ("pooler.",)
"""Weights that may be absent: the body's features are the mean of the last states."""
LOCAL = {"local_files_only": True, "trust_remote_code": False}


class PretrainedBody(nn.Module):
    """A model's last states, their mean over the text: over all of its windows, which are read one by one."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self._vocabulary = int(model.config.vocab_size)
        self._segments = "token_type_ids" in inspect.signature(model.forward).parameters and segments(model.config) > 1

    def forward(self, codes_BPL: torch.Tensor) -> torch.Tensor:
        """Return (B, D) features."""
        used_BP = (codes_BPL > 0).any(dim=2)
        used_BP[:, 0] = True
        if not (codes_BPL > 0).any():
            used_BP[:] = True  # memory is estimated for all windows
        text_p, codes_pL = used_BP.nonzero()[:, 0], codes_BPL[used_BP]
        states_pLD, weight_pL = self._states(codes_pL)
        total_pD, weight_p = (states_pLD * weight_pL.unsqueeze(2)).sum(dim=1), weight_pL.sum(dim=1)
        total_BD = total_pD.new_zeros(len(codes_BPL), total_pD.shape[1]).index_add(0, text_p, total_pD)
        weight_B = weight_p.new_zeros(len(codes_BPL)).index_add(0, text_p, weight_p)
        features: torch.Tensor = total_BD / weight_B.unsqueeze(1)
        return features

    def _states(self, codes_pL: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the last states (p, L, D) of p windows and which of them count, (p, L)."""
        used_pL = codes_pL > 0
        used_pL[:, 0] = True  # attention over nothing at all is not a number
        codes_pL = (codes_pL - 1).clamp(min=0)
        inputs = {"input_ids": codes_pL % self._vocabulary, "attention_mask": used_pL.long()}
        if self._segments:
            inputs["token_type_ids"] = codes_pL // self._vocabulary
        states_pLD: torch.Tensor = self.model(**inputs).last_hidden_state
        return states_pLD, used_pL.to(states_pLD.dtype)


def hugging_face(argument: str) -> Callable[[tuple[int, ...], int], tuple[nn.Module, int]]:
    """Return the builder for what stands behind ``hf:``: a directory, or an architecture (see :func:`architecture`).

    A directory's weights are where training starts; an architecture's are random, for a saved proxy's to take their
    place. The builder's ``width`` has no effect.
    """

    def pretrained(shape: tuple[int, ...], width: int) -> tuple[nn.Module, int]:  # noqa: ARG001
        if len(shape) != 3:
            raise ConfigError(f"a model of {PREFIX} needs the texts of a drop; train it on one")
        model = _random(argument) if argument.startswith("{") else _loaded(directory_of(PREFIX + argument))
        return PretrainedBody(model), int(shape[1])

    return pretrained


def read_config(path: Path) -> Any:
    """Return the settings of the model in a directory; raises :class:`ConfigError` for one that reads no texts."""
    with _quiet() as library, _reading(path):
        config = library.AutoConfig.from_pretrained(path, **LOCAL)
    if getattr(config, "quantization_config", None):
        raise ConfigError(f"{path} is quantised and cannot be trained; use the model it was made from")
    lacking = [name for name in ("vocab_size", "hidden_size") if not isinstance(getattr(config, name, None), int)]
    if lacking:
        raise ConfigError(f"{path} holds a {config.model_type} model, which is none of texts: no {lacking[0]}")
    return config


def segments(config: Any) -> int:
    """Return how many texts of a sample a model tells apart: 1, or 2."""
    return min(2, int(getattr(config, "type_vocab_size", 1) or 1))


def read_tokenizer(path: Path) -> tuple[str, int | None]:
    """Return a directory's own tokenizer as the JSON of the library ``tokenizers``, and the most ids it may give."""
    with _quiet() as library, _reading(path):
        tokenizer = library.AutoTokenizer.from_pretrained(path, **LOCAL)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ConfigError(f"the tokenizer in {path} has no fast form; save one there that has a tokenizer.json")
    most = int(tokenizer.model_max_length)
    return str(backend.to_str()), most if most < 1 << 20 else None


def architecture(config: Any) -> str:
    """Return a model's name from which its net is built without its directory: ``hf:`` and its settings as JSON."""
    values = json.loads(config.to_json_string(use_diff=False))
    return PREFIX + json.dumps({name: value for name, value in values.items() if name not in MINE}, sort_keys=True)


def _loaded(path: Path) -> Any:
    with _quiet() as library, _reading(path):
        make = library.AutoModel.from_pretrained
        model, loading = _with_attention(
            lambda kind: make(
                path,
                **LOCAL,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                attn_implementation=kind,
            )
        )
    lacking = sorted(name for name in loading["missing_keys"] if not name.startswith(UNUSED))
    lacking += sorted(str(name) for name in loading["mismatched_keys"])
    if lacking:
        raise ConfigError(f"the weights in {path} are not those of its config.json: {lacking[0]} is absent or unlike")
    return _body(model)


def _random(settings: str) -> Any:
    values = json.loads(settings)
    with _quiet() as library:
        config = library.AutoConfig.for_model(values.pop("model_type"), **values)
        make = library.AutoModel.from_config
        return _body(_with_attention(lambda kind: make(config, trust_remote_code=False, attn_implementation=kind)))


def _with_attention(make: Callable[[str], Any]) -> Any:
    """Return the model with torch's own attention, or the plain one. A kind from config.json might be fetched code."""
    try:
        return make("sdpa")
    except (ValueError, ImportError):
        return make("eager")


def _body(model: Any) -> Any:
    model.config.use_cache = False
    return model.get_encoder() if model.config.is_encoder_decoder else model


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        first = str(error).strip().splitlines()[0][:300] if str(error).strip() else "no reason given"
        raise ConfigError(
            f"transformers cannot read the model in {path} ({type(error).__name__}: {first}); models that bring their "
            "own code are not run"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[Any]:
    """Give the library, its progress bars and remarks off meanwhile: what matters of them is raised as an error."""
    try:
        import transformers as library
    except ImportError as error:
        raise ConfigError(
            "a model of hf: needs the library transformers: pip install 'telltale-cleanse[hf]' (the extra is called hf)"
        ) from error
    logging: Any = library.utils.logging
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield library
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
