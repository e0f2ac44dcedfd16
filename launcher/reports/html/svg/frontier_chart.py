"""The cost-time frontier as inline SVG: hours against dollars with P10 and P90, and the limits of the job.

Knows seconds and dollars as numbers. Knows no plan, and no colours: the style sheet has them. An axis is logarithmic if
its values are so far apart that small ones could not be told apart on a linear one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor, log, log10

from launcher.format import axis_dollars, duration, money
from launcher.reports.html.elements import Markup, join, tag
from launcher.reports.html.svg.charts import NARROW, SECONDS, coordinates, line

LEFT, RIGHT, TOP, BOTTOM = 56, 16, 30, 44  # around the plot
HEIGHT = 400
APART = 10.0  # largest by smallest, from which an axis is logarithmic
FAR = 4.0  # times what the fleets need; a limit beyond is only a label, because a line would squeeze all else
ROOM_X, ROOM_Y = 56, 24  # between two labels
DAYS = tuple(86_400.0 * n for n in (1, 2, 4, 7, 14, 30, 60, 120, 365))
RADIUS = 8.5


@dataclass(frozen=True, slots=True)
class FleetPoint:
    """A fleet: seconds and dollars at P10, P50 and P90. `over`: past the deadline or the budget at P90."""

    seconds: tuple[float, float, float]
    usd: tuple[float, float, float]
    mark: str
    title: str
    chosen: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class ChartAxis:
    """Values from `low` to `high` on pixels from `first` to `last`."""

    low: float
    high: float
    first: float
    last: float
    logarithmic: bool

    def at(self, value: float) -> float:
        """The pixel of a value; one outside of the axis is at its end."""
        inside = min(max(value, self.low), self.high)
        if self.logarithmic:
            share = log(inside / self.low) / log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return self.first + (self.last - self.first) * share


def draw_frontier(
    points: Sequence[FleetPoint], width: float, deadline: float | None = None, budget: float | None = None
) -> Markup:
    """The fleets from the soonest to the cheapest. Dashed lines are limits, the filled point is the chosen fleet."""
    x = axis_for((s for point in points for s in point.seconds), deadline, LEFT, width - RIGHT)
    y = axis_for((usd for point in points for usd in point.usd), budget, HEIGHT - BOTTOM, TOP)
    ordered = sorted(points, key=lambda point: point.seconds[1])
    drawn = [*_grid(x, y), _band(ordered, x, y), *_limits(x, y, deadline, budget)]
    drawn += [_spread(point, x, y) for point in ordered]
    curve = coordinates((x.at(point.seconds[1]), y.at(point.usd[1])) for point in ordered)
    drawn.append(tag("polyline", points=curve, class_="curve"))
    drawn += [_point(point, x, y) for point in sorted(ordered, key=lambda point: point.chosen)]
    name = f"frontier-{width:g}"
    return tag(
        "svg",
        tag("title", f"Hours against dollars of {len(points)} fleets", id=f"{name}-title"),
        tag("desc", _description(ordered, x, y, deadline, budget), id=f"{name}-text"),
        *drawn,
        viewBox=f"0 0 {width:g} {HEIGHT}",
        role="img",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-text",
        class_="wide" if width > NARROW else "narrow",
    )


def axis_for(values: Iterable[float], limit: float | None, first: float, last: float) -> ChartAxis:
    """An axis with room for all values, and for the limit unless it is far away."""
    known = [value for value in values if value > 0]
    if limit and known and max(known) / FAR <= limit <= max(known) * FAR:
        known.append(limit)
    low, high = min(known, default=1.0), max(known, default=1.0)
    if high / low > APART:
        return ChartAxis(low / 1.2, high * 1.2, first, last, logarithmic=True)
    return ChartAxis(0.0, high * 1.08, first, last, logarithmic=False)


def ticks(along: ChartAxis, steps: Sequence[float], room: float) -> list[float]:
    """Round values on an axis, at least `room` pixels apart. `steps` are the candidates, in order."""
    length = abs(along.last - along.first)
    if not along.logarithmic:
        step = next((s for s in steps if along.high / s * room <= length), along.high)
        return [step * n for n in range(floor(along.high / step) + 1)]
    out: list[float] = []
    for step in steps:
        free = not out or abs(along.at(step) - along.at(out[-1])) >= room
        if along.low <= step <= along.high and free:
            out.append(step)
    return out


def dollar_steps(along: ChartAxis) -> list[float]:
    """Round amounts for the ticks of an axis: 1, 2, 5, 10 and so on."""
    low = floor(log10(along.low)) if along.low else floor(log10(along.high)) - 2
    return [unit * 10.0**power for power in range(low, ceil(log10(along.high)) + 1) for unit in (1, 2, 5)]


def _grid(x: ChartAxis, y: ChartAxis) -> Iterable[Markup]:
    for at in ticks(x, (*SECONDS[:-1], *DAYS), ROOM_X):
        yield line(x.at(at), TOP, x.at(at), HEIGHT - BOTTOM, "grid")
        yield tag("text", duration(at), x=x.at(at), y=HEIGHT - BOTTOM + 18, text_anchor="middle")
    for at in ticks(y, dollar_steps(y), ROOM_Y):
        yield line(LEFT, y.at(at), x.last, y.at(at), "grid")
        yield tag("text", axis_dollars(at), x=LEFT - 8, y=y.at(at) + 4, text_anchor="end")
    yield line(LEFT, HEIGHT - BOTTOM, x.last, HEIGHT - BOTTOM, "axis")
    for along, name in ((x, "time"), (y, "dollars")):
        title = f"{name}, logarithmic" if along.logarithmic else name
        if along is x:
            yield tag("text", title, x=x.last, y=HEIGHT - 6, text_anchor="end")
        else:
            yield tag("text", title, x=2, y=12)


def _band(points: Sequence[FleetPoint], x: ChartAxis, y: ChartAxis) -> Markup:
    """The band from P10 to P90 of the dollars."""
    low = [(x.at(point.seconds[1]), y.at(point.usd[0])) for point in points]
    high = [(x.at(point.seconds[1]), y.at(point.usd[2])) for point in points]
    return tag("polygon", points=coordinates([*low, *reversed(high)]), class_="area")


def _spread(point: FleetPoint, x: ChartAxis, y: ChartAxis) -> Markup:
    """Lines from P10 to P90 of hours and of dollars, through the point."""
    seconds, usd = point.seconds, point.usd
    kind = "spread chosen" if point.chosen else "spread"
    return join(
        line(x.at(seconds[0]), y.at(usd[1]), x.at(seconds[2]), y.at(usd[1]), kind),
        line(x.at(seconds[1]), y.at(usd[0]), x.at(seconds[1]), y.at(usd[2]), kind),
    )


def _point(point: FleetPoint, x: ChartAxis, y: ChartAxis) -> Markup:
    kind = " ".join(["point", *(["chosen"] if point.chosen else []), *(["over"] if point.over else [])])
    cx, cy = x.at(point.seconds[1]), y.at(point.usd[1])
    return tag(
        "g",
        tag("title", point.title),
        tag("circle", cx=cx, cy=cy, r=RADIUS),
        tag("text", point.mark, x=cx, y=cy + 3.5, text_anchor="middle"),
        class_=kind,
    )


def _limits(x: ChartAxis, y: ChartAxis, deadline: float | None, budget: float | None) -> Iterable[Markup]:
    """A line for each limit that fits, and a label for one that is too far away."""
    if deadline and x.low <= deadline <= x.high:
        at, words = x.at(deadline), f"deadline {duration(deadline)}"
        late = at > (x.first + x.last) / 2
        yield line(at, TOP, at, HEIGHT - BOTTOM, "plan")
        yield _label(words, at - 6 if late else at + 6, TOP + 10, "end" if late else "start")
    elif deadline:
        where = "right of this" if deadline > x.high else "left of this"
        yield _label(f"deadline {duration(deadline)}: {where}", x.last, TOP - 8, "end")
    if budget and y.low <= budget <= y.high:
        yield line(LEFT, y.at(budget), x.last, y.at(budget), "plan")
        yield _label(f"budget {money(Decimal(str(budget)))}", x.last, y.at(budget) - 6, "end")
    elif budget:
        where = "above this" if budget > y.high else "below this"
        yield _label(f"budget {money(Decimal(str(budget)))}: {where}", x.last, TOP - 20, "end")


def _label(text: str, x: float, y: float, anchor: str) -> Markup:
    return tag("text", text, x=x, y=y, text_anchor=anchor, class_="halo")


def _description(
    points: Sequence[FleetPoint], x: ChartAxis, y: ChartAxis, deadline: float | None, budget: float | None
) -> str:
    """The drawing in words, for readers who do not see it."""
    sideways, upwards = (", logarithmic" if along.logarithmic else "" for along in (x, y))
    sentences = [f"Time from left to right{sideways}; dollars from bottom to top{upwards}."]
    sentences += [f"Chosen: {point.title}." for point in points if point.chosen]
    if points:
        sentences.append(f"Soonest: {points[0].title}. Latest: {points[-1].title}.")
    sentences += [f"Deadline {duration(deadline)}."] if deadline else []
    sentences += [f"Budget {money(Decimal(str(budget)))}."] if budget else []
    return " ".join(sentences)
