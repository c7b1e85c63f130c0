"""Subword ids: a byte-level tokeniser trained on the drop itself, and its own file format. Nothing is downloaded.

Byte-pair encoding on bytes (Sennrich et al., ACL 2016; Radford et al., 2019) by the library ``tokenizers``: any text
has ids, none is unknown. The tokeniser has no special tokens, so no text can spell one: ids 0 and 1 are put beside it.
The same texts in any order give the same bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from telltale_core.errors import ConfigError, Corrupt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, SEPARATOR, FIRST = 0, 1, 2
"""Padding, what stands between the columns of a sample, and the first id that is a piece of text."""
BYTES = 256
MAX_TOKEN_CHARS = 48


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> bytes:
    """Return a tokeniser of at most ``vocabulary`` ids (with padding and separator) as the bytes of its JSON file.

    A piece is learnt where it occurs at least twice. ``texts`` must come in a canonical order.
    """
    library = _library()
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary - FIRST,
        min_frequency=2,
        initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=MAX_TOKEN_CHARS,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return str(tokenizer.to_str()).encode()


@functools.lru_cache(maxsize=8)
def open_tokenizer(file: bytes) -> Tokenizer:
    """Return the tokeniser in a file that :func:`train_tokenizer` made; raises :class:`Corrupt` for any other."""
    try:
        tokenizer: Tokenizer = _library().Tokenizer.from_str(file.decode())
    except ConfigError:
        raise
    except Exception as error:
        raise Corrupt("tokenizer.json is not a tokeniser's file; ingest the drop again") from error
    return tokenizer


def size_of(tokenizer: Tokenizer) -> int:
    """Return the number of ids, padding and separator among them."""
    return int(tokenizer.get_vocab_size()) + FIRST


def ids_of(tokenizer: Tokenizer, parts: Sequence[str]) -> list[int]:
    """Return the ids of a sample's texts, a separator between them."""
    ids: list[int] = []
    for number, part in enumerate(parts):
        ids += [SEPARATOR] * (number > 0)
        ids += [token + FIRST for token in tokenizer.encode(part).ids]
    return ids


def _library() -> Any:
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError as error:
        raise ConfigError(
            "text needs the library tokenizers: pip install 'telltale-cleanse[text]' (the extra is called text)"
        ) from error
    return tokenizers
