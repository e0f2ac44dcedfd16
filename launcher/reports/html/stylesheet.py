"""The style sheets of the pages, read once from the CSS files of this package."""

from functools import cache
from importlib.resources import files

PACKAGE = "launcher.reports.html"


def report_css() -> str:
    """The style sheet of the page of a report."""
    return _text("report.css")


def plan_css() -> str:
    """The style sheet of the page of a plan."""
    return f"{report_css()}\n{_text('plan.css')}"


@cache
def _text(name: str) -> str:
    return files(PACKAGE).joinpath(name).read_text(encoding="utf-8")
