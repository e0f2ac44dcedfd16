"""One thing that was looked at before anything is spent, and what came of it. Knows nothing of what is examined."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["ok", "warn", "fail"]

SCHEMA = "embedfleet/doctor/1"


@dataclass(frozen=True, slots=True)
class Check:
    """`seen` is what was found, with its numbers; `hint` what to do about it, None where nothing is to be done."""

    name: str
    verdict: Verdict
    seen: str
    hint: str | None = None


def worst(checks: Iterable[Check]) -> Verdict:
    """The verdict over all of them."""
    found = {check.verdict for check in checks}
    return "fail" if "fail" in found else "warn" if "warn" in found else "ok"


def to_json(checks: Iterable[Check]) -> dict[str, Any]:
    """Schema embedfleet/doctor/1."""
    listed = list(checks)
    return {"schema": SCHEMA, "verdict": worst(listed), "checks": [asdict(check) for check in listed]}


def checks_text(checks: Iterable[Check]) -> str:
    """A line each, with what to do under those that are not ok."""
    listed = list(checks)
    wide = max((len(check.name) for check in listed), default=0)
    lines: list[str] = []
    for check in listed:
        lines.append(f"{check.verdict:4}  {check.name:{wide}}  {check.seen}")
        if check.hint:
            lines.append(f"      {'':{wide}}  Try: {check.hint}")
    return "\n".join(lines)
