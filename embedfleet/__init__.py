"""Embed a large corpus from Python: plan, launch, read the vectors and search them (docs/python.md).

    import embedfleet as ef

    plan = ef.plan("job.yaml")
    run = ef.launch(plan, max_cost=5)
    vectors = ef.load("vectors", as_="polars")
    ef.search("vectors", "how do I undo a commit?", k=5)

Imports: `launcher`. Importing it loads nothing else: a function loads what it needs when it is called.

planning: plan a job, and launch the plan.
reporting: the runs of this laptop and their reports.
reading: read and search the vectors of a run.
loading: load the vectors of a run into a vector store.
tables: rows as a pandas DataFrame.
__main__: `python -m embedfleet`, the command line.
commands: call a command of the command line from Python.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from launcher import __version__
from tasks.errors import Problem

if TYPE_CHECKING:
    from embedfleet.loading import load_into
    from embedfleet.planning import Plan, launch, plan
    from embedfleet.reading import load, search
    from embedfleet.reporting import Report, report, runs

__all__ = [
    "Plan",
    "Problem",
    "Report",
    "__version__",
    "launch",
    "load",
    "load_into",
    "plan",
    "report",
    "runs",
    "search",
]

_MODULES = {
    "Plan": "planning",
    "plan": "planning",
    "launch": "planning",
    "Report": "reporting",
    "report": "reporting",
    "runs": "reporting",
    "load": "reading",
    "load_into": "loading",
    "search": "reading",
}


def __getattr__(name: str) -> Any:
    """Load the module of a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module 'embedfleet' has no attribute {name!r}")
    found = getattr(import_module(f"embedfleet.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
