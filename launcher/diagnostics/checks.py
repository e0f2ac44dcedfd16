"""The result of a check: a verdict, what was found, and what to do about it; as values, JSON and text."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

Verdict = Literal["ok", "absent", "warn", "fail"]  # absent: an optional part is not there

SCHEMA = "embedfleet/doctor/1"
LEAST_COLUMNS = 30  # of what was seen, on terminals that are narrower than that


@dataclass(frozen=True, slots=True)
class Check:
    """`seen` is what was found, with its numbers; `hint` is what to do about it, None where nothing needs to be done."""

    name: str
    verdict: Verdict
    seen: str
    hint: str | None = None


def worst(checks: Iterable[Check]) -> Verdict:
    """Return the worst verdict of all checks; `ok` if there are none, and for what is only absent."""
    found = {check.verdict for check in checks}
    return "fail" if "fail" in found else "warn" if "warn" in found else "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorDocument:
    """The document of `doctor --json`. Its verdict is the worst of the checks."""

    schema: str = SCHEMA
    verdict: Verdict
    checks: Sequence[Check]


def to_json(checks: Iterable[Check]) -> dict[str, Any]:
    """The document of `doctor --json`, as JSON values."""
    listed = list(checks)
    return msgspec.to_builtins(DoctorDocument(verdict=worst(listed), checks=listed))


def checks_text(checks: Iterable[Check], columns: int | None = None) -> str:
    """One line for each check, and under it the hint, if it has one.

    `columns`: of a terminal, within which lines break between words; None: they do not break.
    """
    listed = list(checks)
    width = max((len(check.name) for check in listed), default=0)
    lines: list[str] = []
    for check in listed:
        lines += _broken(f"{check.verdict:6}  {check.name:{width}}  ", check.seen, columns)
        if check.hint:
            lines += _broken(f"{'':{8 + width}}  ", f"Try: {check.hint}", columns)
    return "\n".join(lines)


def _broken(before: str, text: str, columns: int | None) -> list[str]:
    """`text` behind `before`, in lines of at most `columns` if its words allow; all stand in one column."""
    if columns is None or not text:
        return [before + text]
    room = max(LEAST_COLUMNS, columns - len(before))
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return [(before if number == 0 else " " * len(before)) + line for number, line in enumerate(lines)]
