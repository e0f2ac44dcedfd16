"""Charts of the report's page as inline SVG: tokens per second over time, a bar in parts, the timeline of machines.

Knows numbers, and seconds since the run was created. Knows no report, and no colours: the style sheet has them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil, floor, log10

from launcher.format import compact, duration, rate
from launcher.reports.html.elements import Markup, join, tag

WIDE, NARROW = 1000.0, 380.0  # of the whole drawing: a screen, a phone
BAR = 1000  # width of a bar in parts, which is stretched to the width of the page
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 24, 26  # around the plot of a line chart
HEIGHT = 250
ROW = 26  # of the timeline: height of a lane
LABELS = {WIDE: 190.0, NARROW: 104.0}  # width of the names of lanes
TALL, FLAT = 22, 14  # heights of stretches: lost work is taller, so that work done later does not hide it
LETTERS = {WIDE: 27, NARROW: 12}  # of a name that fit into LABELS
TICK_ROOM = 84.0  # between two ticks of a time axis; durations are up to nine letters long
# Stretches of a lane that can be told apart; of more, those that touch are drawn as one.
CROWDED_BARS = {WIDE: 250, NARROW: 60}

# Distances between the ticks of a time axis, in seconds.
SECONDS = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30,
    60, 120, 300, 600, 900, 1_800,
    3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a lane, in seconds since the run was created. `kind` is its class in the style sheet."""

    kind: str
    start: float
    end: float
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A machine on the timeline."""

    name: str
    stretches: Sequence[Stretch]


def both_widths(draw: Callable[[float], Markup]) -> Markup:
    """A chart drawn for a screen and for a phone; the style sheet shows one of them."""
    return join(draw(WIDE), draw(NARROW))


def pattern_defs() -> Markup:
    """The pattern that fills the class `cold_start`; a page needs it once."""
    pattern = tag(
        "pattern",
        tag("rect", width=8, height=8, class_="hatch-ground"),
        tag("line", x1=0, y1=0, x2=0, y2=8, class_="hatch-line"),
        id="hatch",
        width=8,
        height=8,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )
    return tag("svg", tag("defs", pattern), class_="defs", aria_hidden="true")


def key(kind: str) -> Markup:
    """A square for a legend."""
    return tag(
        "svg",
        tag("rect", width=12, height=12, rx=2, class_=kind),
        class_="key",
        viewBox="0 0 12 12",
        aria_hidden="true",
    )


def line_chart(
    points: Sequence[tuple[float, float]], span: float, plan: float | None, width: float = WIDE
) -> Markup:
    """Tokens per second over time as a line. Each point is the rate until the next; the plan is a dashed line."""
    most = max([speed for _, speed in points] + ([plan] if plan else []), default=0.0)
    top = round_up(most)
    bottom = HEIGHT - BOTTOM

    def x(seconds: float) -> float:
        return LEFT + (width - LEFT - RIGHT) * seconds / span

    def y(speed: float) -> float:
        return bottom - (bottom - TOP) * speed / top

    drawn: list[Markup] = []
    for step in range(5):
        speed = top * step / 4
        drawn.append(line(LEFT, y(speed), width - RIGHT, y(speed), "axis" if not step else "grid"))
        drawn.append(tag("text", compact(speed), x=LEFT - 8, y=y(speed) + 4, text_anchor="end"))
    drawn.append(tag("text", "tok/s", x=LEFT - 8, y=TOP - 13, text_anchor="end"))
    drawn += time_axis(span, x, bottom, TOP, width)
    ends = [seconds for seconds, _ in points[1:]] + [span]
    middles = [(x((seconds + end) / 2), y(speed)) for (seconds, speed), end in zip(points, ends, strict=True)]
    path = [(x(0), middles[0][1]), *middles, (x(span), middles[-1][1])]
    area = [(x(0), y(0)), *path, (x(span), y(0))]
    drawn.append(tag("polygon", points=coordinates(area), class_="area"))
    drawn.append(tag("polyline", points=coordinates(path), class_="curve"))
    if plan:
        drawn.append(line(LEFT, y(plan), width - RIGHT, y(plan), "plan"))
        words = f"plan {rate(plan)}"
        drawn.append(tag("text", words, x=width - RIGHT, y=y(plan) - 6, text_anchor="end", class_="halo"))
    return picture(f"Tokens per second over {duration(span)}; at most {rate(most)}", HEIGHT, drawn, width)


def parts_bar(name: str, pieces: Sequence[tuple[str, float, str]]) -> Markup:
    """One bar in (kind, amount, title) pieces, as wide as their amounts."""
    total = sum(amount for _, amount, _ in pieces)
    drawn: list[Markup] = []
    start = 0.0
    for kind, amount, title in pieces:
        if amount > 0:
            width = BAR * amount / total
            gap = 2.0 if width > 6 else 0.0
            drawn.append(
                tag("rect", tag("title", title), x=start, y=0, width=width - gap, height=26, class_=kind)
            )
            start += width
    return tag(
        "svg",
        *drawn,
        class_="bar",
        viewBox=f"0 0 {BAR} 26",
        preserveAspectRatio="none",
        role="img",
        aria_label=name,
    )


def timeline(lanes: Sequence[Lane], span: float, width: float = WIDE) -> Markup:
    """One lane for each machine over the same seconds. Later stretches are drawn over earlier ones."""
    bottom, label = TOP + ROW * len(lanes), LABELS[width]

    def x(seconds: float) -> float:
        return label + (width - label - RIGHT) * min(max(seconds, 0.0), span) / span

    drawn = time_axis(span, x, bottom, TOP, width)
    for i, lane in enumerate(lanes):
        middle = TOP + ROW * i + ROW / 2
        name = tag("title", lane.name)
        drawn.append(
            tag("text", name, shorten_middle(lane.name, LETTERS[width]), x=0, y=middle + 4, class_="name")
        )
        for one in _merge_crowded(lane.stretches, span / (width - label - RIGHT), CROWDED_BARS[width]):
            start, end = x(one.start), x(one.end)
            height = TALL if one.kind == "lost" else FLAT
            drawn.append(
                tag(
                    "rect",
                    tag("title", one.title) if width > NARROW else "",  # on a phone nothing hovers
                    x=start,
                    y=middle - height / 2,
                    width=max(end - start - 0.6, 0.6),
                    height=height,
                    class_=one.kind,
                )
            )
    drawn.append(line(label, bottom, width - RIGHT, bottom, "axis"))
    return picture(f"What {len(lanes)} machines did over {duration(span)}", bottom + BOTTOM, drawn, width)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A line; `kind` is its class in the style sheet."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def coordinates(points: Iterable[tuple[float, float]]) -> str:
    """The points of a polygon or a polyline."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _merge_crowded(stretches: Sequence[Stretch], pixel: float, most: int) -> Iterable[Stretch]:
    """Merge stretches closer than a pixel, in seconds, if there are more than `most`."""
    if len(stretches) <= most:
        return stretches
    merged: list[Stretch] = []
    counts: list[int] = []
    for one in stretches:
        last = merged[-1] if merged else None
        if last and last.kind == one.kind and one.start - last.end < pixel:
            counts[-1] += 1
            title = f"{counts[-1]} of {one.kind.replace('_', ' ')}"
            merged[-1] = Stretch(one.kind, last.start, max(last.end, one.end), title)
        else:
            merged.append(one)
            counts.append(1)
    return merged


def shorten_middle(name: str, letters: int) -> str:
    """A name that fits. The names of a group's machines differ at their end, so the middle is left out."""
    if len(name) <= letters:
        return name
    return f"{name[: letters // 3]}\N{HORIZONTAL ELLIPSIS}{name[-(letters - letters // 3 - 1) :]}"


def round_up(most: float) -> float:
    """The smallest round number from `most` on whose quarters are round too."""
    if most <= 0:
        return 1.0
    unit = 10 ** floor(log10(most))
    return next(step * unit for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * unit >= most)


def round_up_count(most: float) -> tuple[int, int]:
    """A round whole number from `most` on, and into how many equal whole parts a chart of things divides it."""
    for top in range(1, 5):
        if top >= most:
            return top, top
    return 4 * next(part for part in _whole_parts() if 4 * part >= most), 4


def _whole_parts() -> Iterator[int]:
    """1, 2, 3, ... without end: round whole numbers."""
    for power in count():
        parts = (part * 10**power for part in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8))
        yield from (int(part) for part in parts if part == int(part))


def time_axis(
    span: float, x: Callable[[float], float], bottom: float, top: float, width: float = WIDE
) -> list[Markup]:
    """The ticks of a time axis at round distances: at most nine, and fewer on a narrow chart."""
    most = min(9, max(2, floor((x(span) - x(0)) / TICK_ROOM)))
    step = next((s for s in SECONDS if span / s <= most), 86400 * ceil(span / 86400 / most))
    drawn: list[Markup] = []
    for i in range(floor(span / step) + 1):
        at = x(i * step)
        anchor = "end" if width - RIGHT - at < 30 else "middle"
        drawn.append(line(at, top, at, bottom, "grid"))
        drawn.append(tag("text", duration(i * step), x=at, y=bottom + 18, text_anchor=anchor))
    return drawn


def picture(label: str, height: float, drawn: Sequence[Markup], width: float = WIDE) -> Markup:
    """An SVG of this height; `label` says in words what it shows, for those who do not see it."""
    kind = "wide" if width > NARROW else "narrow"
    box = f"0 0 {width:g} {height:g}"
    return tag("svg", join(*drawn), viewBox=box, role="img", aria_label=label, class_=kind)
