"""How much of a corpus repeats: the values that a plan holds. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """A share of a whole with its 95 % interval; all three are equal where it was counted."""

    mid: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CorpusRepeats:
    """What of a corpus is texts that occurred before: as a share of its texts, and of their characters."""

    texts: int  # of the corpus
    of_texts: Share
    of_characters: Share
