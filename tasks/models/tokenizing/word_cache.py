"""Tokenize texts by a table of words, several times as fast as the tokenizer itself, with the same ids.

BERT's tokenizers split a text at white space before they look for tokens, and what they find between two spaces depends
on nothing beyond them; nor, in plain ASCII, on what is beyond a punctuation mark. So the ids of a text are those of its
words, and the ids of a new word mostly those of its parts, which are few in any corpus. Other kinds of tokenizers are not
taken here.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import re
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

MOST_WORDS = 2**17  # in a table, some 50 MB by estimate; then it is begun anew
LONGEST_WORD = 64  # characters of a word that is held; a longer one is made anew each time
PLAIN = re.compile(r"[!-~]+")
PARTS = re.compile(r"[A-Za-z0-9]+|[!-/:-@\[-`{-~]")
BLOCK_TEXTS = 512  # split at once
Numbers = NDArray[np.int64]
# The table must give the tokenizer's ids for these before it is used: every character of ASCII and a few beyond, alone
# and between others.
_CHARACTERS = [
    chr(code) for code in (*range(128), 0x85, 0xA0, 0xAD, 0xE9, 0x301, 0x3A3, 0x200B, 0x3000, 0x4E2D, 0x1F600)
]
PROBES = (
    "".join(_CHARACTERS),
    " ".join(_CHARACTERS),
    *(f"Word{one}word {one}Tail 7{one} {one}" for one in _CHARACTERS),
    "Unbelievably, the CAN'T-do_attitude (v1.2.3) cost\t$3.50\r\n\nof e-mail@example.com  ", "", " ", "\n",
)  # fmt: skip


class WordCache:
    """Ids of texts by their words, for a tokenizer that `word_cache` takes. Safe to use from several threads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        self._parts: dict[str, list[int]] = {}
        self._model: Any = tokenizer.model
        normalizer: Any = tokenizer.normalizer
        self._lower = bool(normalizer.lowercase)
        self._added = sorted({token.content.lower() for token in _added(tokenizer)})

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without special tokens."""
        blocks = (texts[n : n + BLOCK_TEXTS] for n in range(0, len(texts), BLOCK_TEXTS))
        return [ids for block in blocks for ids in self._block(block)]

    def _block(self, texts: Sequence[str]) -> list[list[int]]:
        """The same, with no Python loop over words: only over those that differ."""
        try:
            column = pa.array([_spaced(text) for text in texts], pa.string())
        except UnicodeEncodeError:  # half a surrogate pair, of which the tokenizer makes what it makes
            return _ids(self._tokenizer, texts)
        split: Any = pc.split_pattern(column, " ")
        encoded: Any = split.flatten().dictionary_encode()
        which: Numbers = encoded.indices.to_numpy()
        by_word = self._learn(encoded.dictionary.to_pylist())
        sizes = np.fromiter(map(len, by_word), np.int64, len(by_word))
        found = np.fromiter(chain.from_iterable(by_word), np.int64, int(sizes.sum()))
        lengths = sizes[which]
        ends = np.cumsum(lengths)
        total = int(lengths.sum())
        # Of each word in the block: where its ids begin in `found`, minus where they begin in the block.
        shift = (np.cumsum(sizes) - sizes)[which] - (ends - lengths)
        ids = found[np.repeat(shift, lengths) + np.arange(total)]
        edges: list[int] = np.concatenate(([0], ends))[split.offsets.to_numpy()].tolist()
        return [ids[start:end].tolist() for start, end in pairwise(edges)]

    def _learn(self, words: Sequence[str]) -> list[list[int]]:
        """The ids of each of these words, which differ."""
        known = self._known
        new = [word for word in words if word not in known]
        fresh = dict(zip(new, self._by_parts(new), strict=True))
        found = [known[word] if word in known else fresh[word] for word in words]
        self._known = self._kept(known, fresh)
        return found

    def _by_parts(self, words: Sequence[str]) -> list[list[int]]:
        """The ids of words that are new: of most the letters between two marks are known."""
        known = self._parts
        split = [self._split(word) for word in words]
        new = {part for parts in split if parts is not None for part in parts if part not in known}
        # The other steps of the tokenizer leave a part as it is: the model alone takes a fifth of their time (measured).
        fresh = {part: [token.id for token in self._model.tokenize(part)] for part in new}
        whole = [word for word, parts in zip(words, split, strict=True) if parts is None]
        by_tokenizer = iter(_ids(self._tokenizer, whole))
        found = [
            next(by_tokenizer)
            if parts is None
            else [number for part in parts for number in (known[part] if part in known else fresh[part])]
            for parts in split
        ]
        self._parts = self._kept(known, fresh)
        return found

    def _split(self, word: str) -> list[str] | None:
        """A word as marks and what is between them; None where it is not plain, or may hold an added token."""
        if PLAIN.fullmatch(word) is None:
            return None
        cased = word.lower()
        for token in self._added:
            if token in cased:
                return None
        return PARTS.findall(cased if self._lower else word)

    def _kept(self, known: dict[str, list[int]], fresh: dict[str, list[int]]) -> dict[str, list[int]]:
        """A table with these entries as well, and none of the old ones where it would become too large."""
        fresh = {word: ids for word, ids in fresh.items() if len(word) <= LONGEST_WORD}
        if len(known) + len(fresh) > MOST_WORDS:
            known = {}  # another thread goes on with the table that it has
        known.update(fresh)
        return known


def word_cache(tokenizer: Tokenizer) -> WordCache | None:
    """The table for this tokenizer; None where its ids are not those of its words, or where that is not proved."""
    typed: Any = tokenizer
    kinds = (
        (typed.normalizer, normalizers.BertNormalizer),
        (typed.pre_tokenizer, pre_tokenizers.BertPreTokenizer),
        (typed.model, models.WordPiece),
    )
    if not all(isinstance(part, kind) for part, kind in kinds):
        return None
    # A normalizer may make white space of other characters, and an added token with white space spans words.
    if not all(
        t.content and t.content.isascii() and t.content.isprintable() and " " not in t.content
        for t in _added(tokenizer)
    ):
        return None
    cache = WordCache(tokenizer)
    return cache if cache.ids(PROBES) == _ids(tokenizer, PROBES) else None


def _added(tokenizer: Tokenizer) -> list[AddedToken]:
    return list(cast("dict[int, AddedToken]", cast("Any", tokenizer).get_added_tokens_decoder()).values())


def _spaced(text: str) -> str:
    """The text with one kind of white space, at which every BERT tokenizer splits. Others it may drop."""
    return text.replace("\n", " ").replace("\t", " ").replace("\r", " ")


def _ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        return []
    return [found.ids for found in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
