"""Tokenize texts as a model's tokenizer does, without special tokens, which are known apart.

The planner's sample and every engine use the same tokenizer, so a planned token is an embedded token. A tokenizer is
made of tokenizer.json and what tokenizer_config.json and sentence_*_config.json change of it; transformers is needed
only where there is no tokenizer.json. Knows nothing of weights.
"""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from tokenizers import AddedToken, Tokenizer, normalizers

from tasks.models.describe import describe
from tasks.models.description import ModelDescription
from tasks.models.files import HASH_MODEL, BadModel, ModelFiles
from tasks.models.text_settings import read_card, tokenizer_settings
from tasks.models.tokenizing.normalizer_growth import MOST_GROWTH, growth
from tasks.models.tokenizing.slow_tokenizer import converted
from tasks.models.tokenizing.vocabulary import check_vocabulary, token_rows
from tasks.models.tokenizing.word_cache import word_cache

UNKNOWN_CHARACTERS = "\U000f0000 \ufdd0 a\ue000b"  # that Unicode gives no meaning
WORD = re.compile(r"\w+|[^\w\s]")
# Types whose tokenizer class, in transformers, takes lower-casing from its settings and not from tokenizer.json.
BERT_KINDS = (
    "bert", "convbert", "distilbert", "dpr", "electra", "funnel", "layoutlm", "lxmert", "mobilebert", "mpnet",
    "retribert", "squeezebert",
)  # fmt: skip


class PieceTokenizer(Protocol):
    """A tokenizer without special tokens, and the special tokens before and after each piece."""

    prefix_ids: list[int]
    suffix_ids: list[int]
    default_prompt: str  # put before every text where no prompt is given
    truncates_left: bool  # a text that is too long loses its beginning

    def ids(self, texts: Sequence[str]) -> list[list[int]]: ...

    def ids_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Ids, and for each the characters [start, end) of the text that it stands for."""
        ...


class HashTokenizer:
    """Words and punctuation, each hashed to an id, between two special tokens as in BERT."""

    def __init__(self) -> None:
        self.prefix_ids = [1]
        self.suffix_ids = [2]
        self.default_prompt = ""
        self.truncates_left = False

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [[_hash_id(w) for w in WORD.findall(text)] for text in texts]

    def ids_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        found = [list(WORD.finditer(text)) for text in texts]
        return [([_hash_id(w.group()) for w in each], [w.span() for w in each]) for each in found]


class ModelTokenizer:
    """The tokenizer of a model, with its special tokens."""

    def __init__(self, described: ModelDescription) -> None:
        files = ModelFiles(described.model, described.revision)
        card = read_card(files, described.folder)
        self.settings = tokenizer_settings(files, described.folder, card)
        self.tokenizer = _load(files, described, self.settings)
        saved = cast("dict[str, Any] | None", cast("Any", self.tokenizer).truncation)
        side = self.settings.get("truncation_side") or (saved or {}).get("direction")
        self.truncates_left = str(side).lower() == "left"
        self.default_prompt = described.text.default_prompt
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.tokenizer.encode_special_tokens = self.settings.get("split_special_tokens") is True
        if described.text.lower_case:
            _lower_case(self.tokenizer)
        self._check_reads_all(described.model)
        self._words = word_cache(self.tokenizer)
        self.prefix_ids, suffix = self._edges(described.model)
        self.suffix_ids = suffix or self._end()
        rows = token_rows(described)
        if rows is not None:
            self.check_vocabulary(described.model, rows)

    def check_vocabulary(self, model: str, rows: int) -> None:
        """Refuse a model with so many rows in its table of tokens if a text can have a token beyond them.

        Raises:
            BadModel: there is one.
        """
        check_vocabulary(model, self.tokenizer, [*self.prefix_ids, *self.suffix_ids], rows)

    def _check_reads_all(self, model: str) -> None:
        """Check that characters which no vocabulary has are read, too: a text with them would end a run.

        Raises:
            BadModel: they are not: such as where the token for unknown ones is missing.
        """
        try:
            self.tokenizer.encode(UNKNOWN_CHARACTERS)
        except Exception as error:  # tokenizers (Rust) raises a bare Exception
            raise BadModel(
                f"the tokenizer of {model} cannot read every text: {error}",
                hint="name a model whose tokenizer is whole",
            ) from error

    def _edges(self, model: str) -> tuple[list[int], list[int]]:
        """The special tokens before and after a text."""
        for word in ("a", "e", "1", "."):
            bare = self.tokenizer.encode(word, add_special_tokens=False).ids
            dressed = self.tokenizer.encode(word, add_special_tokens=True).ids
            for start in range(len(dressed) - len(bare) + 1) if bare else ():
                if dressed[start : start + len(bare)] == bare:
                    return dressed[:start], dressed[start + len(bare) :]
        raise BadModel(
            f"the tokenizer of {model} knows no plain letter", hint="name a model whose tokenizer is whole"
        )

    def _end(self) -> list[int]:
        """The end token of decoders with last-token pooling; some models name it in tokenizer_config.json only."""
        named: Any = self.settings.get("eos_token")
        token: Any = cast("Mapping[str, Any]", named).get("content") if isinstance(named, dict) else named
        number = self.tokenizer.token_to_id(token) if isinstance(token, str) else None
        return [number] if self.settings.get("add_eos_token") is True and number is not None else []

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        if self._words is not None:
            return self._words.ids(texts)
        return [e.ids for e in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def ids_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        # encode_batch_fast gives no offsets
        found = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [(e.ids, e.offsets) for e in found]


def load_tokenizer(model: str | ModelDescription, revision: str | None = None) -> PieceTokenizer:
    """The tokenizer of a model: a folder, a hub id, the hash model, or a model that was described.

    Raises:
        BadModel: the model has no tokenizer, or one that cannot be used here.
    """
    if model == HASH_MODEL:
        return HashTokenizer()
    return ModelTokenizer(describe(model, revision) if isinstance(model, str) else model)


def _load(files: ModelFiles, described: ModelDescription, settings: Mapping[str, Any]) -> Tokenizer:
    name = f"{described.folder}/tokenizer.json" if described.folder else "tokenizer.json"
    if not files.has(name):
        return converted(files, described)
    path = files.path(name)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers (Rust) raises a bare Exception for any file
        raise BadModel(
            f"cannot read the tokenizer {path}: {error}",
            hint="name a model folder with a tokenizer.json, as the hub's models have",
        ) from error
    _check_growth(tokenizer, path)
    if _is_bert_kind(described, settings):
        _obey_bert_settings(tokenizer, settings)
    _add_tokens(tokenizer, settings)
    return tokenizer


def _check_growth(tokenizer: Tokenizer, path: Path) -> None:
    """Refuse a normalizer that makes a text so long that it takes all memory."""
    normalizer: Any = tokenizer.normalizer
    if normalizer is not None and (times := growth(json.loads(normalizer.__getstate__()))) > MOST_GROWTH:
        raise BadModel(
            f"the tokenizer {path} replaces what it has replaced before, and makes a text {times:,.0f} times as long",
            hint="do not use this model: it is damaged or hostile",
        )


def _is_bert_kind(described: ModelDescription, settings: Mapping[str, Any]) -> bool:
    named = settings.get("tokenizer_class")
    if isinstance(named, str):
        return named.removesuffix("Fast").removesuffix("Tokenizer").lower() in BERT_KINDS
    return described.model_type in BERT_KINDS


def _obey_bert_settings(tokenizer: Tokenizer, settings: Mapping[str, Any]) -> None:
    """Set the normalizer as transformers' BERT tokenizers do: by the settings, or their defaults, not by the file."""
    normalizer: Any = tokenizer.normalizer
    if not isinstance(normalizer, normalizers.BertNormalizer):
        return
    normalizer.lowercase = settings.get("do_lower_case", True) is not False
    normalizer.strip_accents = settings.get("strip_accents")
    normalizer.handle_chinese_chars = settings.get("tokenize_chinese_chars", True) is not False
    tokenizer.normalizer = normalizer


def _add_tokens(tokenizer: Tokenizer, settings: Mapping[str, Any]) -> None:
    """Add the tokens that tokenizer_config.json has and tokenizer.json lacks, in the order of their ids."""
    listed = settings.get("added_tokens_decoder")
    if not isinstance(listed, dict):
        return
    typed: Any = tokenizer
    for number in sorted(cast("dict[str, Any]", listed), key=lambda key: int(key) if key.isdigit() else 0):
        token = cast("dict[str, Any]", listed)[number]
        content = token.get("content")
        if not isinstance(content, str) or tokenizer.token_to_id(content) is not None:
            continue
        special = token.get("special") is True
        options = {
            key: token[key] is True
            for key in ("lstrip", "rstrip", "single_word", "normalized")
            if key in token
        }
        add = typed.add_special_tokens if special else typed.add_tokens
        add([AddedToken(content, special=special, **options)])


def _lower_case(tokenizer: Tokenizer) -> None:
    """Lower-case first, as sentence-transformers does, unless a step of the normalizer is just that."""
    normalizer: Any = tokenizer.normalizer
    if normalizer is None:
        tokenizer.normalizer = normalizers.Lowercase()
        return
    state = json.loads(normalizer.__getstate__())
    if "Lowercase" not in {step["type"] for step in state.get("normalizers", [state])}:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizer])


def _hash_id(word: str) -> int:
    return 3 + zlib.crc32(word.encode()) % 30_000
