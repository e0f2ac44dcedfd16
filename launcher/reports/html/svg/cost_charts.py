"""Charts of costs as inline SVG: dollars and machines over time, preemptions, a waterfall, bars to compare.

Knows numbers, and seconds since the run was created. Knows no report, and no colours: the style sheet has them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from launcher.format import axis_dollars, compact, duration, money
from launcher.reports.html.elements import Markup, tag
from launcher.reports.html.svg.charts import (
    LABELS,
    LEFT,
    LETTERS,
    NARROW,
    RIGHT,
    TOP,
    WIDE,
    coordinates,
    line,
    picture,
    round_up,
    round_up_count,
    shorten_middle,
    time_axis,
)

HEIGHT, BOTTOM = 250, 26
DOLLARS = 72  # room on the left: small amounts are long
ROW = 26
AMOUNTS = 110  # of a waterfall and of bars: room for amounts
NAMES = {WIDE: 330.0, NARROW: 0.0}  # room for names; on a phone they stand above their bars
NAME_LETTERS = {WIDE: 48, NARROW: 52}  # of a name that fit there
ROWS = {WIDE: float(ROW), NARROW: ROW + 14.0}  # heights of their rows
LANE = 24  # of preemptions: height of a place's lane
SHOWN_MARKS = 400  # marks of a lane that a person can tell apart


@dataclass(frozen=True, slots=True)
class Level:
    """A line across a chart, such as the budget. `kind` is its class in the style sheet."""

    name: str
    value: float
    kind: str


@dataclass(frozen=True, slots=True)
class WaterfallBar:
    """A row of a waterfall, from `start` to `end`. `kind` is its class: whole, more or less."""

    name: str
    start: float
    end: float
    amount: str
    kind: str


@dataclass(frozen=True, slots=True)
class ComparisonBar:
    """A way to do the work, and what it costs. `kind` is its class in the style sheet."""

    name: str
    value: float
    amount: str
    kind: str


def spent_chart(
    points: Sequence[tuple[float, float]], span: float, levels: Sequence[Level], width: float = WIDE
) -> Markup:
    """Dollars spent until each moment, as a rising line; levels are dashed lines."""
    most = max([usd for _, usd in points] + [level.value for level in levels], default=0.0)
    top, bottom = round_up(most), HEIGHT - BOTTOM

    def x(seconds: float) -> float:
        return DOLLARS + (width - DOLLARS - RIGHT) * seconds / span

    def y(usd: float) -> float:
        return bottom - (bottom - TOP) * usd / top

    drawn = _value_grid(top, y, "", axis_dollars, DOLLARS, width)
    drawn += time_axis(span, x, bottom, TOP, width)
    path = [(x(seconds), y(usd)) for seconds, usd in points]
    drawn.append(tag("polygon", points=coordinates([(x(0), y(0)), *path, (x(span), y(0))]), class_="area"))
    drawn.append(tag("polyline", points=coordinates(path), class_="curve"))
    for i, level in enumerate(levels):
        drawn.append(line(DOLLARS, y(level.value), width - RIGHT, y(level.value), level.kind))
        at = DOLLARS + 8 + i * (width - DOLLARS) * 0.42  # side by side, because levels may be close
        drawn.append(tag("text", level.name, x=at, y=y(level.value) - 6, class_="halo"))
    return picture(
        f"Dollars spent over {duration(span)}, {money(Decimal(repr(points[-1][1])))} at the end",
        HEIGHT,
        drawn,
        width,
    )


def stacked_chart(
    names: Sequence[str], points: Sequence[Sequence[float]], span: float, width: float = WIDE
) -> Markup:
    """How many machines ran in each place, stacked; `points` are numbers by place over equal bins of `span` seconds."""
    most = max((sum(at) for at in points), default=0.0)
    (top, steps), bottom = round_up_count(most), HEIGHT - BOTTOM
    bin_seconds = span / max(1, len(points))

    def x(seconds: float) -> float:
        return LEFT + (width - LEFT - RIGHT) * seconds / span

    def y(n: float) -> float:
        return bottom - (bottom - TOP) * n / top

    drawn = _value_grid(top, y, "machines", compact, LEFT, width, steps)
    drawn += time_axis(span, x, bottom, TOP, width)
    below = [0.0] * len(points)
    for i, name in enumerate(names):
        above = [b + at[i] for b, at in zip(below, points, strict=True)]
        upper = [(x((n + 0.5) * bin_seconds), y(value)) for n, value in enumerate(above)]
        lower = [(x((n + 0.5) * bin_seconds), y(value)) for n, value in enumerate(below)]
        shape = tag(
            "polygon", tag("title", name), points=coordinates([*upper, *reversed(lower)]), class_=f"p{i}"
        )
        drawn.append(shape)
        below = above
    return picture(f"Machines by place over {duration(span)}, at most {most:.0f}", HEIGHT, drawn, width)


def preemption_chart(
    lanes: Sequence[tuple[str, Sequence[tuple[float, str]]]], span: float, width: float = WIDE
) -> Markup:
    """One lane for each place, with a mark and its title for each machine that was taken away."""
    bottom, label = TOP + LANE * len(lanes), LABELS[width]

    def x(seconds: float) -> float:
        return label + (width - label - RIGHT) * min(max(seconds, 0.0), span) / span

    drawn = time_axis(span, x, bottom, TOP, width)
    for i, (name, marks) in enumerate(lanes):
        middle = TOP + LANE * i + LANE / 2
        short = shorten_middle(name, LETTERS[width])
        drawn.append(tag("text", tag("title", name), short, x=0, y=middle + 4, class_="name"))
        for seconds, title in marks[:SHOWN_MARKS]:
            at = x(seconds)
            drawn.append(
                tag("rect", tag("title", title), x=at - 1.5, y=middle - 8, width=3, height=16, class_="lost")
            )
    drawn.append(line(label, bottom, width - RIGHT, bottom, "axis"))
    total = sum(len(marks) for _, marks in lanes)
    return picture(f"{total} machines taken away over {duration(span)}", bottom + BOTTOM, drawn, width)


def waterfall_chart(rows: Sequence[WaterfallBar], width: float = WIDE) -> Markup:
    """The waterfall from the planned to the actual amount, one bar below the other."""
    ends = [0.0, *(value for row in rows for value in (row.start, row.end))]
    low, high = min(ends), max(ends)
    names, height = NAMES[width], ROWS[width]
    bottom = TOP / 2 + height * len(rows)

    def x(usd: float) -> float:
        return names + (width - names - AMOUNTS) * (usd - low) / ((high - low) or 1.0)

    drawn = [line(x(0), TOP / 2, x(0), bottom, "axis")]
    for i, row in enumerate(rows):
        middle = TOP / 2 + height * i + height - ROW / 2
        start, end = sorted((x(row.start), x(row.end)))
        drawn.append(_row_name(row.name, middle, width))
        drawn.append(
            tag(
                "rect",
                tag("title", f"{row.name}: {row.amount}"),
                x=start,
                y=middle - 8,
                width=max(end - start, 1.5),
                height=16,
                class_=row.kind,
            )
        )
        if i + 1 < len(rows):
            drawn.append(line(x(row.end), middle + 8, x(row.end), middle + height - 8, "grid"))
        drawn.append(tag("text", row.amount, x=width, y=middle + 4, text_anchor="end", class_="name"))
    return picture("From the plan to the run, cause by cause", bottom + 8, drawn, width)


def comparison_chart(
    rows: Sequence[ComparisonBar],
    width: float = WIDE,
    words: str = "What the same work costs in other ways",
) -> Markup:
    """A bar from zero for each way to do the work, or for each of other things; `words` say what the chart shows."""
    most = max((row.value for row in rows), default=0.0) or 1.0
    names, height = NAMES[width], ROWS[width]
    drawn: list[Markup] = []
    for i, row in enumerate(rows):
        middle = height * i + height - ROW / 2
        long = max((width - names - AMOUNTS) * row.value / most, 1.5)
        drawn.append(_row_name(row.name, middle, width))
        title = tag("title", f"{row.name}: {row.amount}")
        drawn.append(tag("rect", title, x=names, y=middle - 8, width=long, height=16, class_=row.kind))
        drawn.append(tag("text", row.amount, x=width, y=middle + 4, text_anchor="end", class_="name"))
    return picture(words, height * len(rows) + 4, drawn, width)


def _row_name(name: str, middle: float, width: float) -> Markup:
    """The name of a row: left of its bar, or on a narrow chart above it."""
    letters = NAME_LETTERS[width]
    short = name if len(name) <= letters else f"{name[: letters - 1]}\N{HORIZONTAL ELLIPSIS}"
    y = middle + 4 if NAMES[width] else middle - 12
    return tag("text", tag("title", name), short, x=0, y=y, class_="name")


def _value_grid(
    top: float,
    y: Callable[[float], float],
    unit: str,
    shown: Callable[[float], str],
    left: float,
    width: float,
    steps: int = 4,
) -> list[Markup]:
    drawn: list[Markup] = []
    for step in range(steps + 1):
        value = top * step / steps
        drawn.append(line(left, y(value), width - RIGHT, y(value), "axis" if not step else "grid"))
        drawn.append(tag("text", shown(value), x=left - 8, y=y(value) + 4, text_anchor="end"))
    return [*drawn, tag("text", unit, x=0, y=TOP - 13)] if unit else drawn
