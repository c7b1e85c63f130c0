"""A Hugging Face model in a local directory: whether it may be read, and which one it is by its content.

Nothing here imports ``transformers``: a key is made where nothing is trained. Weights are read from safetensors only,
because a pickle can run code; nothing is ever downloaded, and code that a directory brings along is not run.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from telltale_core.digest import digest_of, sha256_file
from telltale_core.errors import ConfigError

PREFIX = "hf:"
BY_CONTENT = f"{PREFIX}sha256:"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PICKLED = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack"})
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
READ = frozenset({".json", ".txt", ".safetensors", ".model"})
"""Endings of the files that may be read; all of these in the directory itself make up its content."""


def is_local(model: str) -> bool:
    """Return whether a model's name is that of a local directory, or of one by its content."""
    return model.startswith(PREFIX)


def by_content(model: str) -> str:
    """Return a model's name as keys and records hold it: ``hf:/path`` becomes ``hf:sha256:...`` of what lies there.

    Any other name stays as it is. Raises :class:`ConfigError` where the directory cannot be a proxy's body.
    """
    return f"{BY_CONTENT}{content_digest(directory_of(model))}" if is_local(model) else model


def directory_of(model: str) -> Path:
    """Return the directory that ``hf:/path`` names, having looked at which files are there.

    Raises :class:`ConfigError` that says what is missing and what to do.
    """
    if model.startswith(BY_CONTENT):
        raise ConfigError(f"model {model!r} names a directory by its content; give its path: hf:/path/to/the/model")
    path = Path(model.removeprefix(PREFIX)).expanduser()
    if not model.removeprefix(PREFIX) or not path.is_dir():
        raise ConfigError(
            f"model {model!r} must name a local directory with a Hugging Face model; there is none at {str(path)!r} on "
            "this machine. Nothing is downloaded: put config.json, model.safetensors and the tokenizer's files there"
        )
    if (path / "adapter_config.json").exists():
        raise ConfigError(f"{path} holds an adapter, not a model; merge it into its base model and save that")
    if not (path / "config.json").is_file():
        raise ConfigError(f"{path} has no config.json, so it is no saved Hugging Face model; name the directory itself")
    if not any((path / name).is_file() for name in WEIGHTS):
        raise ConfigError(_no_weights(path))
    if not any((path / name).is_file() for name in TOKENIZER_FILES):
        raise ConfigError(
            f"{path} has no tokenizer ({', '.join(TOKENIZER_FILES)}); save the model's own there with "
            "tokenizer.save_pretrained()"
        )
    return path


def _no_weights(path: Path) -> str:
    pickled = sorted(file.name for file in path.iterdir() if file.suffix in PICKLED)
    if not pickled:
        return f"{path} has no weights; {WEIGHTS[0]} is expected there"
    return (
        f"{path} holds its weights only as {pickled[0]}, which can run code when it is read, so it is not; save "
        "them as safetensors where you trust them: AutoModel.from_pretrained(old).save_pretrained(new)"
    )


def content_digest(path: Path) -> str:
    """Return the sha256 of a directory's names and bytes, 64 hex digits; where the directory lies has no part in it.

    The files' own digests are kept as long as size and time of change stand: a run asks many times.
    """
    files = [file for file in sorted(path.iterdir()) if file.suffix in READ and file.is_file()]
    return digest_of({file.name: _digest(file, *_state(file)) for file in files})


def _state(file: Path) -> tuple[Any, ...]:
    stat = file.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@functools.lru_cache(maxsize=256)
def _digest(file: Path, *_state: object) -> str:
    return sha256_file(file)
