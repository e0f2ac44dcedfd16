"""A chart of several lines over the hours of simulated runs, as inline SVG. Knows numbers, and no colours."""

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.format import axis_dollars, duration, share_text
from launcher.reports.html.elements import Markup, tag
from launcher.reports.html.svg.charts import RIGHT, TOP, WIDE, coordinates, line, picture, round_up, time_axis

HEIGHT, BOTTOM, LEFT = 250, 26, 72


@dataclass(frozen=True, slots=True)
class Line:
    """A line of (hours, value) points."""

    name: str
    points: Sequence[tuple[float, float]]


def lines_chart(
    lines: Sequence[Line],
    hours: float,
    what: str,
    width: float = WIDE,
    *,
    deadline: float | None = None,
    whole: bool = False,
) -> Markup:
    """The lines over `hours`, each in its own colour. `whole`: values are shares of a whole, else dollars."""
    most = max((value for one in lines for _, value in one.points), default=0.0)
    top, bottom = (1.0 if whole else round_up(most)), HEIGHT - BOTTOM
    span = max(hours, deadline or 0.0) * 3600

    def x(seconds: float) -> float:
        return LEFT + (width - LEFT - RIGHT) * seconds / span

    def y(value: float) -> float:
        return bottom - (bottom - TOP) * min(value, top) / top

    drawn = list[Markup]()
    for step in range(5):
        value = top * step / 4
        text = share_text(value) if whole else axis_dollars(value)
        drawn.append(line(LEFT, y(value), width - RIGHT, y(value), "grid" if step else "axis"))
        drawn.append(tag("text", text, x=LEFT - 8, y=y(value) + 4, text_anchor="end"))
    drawn += time_axis(span, x, bottom, TOP, width)
    if deadline is not None:
        at = x(deadline * 3600)
        drawn.append(line(at, TOP, at, bottom, "limit"))
        anchor = "end" if at > width / 2 else "start"
        drawn.append(tag("text", "deadline", x=at, y=TOP - 6, text_anchor=anchor, class_="halo"))
    for number, one in enumerate(lines):
        path = coordinates([(x(at * 3600), y(value)) for at, value in one.points])
        drawn.append(tag("polyline", tag("title", one.name), points=path, class_=f"line l{number}"))
    names = ", ".join(one.name for one in lines)
    return picture(f"{what} of {names} over {duration(span)}", HEIGHT, drawn, width)
