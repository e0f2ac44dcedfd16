"""Charts of costs as inline SVG: dollars and machines over time, preemptions, a waterfall, bars to compare.

Knows numbers, and seconds since the run was created. Knows no report, and no colours: the style sheet has them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from launcher.format import axis_dollars, compact, duration, money
from launcher.reports.html.charts import (
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    coordinates,
    line,
    picture,
    round_up,
    shorten_middle,
    time_axis,
)
from launcher.reports.html.elements import Markup, tag

HEIGHT, BOTTOM = 250, 26
DOLLARS = 72  # room on the left: small amounts are long
ROW = 26
NAMES, AMOUNTS = 330, 110  # of a waterfall and of bars: room for names and for amounts
SHOWN_LETTERS = 48  # of a name that fit into NAMES
LANE, PLACE = 24, 190  # of preemptions: height of a place's lane, room for its name
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


def spent_chart(points: Sequence[tuple[float, float]], span: float, levels: Sequence[Level]) -> Markup:
    """Dollars spent until each moment, as a rising line; levels are dashed lines."""
    most = max([usd for _, usd in points] + [level.value for level in levels], default=0.0)
    top, bottom = round_up(most), HEIGHT - BOTTOM

    def x(seconds: float) -> float:
        return DOLLARS + (WIDTH - DOLLARS - RIGHT) * seconds / span

    def y(usd: float) -> float:
        return bottom - (bottom - TOP) * usd / top

    drawn = _value_grid(top, y, "", axis_dollars, DOLLARS)
    drawn += time_axis(span, x, bottom, TOP)
    path = [(x(seconds), y(usd)) for seconds, usd in points]
    drawn.append(tag("polygon", points=coordinates([(x(0), y(0)), *path, (x(span), y(0))]), class_="area"))
    drawn.append(tag("polyline", points=coordinates(path), class_="curve"))
    for i, level in enumerate(levels):
        drawn.append(line(DOLLARS, y(level.value), WIDTH - RIGHT, y(level.value), level.kind))
        at = DOLLARS + 8 + i * 260  # side by side, because levels may be close
        drawn.append(tag("text", level.name, x=at, y=y(level.value) - 6, class_="halo"))
    return picture(
        f"Dollars spent over {duration(span)}, {money(Decimal(repr(points[-1][1])))} at the end",
        HEIGHT,
        drawn,
    )


def stacked_chart(names: Sequence[str], points: Sequence[Sequence[float]], span: float) -> Markup:
    """How many machines ran in each place, stacked; `points` are numbers by place over equal bins of `span` seconds."""
    most = max((sum(at) for at in points), default=0.0)
    top, bottom = round_up(max(most, 1.0)), HEIGHT - BOTTOM
    width = span / max(1, len(points))

    def x(seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * seconds / span

    def y(n: float) -> float:
        return bottom - (bottom - TOP) * n / top

    drawn = _value_grid(top, y, "machines", compact)
    drawn += time_axis(span, x, bottom, TOP)
    below = [0.0] * len(points)
    for i, name in enumerate(names):
        above = [b + at[i] for b, at in zip(below, points, strict=True)]
        upper = [(x((n + 0.5) * width), y(value)) for n, value in enumerate(above)]
        lower = [(x((n + 0.5) * width), y(value)) for n, value in enumerate(below)]
        shape = tag(
            "polygon", tag("title", name), points=coordinates([*upper, *reversed(lower)]), class_=f"p{i}"
        )
        drawn.append(shape)
        below = above
    return picture(f"Machines by place over {duration(span)}, at most {most:.0f}", HEIGHT, drawn)


def preemption_chart(lanes: Sequence[tuple[str, Sequence[tuple[float, str]]]], span: float) -> Markup:
    """One lane for each place, with a mark and its title for each machine that was taken away."""
    bottom = TOP + LANE * len(lanes)

    def x(seconds: float) -> float:
        return PLACE + (WIDTH - PLACE - RIGHT) * min(max(seconds, 0.0), span) / span

    drawn = time_axis(span, x, bottom, TOP)
    for i, (name, marks) in enumerate(lanes):
        middle = TOP + LANE * i + LANE / 2
        drawn.append(tag("text", tag("title", name), shorten_middle(name), x=0, y=middle + 4, class_="name"))
        for seconds, title in marks[:SHOWN_MARKS]:
            at = x(seconds)
            drawn.append(
                tag("rect", tag("title", title), x=at - 1.5, y=middle - 8, width=3, height=16, class_="lost")
            )
    drawn.append(line(PLACE, bottom, WIDTH - RIGHT, bottom, "axis"))
    total = sum(len(marks) for _, marks in lanes)
    return picture(f"{total} machines taken away over {duration(span)}", bottom + BOTTOM, drawn)


def waterfall_chart(rows: Sequence[WaterfallBar]) -> Markup:
    """From the planned to the actual amount, one bar below the other."""
    ends = [0.0, *(value for row in rows for value in (row.start, row.end))]
    low, high = min(ends), max(ends)
    bottom = TOP / 2 + ROW * len(rows)

    def x(usd: float) -> float:
        return NAMES + (WIDTH - NAMES - AMOUNTS) * (usd - low) / ((high - low) or 1.0)

    drawn = [line(x(0), TOP / 2, x(0), bottom, "axis")]
    for i, row in enumerate(rows):
        middle = TOP / 2 + ROW * i + ROW / 2
        start, end = sorted((x(row.start), x(row.end)))
        drawn.append(_row_name(row.name, middle))
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
            drawn.append(line(x(row.end), middle + 8, x(row.end), middle + ROW - 8, "grid"))
        drawn.append(tag("text", row.amount, x=WIDTH, y=middle + 4, text_anchor="end", class_="name"))
    return picture("From the plan to the run, cause by cause", bottom + 8, drawn)


def comparison_chart(rows: Sequence[ComparisonBar]) -> Markup:
    """A bar from zero for each way to do the work."""
    most = max((row.value for row in rows), default=0.0) or 1.0
    bottom = ROW * len(rows)
    drawn: list[Markup] = []
    for i, row in enumerate(rows):
        middle = ROW * i + ROW / 2
        width = max((WIDTH - NAMES - AMOUNTS) * row.value / most, 1.5)
        drawn.append(_row_name(row.name, middle))
        title = tag("title", f"{row.name}: {row.amount}")
        drawn.append(tag("rect", title, x=NAMES, y=middle - 8, width=width, height=16, class_=row.kind))
        drawn.append(tag("text", row.amount, x=WIDTH, y=middle + 4, text_anchor="end", class_="name"))
    return picture("What the same work costs in other ways", bottom + 4, drawn)


def _row_name(name: str, middle: float) -> Markup:
    short = name if len(name) <= SHOWN_LETTERS else f"{name[: SHOWN_LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"
    return tag("text", tag("title", name), short, x=0, y=middle + 4, class_="name")


def _value_grid(
    top: float, y: Callable[[float], float], unit: str, shown: Callable[[float], str], left: float = LEFT
) -> list[Markup]:
    drawn: list[Markup] = []
    for step in range(5):
        value = top * step / 4
        drawn.append(line(left, y(value), WIDTH - RIGHT, y(value), "axis" if not step else "grid"))
        drawn.append(tag("text", shown(value), x=left - 8, y=y(value) + 4, text_anchor="end"))
    return [*drawn, tag("text", unit, x=0, y=TOP - 13)] if unit else drawn
