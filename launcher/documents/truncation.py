"""What truncation leaves out, where that is much, and what it would cost to embed all. Pure.

A share above a twentieth is a warning on every screen: vectors of the beginnings of texts find nothing of the rest.
"""

from dataclasses import dataclass
from decimal import Decimal

from launcher.format import compact, hours_text, money, share_text

MOST_SHARE = 0.05  # of the tokens, that is no warning
USUAL_TOKENS = (
    512  # of a chunk, at most, that is proposed: a longer one finds worse, whatever the model takes
)
FILL = 0.85  # of a chunk, about, where it ends at sentences
EDGE_TOKENS = 2  # special tokens of a chunk


@dataclass(frozen=True, slots=True)
class Truncation:
    """More than a twentieth of the tokens is left out.

    `usd` and `hours` are those of the same machines with `chunk`, in proportion to the tokens; None: unknown.
    """

    share: float  # of the tokens that are left out
    chunk: str  # the line of a job file that embeds all
    tokens: int  # with it, about
    usd: Decimal | None
    hours: float | None


def truncation_of(
    tokens: float, cut: float, longest: int | None, *, usd: Decimal | None = None, hours: float | None = None
) -> Truncation | None:
    """The warning for so many tokens that were embedded, and so many that were left out; None where these are few.

    `longest` is the most tokens of a text that the model reads. `usd` and `hours` are those of what is embedded.
    """
    if tokens <= 0 or cut <= MOST_SHARE * (tokens + cut):
        return None
    size = min(longest or USUAL_TOKENS, USUAL_TOKENS)
    chunks = cut / max(1.0, size * FILL - EDGE_TOKENS)
    whole = tokens + cut + EDGE_TOKENS * chunks
    factor = whole / tokens
    return Truncation(
        share=round(cut / (tokens + cut), 4),
        chunk=f"chunk: {{tokens: {size}, by: sentences}}",
        tokens=round(whole),
        usd=None if usd is None else (usd * Decimal(factor)).quantize(Decimal("0.0001")),
        hours=None if hours is None else round(hours * factor, 4),
    )


def truncation_text(found: Truncation) -> str:
    """The warning as a sentence, with the line to paste and its price."""
    parts = [f"about {compact(found.tokens)} tokens", "$?" if found.usd is None else money(found.usd)]
    parts += [] if found.hours is None else [hours_text(found.hours)]
    return (
        f"truncation leaves out {share_text(found.share)} of the tokens; to embed all, put in the job file "
        f"{found.chunk} ({', '.join(parts)})"
    )
