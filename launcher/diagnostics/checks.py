"""The result of a check: a verdict, what was found, and what to do about it; as values, JSON and text."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["ok", "warn", "fail"]

SCHEMA = "embedfleet/doctor/1"


@dataclass(frozen=True, slots=True)
class Check:
    """`seen` is what was found, with its numbers; `hint` is what to do about it, None where nothing needs to be done."""

    name: str
    verdict: Verdict
    seen: str
    hint: str | None = None


def worst(checks: Iterable[Check]) -> Verdict:
    """Return the worst verdict of all checks; `ok` if there are none."""
    found = {check.verdict for check in checks}
    return "fail" if "fail" in found else "warn" if "warn" in found else "ok"


def to_json(checks: Iterable[Check]) -> dict[str, Any]:
    """The document of `doctor --json`, schema embedfleet/doctor/1."""
    listed = list(checks)
    return {"schema": SCHEMA, "verdict": worst(listed), "checks": [asdict(check) for check in listed]}


def checks_text(checks: Iterable[Check]) -> str:
    """One line for each check, and under it the hint, if it has one."""
    listed = list(checks)
    width = max((len(check.name) for check in listed), default=0)
    lines: list[str] = []
    for check in listed:
        lines.append(f"{check.verdict:4}  {check.name:{width}}  {check.seen}")
        if check.hint:
            lines.append(f"      {'':{width}}  Try: {check.hint}")
    return "\n".join(lines)
