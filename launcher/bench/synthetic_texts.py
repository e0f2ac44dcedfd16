"""Synthetic texts of given lengths: random words of the model's own vocabulary, drawn with a seed.

For measuring without a corpus. The texts mean nothing and all words are equally frequent; no engine's speed depends on
that. They do not show how fast real text is read and tokenised.
"""

import random
from collections.abc import Sequence

from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.models.tokenizing.tokenizer import ModelTokenizer, PieceTokenizer, load_tokenizer

SEED = 7
VOCABULARY = 2_000  # words to draw from
VOCABULARY_SAMPLE = 20_000  # vocabulary entries that are searched for such words
MIN_TEXTS, MAX_TEXTS = 16, 8_192  # texts
TOTAL_TOKENS = 2**19  # of all texts together, approximately
SPACE_MARKS = (
    "\u0120\u2581"  # what byte-level and SentencePiece vocabularies write for the space before a word
)


def texts(model: str, lengths: Sequence[tuple[float, float]], cut: ChunkSpec) -> list[str]:
    """Make texts for `lengths`, pairs of (share, tokens); tokens include special tokens and the prompt.

    The texts come in random order. A text may be a token longer or shorter where the tokenizer merges across spaces.
    """
    tokenizer = load_tokenizer(model)
    dice = random.Random(SEED)  # noqa: S311 - a measurement, not a secret
    known = vocabulary(tokenizer, dice)
    edge = len(tokenizer.prefix_ids) + len(tokenizer.suffix_ids)
    edge += len(tokenizer.ids([cut.prompt])[0]) if cut.prompt else 0
    whole = sum(share for share, _ in lengths)
    mean = sum(share * tokens for share, tokens in lengths) / whole
    count = max(MIN_TEXTS, min(MAX_TEXTS, round(TOTAL_TOKENS / mean)))
    drawn = dice.choices([tokens for _, tokens in lengths], [share for share, _ in lengths], k=count)
    return [" ".join(dice.choices(known, k=max(1, round(tokens) - edge))) for tokens in drawn]


def vocabulary(tokenizer: PieceTokenizer, dice: random.Random) -> list[str]:
    """Words that are a single token within a text; the letter a for a tokenizer that has no such word."""
    if not isinstance(tokenizer, ModelTokenizer):
        return [f"w{number}" for number in range(VOCABULARY)]
    entries = sorted(tokenizer.tokenizer.get_vocab())
    bare = sorted(
        {entry.lstrip(SPACE_MARKS) for entry in dice.sample(entries, min(VOCABULARY_SAMPLE, len(entries)))}
    )
    asked = [entry for entry in bare if entry.isascii() and entry.isalpha() and len(entry) > 1]
    alone = len(tokenizer.ids(["a"])[0])
    found = tokenizer.ids([f"a {entry}" for entry in asked])
    single = [entry for entry, ids in zip(asked, found, strict=True) if len(ids) == alone + 1]
    return dice.sample(single, min(VOCABULARY, len(single))) or ["a"]
