"""The style sheets of the pages, read once from the CSS files of this package."""

from functools import cache
from importlib.resources import files

PACKAGE = "launcher.reports.html"


def report_css() -> str:
    """The style sheet of the page of a report."""
    return text_of("report.css")


def plan_css() -> str:
    """The style sheet of the page of a plan."""
    return f"{report_css()}\n{text_of('plan.css')}"


def simulation_css() -> str:
    """The style sheet of the page of a simulation."""
    return f"{report_css()}\n{text_of('simulation.css')}"


def live_css() -> str:
    """The style sheet of the pages that `embedfleet ui` serves."""
    return f"{report_css()}\n{text_of('live.css')}"


@cache
def text_of(name: str) -> str:
    """A file of this package."""
    return files(PACKAGE).joinpath(name).read_text(encoding="utf-8")
