"""Whether texts are English, by their letters and by the words that every English text has. Pure."""

import re
from collections.abc import Iterable

# In running English about a quarter of all words; in other languages in Latin letters few of them.
ENGLISH = frozenset(
    {"the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "as", "was", "with", "be", "by"}
    | {"on", "not", "this", "are", "or", "from", "at", "an", "have", "which"}
)
LEAST_SHARE = 0.12  # titles and lists have fewer than running text
LEAST_WORDS = 20
LATIN = 0x024F  # the last of Latin's letters with marks
WORD = re.compile(r"[^\W\d_]+")
MOST_CHARACTERS = 4_000  # of a text


def is_english(texts: Iterable[str]) -> bool | None:
    """Whether most of the words are those of English texts; None: too few words to tell."""
    words = english = foreign = 0
    for text in texts:
        for word in WORD.findall(text[:MOST_CHARACTERS].lower()):
            words += 1
            english += word in ENGLISH
            foreign += any(ord(letter) > LATIN for letter in word)
    if foreign > 0.05 * words and words:
        return False
    if words < LEAST_WORDS:
        return None
    return english >= LEAST_SHARE * words


def token_estimate(text: str) -> float:
    """About how many tokens a text has: four characters of Latin letters each, one of other scripts."""
    wide = sum(ord(letter) > 0x2E7F for letter in text)
    return wide + (len(text) - wide) / 4
