"""A layout: what it is, and the function that builds it in an empty folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Build = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout. `what` is its row in the table of docs/models.md."""

    what: str
    build: Build
    trust: bool = False  # the job says `trust_remote_code: true`
    since: int = 4  # the major version of transformers that has its architecture


class Layouts(dict[str, Layout]):
    """Layouts by name, in the order of the table."""

    def add(self, what: str, *, trust: bool = False, since: int = 4) -> Callable[[Build], Build]:
        """Add the decorated function under its name."""

        def register(build: Build) -> Build:
            self[build.__name__] = Layout(what, build, trust, since)
            return build

        return register
