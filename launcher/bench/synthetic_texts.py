"""Texts that nobody wrote, of the lengths asked for: words of the model's own vocabulary, drawn with a seed.

For measuring without a corpus. They mean nothing and their words are as rare as each other, which no engine's speed
depends on; how fast real text is read and tokenised, they do not tell.
"""

import random
from collections.abc import Sequence

from tasks.engines.tokenizer import Cut, ModelWords, Words, words

SEED = 7
VOCABULARY = 2_000  # words to draw from
TRIED = 20_000  # entries of a vocabulary looked at for such words
LEAST, MOST = 16, 8_192  # texts
TOKENS = 2**19  # of all texts together, about
MARKS = "\u0120\u2581"  # what byte-level and SentencePiece vocabularies write for the space before a word


def texts(model: str, lengths: Sequence[tuple[float, float]], cut: Cut) -> list[str]:
    """Texts of which these shares have so many tokens, special tokens and prompt included, at most `cut.tokens`.

    In random order. A piece may be a token longer or shorter where the tokenizer merges over spaces.
    """
    tokenizer = words(model)
    dice = random.Random(SEED)  # noqa: S311 - a measurement, not a secret
    known = vocabulary(tokenizer, dice)
    edge = len(tokenizer.before) + len(tokenizer.after)
    edge += len(tokenizer.ids([cut.prompt])[0]) if cut.prompt else 0
    whole = sum(share for share, _ in lengths)
    mean = sum(share * tokens for share, tokens in lengths) / whole
    count = max(LEAST, min(MOST, round(TOKENS / mean)))
    drawn = dice.choices([tokens for _, tokens in lengths], [share for share, _ in lengths], k=count)
    return [" ".join(dice.choices(known, k=max(1, round(tokens) - edge))) for tokens in drawn]


def vocabulary(tokenizer: Words, dice: random.Random) -> list[str]:
    """Words that are one token each within a text; of a tokenizer that has none, the letter a."""
    if not isinstance(tokenizer, ModelWords):
        return [f"w{number}" for number in range(VOCABULARY)]
    entries = sorted(tokenizer.tokenizer.get_vocab())
    bare = sorted({entry.lstrip(MARKS) for entry in dice.sample(entries, min(TRIED, len(entries)))})
    asked = [entry for entry in bare if entry.isascii() and entry.isalpha() and len(entry) > 1]
    alone = len(tokenizer.ids(["a"])[0])
    found = tokenizer.ids([f"a {entry}" for entry in asked])
    single = [entry for entry, ids in zip(asked, found, strict=True) if len(ids) == alone + 1]
    return dice.sample(single, min(VOCABULARY, len(single))) or ["a"]
