"""Charts of texts and vectors as inline SVG: a histogram of lengths with the cut, and a map of vectors.

Knows numbers and words. Knows no report, and no colours: the style sheet has them.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf

from launcher.format import compact, count, percent
from launcher.reports.html.elements import Markup, tag
from launcher.reports.html.svg.charts import LEFT, NARROW, RIGHT, TOP, WIDE, line, picture, round_up

HEIGHT, BOTTOM = 220, 26
# Upper ends of the bars, in tokens; those of the sampled profile, so that a mean lies in its own bar.
EDGES = (8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 1_024, 2_048, 4_096, 8_192, float("inf"))
SQUARE = {WIDE: 460, NARROW: 340}  # height of the map
DOT = {WIDE: 4.5, NARROW: 3.0}
MARGIN = 12


@dataclass(frozen=True, slots=True)
class Dot:
    """A vector on the map, from -1 to 1 in both directions."""

    x: float
    y: float
    title: str


def length_chart(
    mix: Sequence[tuple[float, float]], things: str, cut: int | None, *, lost: bool, width: float = WIDE
) -> Markup:
    """How many texts have how many tokens; `mix` is pairs of a share and its mean tokens.

    What is beyond the cut is lost, or becomes several chunks.
    """
    shares = [0.0] * len(EDGES)
    for share, tokens in mix:
        shares[bisect_left(EDGES, tokens)] += share
    used = [i for i, share in enumerate(shares) if share]
    first, last = (used[0], used[-1]) if used else (0, 0)
    if cut is not None:
        last = max(last, min(bisect_left(EDGES, cut), last + 1))
    top, bottom = round_up(100 * max(shares)), HEIGHT - BOTTOM
    each = (width - LEFT - RIGHT) / (last - first + 1)

    def y(share: float) -> float:
        return bottom - (bottom - TOP) * share / top

    drawn = [tag("text", f"% of {things}", x=0, y=TOP - 13)]
    for step in range(3):
        value = top * step / 2
        drawn.append(line(LEFT, y(value), width - RIGHT, y(value), "axis" if not step else "grid"))
        drawn.append(tag("text", compact(value), x=LEFT - 8, y=y(value) + 4, text_anchor="end"))
    skipped = 2 if each < 44 else 1
    for i in range(first, last + 1):
        x = LEFT + each * (i - first)
        low = EDGES[i - 1] if i else 0
        kind = ("lost" if lost else "cold_start") if cut is not None and low >= cut else "useful"
        words = f"{percent(shares[i], 1)} of {things}: {_range(i)} tokens"
        height = max(bottom - y(100 * shares[i]), 0.0)
        drawn.append(
            tag(
                "rect",
                tag("title", words),
                x=x + 1,
                y=bottom - height,
                width=each - 2,
                height=height,
                class_=kind,
            )
        )
        if (i - first) % skipped == 0 or i == last:
            end = f">{compact(low)}" if isinf(EDGES[i]) else compact(EDGES[i])
            drawn.append(tag("text", end, x=x + each - 2, y=bottom + 18, text_anchor="end"))
    if cut is not None and cut <= EDGES[last]:
        at = LEFT + each * (_place(cut) - first)
        words = f"cut at {count(cut)} tokens"
        right = at > width / 2
        drawn.append(line(at, TOP - 4, at, bottom, "limit"))
        anchor, shift = ("end", -6) if right else ("start", 6)
        drawn.append(tag("text", words, x=at + shift, y=TOP - 6, text_anchor=anchor, class_="halo"))
    return picture(f"Tokens of {things}, from {_range(first)} to {_range(last)}", HEIGHT, drawn, width)


def map_chart(dots: Sequence[Dot], width: float = WIDE) -> Markup:
    """Vectors in the plane in which they differ most. On a phone nothing hovers, so its dots have no titles."""
    height = SQUARE[width]

    def x(value: float) -> float:
        return width / 2 + (width / 2 - MARGIN) * value

    def y(value: float) -> float:
        return height / 2 - (height / 2 - MARGIN) * value

    drawn = [
        line(MARGIN, height / 2, width - MARGIN, height / 2, "grid"),
        line(width / 2, MARGIN, width / 2, height - MARGIN, "grid"),
    ]
    for dot in dots:
        title = tag("title", dot.title) if width > NARROW else ""
        drawn.append(tag("circle", title, cx=x(dot.x), cy=y(dot.y), r=DOT[width], class_="dot"))
    return picture(f"Map of {count(len(dots))} vectors", height, drawn, width)


def _range(bar: int) -> str:
    low = int(EDGES[bar - 1]) + 1 if bar else 1
    return f"more than {count(low - 1)}" if isinf(EDGES[bar]) else f"{count(low)} to {count(EDGES[bar])}"


def _place(tokens: float) -> float:
    """Where so many tokens are, counted in bars from the left end of the first."""
    bar = bisect_left(EDGES, tokens)
    low, high = (EDGES[bar - 1] if bar else 0), EDGES[bar]
    return bar + (1.0 if isinf(high) else (tokens - low) / (high - low))
