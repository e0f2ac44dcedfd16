"""Compare our tokens with those of sentence-transformers, before any text is embedded: ten texts, one refusal.

The reference is the tokenizer as transformers loads it, with what sentence-transformers adds: the arguments of
sentence_*_config.json, its lower-casing, its limit and the default prompt. It is the net under everything that
`tokenizer` knows of layouts: what neither knows is a refusal that shows the first difference.
"""
# transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import importlib.util
from typing import Any

from tokenizers import normalizers

from tasks.models.description import ModelDescription
from tasks.models.files import BadModel, ModelFiles
from tasks.models.text_settings import read_card
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tasks.models.tokenizing.slow_tokenizer import reference
from tasks.models.tokenizing.tokenizer import ModelTokenizer

PROBE_TEXTS = (
    "a",
    "Shards are leased, not owned. UPPER lower MiXeD",
    "Ein Satz mit Umlauten: größer, schöner, weiß; naïve café, combining e\u0301 beside é",
    "東京は日本の首都です。人口は約千四百万人。한국어, ไทย",
    "Ελληνικά, русский, العربية, עברית, हिन्दी",
    "emoji 🙂🚀 👨‍👩‍👧, Ⅻ \uff26\uff55\uff4c\uff4c ① ½ ﬁne, zero\u200bwidth, nbsp\u00a0here, bell\u0007",
    "  blanks   at\tboth ends,\n\nlines and tabs \n ",
    "special tokens: [CLS] [SEP] [PAD] [UNK] [MASK] <s> </s> <pad> <unk> <mask> <bos> <eos> <|endoftext|> <|im_end|>",
    "1234567890 def f(x):\n    return {'a': [x ** 2 for _ in range(10)]}  # https://example.org/?q=1&r=%20",
    "longer than the limit of this comparison: " + "every word counts until the cut falls. " * 40,
)
MOST_OWN = 8  # added tokens in a text
UNCUT = 4_096  # tokens: no text here has as many
LIMIT = 64  # tokens, so that the last text is truncated and shows on which side


def check_tokenizer(
    described: ModelDescription, tokenizer: ModelTokenizer, *, remote_code: bool = False
) -> tuple[str, ...] | None:
    """Compare the tokens of ten texts; known differences in words. None: transformers is not installed here.

    Raises:
        BadModel: a text has other tokens than sentence-transformers would give it.
    """
    if importlib.util.find_spec("transformers") is None:
        return None
    theirs = _reference(described, remote_code=remote_code)
    _check_limit(described, theirs)
    limit = min(LIMIT, described.limit.tokens or LIMIT)

    def both(text: str, tokens: int) -> tuple[list[int], list[int]]:
        """Our tokens and theirs, of a text that is cut to so many."""
        prompt = described.text.default_prompt
        ours = split_texts(tokenizer, [text], ChunkSpec(tokens, prompt=prompt))[0].ids[0]
        try:
            found = theirs([prompt + text], truncation="longest_first", max_length=tokens)
        except Exception as error:  # a tokenizer that cannot tokenize: the library's bare Exception
            raise _refusal(described, text, f"transformers fails on it: {error}") from error
        return ours, found["input_ids"][0]

    known: dict[str, None] = {}
    if _has_map(tokenizer.tokenizer) and not _has_map(theirs.backend_tokenizer):
        theirs.backend_tokenizer.normalizer = tokenizer.tokenizer.normalizer
        known["the character map of tokenizer.json is obeyed, which this version of transformers drops"] = (
            None
        )
    # The tokens that are matched before all others, of which a folder may have any: in its files they are listed thrice.
    own = " ".join(f"x{token}y {token} z" for token in sorted(theirs.get_added_vocab())[:MOST_OWN])
    for text in (*PROBE_TEXTS, own):
        ours, expected = both(text, limit)
        if ours == expected:
            continue
        why = _explained(tokenizer, *both(text, UNCUT))
        if why is None:
            raise _refusal(described, text, _difference(ours, expected))
        known[why] = None
    return tuple(known)


def _reference(described: ModelDescription, *, remote_code: bool) -> Any:
    files = ModelFiles(described.model, described.revision)
    card = read_card(files, described.folder)
    arguments = {k: v for k, v in card.arguments("tokenizer").items() if k != "trust_remote_code"}
    asked = card.found.get("max_seq_length")
    if asked is not None:
        arguments.setdefault("model_max_length", asked)
    try:
        theirs = reference(described, remote_code=remote_code, **arguments)
    except (
        Exception
    ) as error:  # any error of a library, for a tokenizer that sentence-transformers cannot load either
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise BadModel(
            f"transformers cannot load the tokenizer of {described.model}: {reason}",
            hint=described.conversion,
        ) from error
    if described.text.lower_case:
        backend = theirs.backend_tokenizer
        own = [] if backend.normalizer is None else [backend.normalizer]
        backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
    return theirs


def _check_limit(described: ModelDescription, theirs: Any) -> None:
    """Hold our limit against the tokenizer's, where sentence-transformers takes that one."""
    limit = described.limit
    ours = limit.reference_tokens or limit.tokens
    said = theirs.model_max_length
    if ours is not None and said < ours:
        raise BadModel(
            f"{described.model} reads {said:,} tokens by its tokenizer, and {ours:,} by {limit.source}",
            hint=f"write max_seq_length: {said} into its sentence_bert_config.json, and name that folder",
        )


def _explained(tokenizer: ModelTokenizer, ours: list[int], expected: list[int]) -> str | None:
    """A known difference: transformers 5 makes some tokenizers anew, not of the tokenizer.json that was saved."""
    end = tokenizer.suffix_ids
    if tokenizer.settings.get("add_eos_token") is True and end and ours[-len(end) :] == end:
        kept = ours[: -len(end)]
        if expected[: len(kept)] == kept and expected[-len(end) :] != end:
            return "add_eos_token of tokenizer_config.json is obeyed, which this version of transformers does not"
    if max(expected, default=0) >= tokenizer.tokenizer.get_vocab_size() > max(ours, default=0):
        return (
            "tokens that tokenizer.json does not have are text, where this version of transformers adds them"
        )
    blank = tokenizer.tokenizer.token_to_id("\u2581")
    if blank is not None and [n for n in ours if n != blank] == [n for n in expected if n != blank]:
        return (
            "blanks at the ends and beside special tokens are kept, which this version of transformers drops"
        )
    return None


def _has_map(tokenizer: Any) -> bool:
    return tokenizer.normalizer is not None and b"precompiled_charsmap" in tokenizer.normalizer.__getstate__()


def _difference(ours: list[int], expected: list[int]) -> str:
    pairs = zip(ours, expected, strict=False)
    place = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(expected)))
    return f"token {place} is {ours[place : place + 3]} here and {expected[place : place + 3]} there"


def _refusal(described: ModelDescription, text: str, what: str) -> BadModel:
    return BadModel(
        f"the tokenizer of {described.model} gives other tokens than sentence-transformers for {text[:60]!r}: {what}",
        hint=f"its files disagree with each other; {described.conversion}",
    )
