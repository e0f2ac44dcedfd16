"""What a check found: deviations from the second calculation, and what that could not verify; sections of a job."""

from dataclasses import asdict, dataclass, field
from typing import Any, cast


def section(job: dict[str, Any], key: str) -> dict[str, Any]:
    """A mapping of a job's YAML; empty where it is absent or a single word."""
    found = job.get(key)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Deviation:
    """A figure or choice of the plan that the second calculation does not confirm."""

    check: str
    said: Any
    found: Any


@dataclass
class Findings:
    """Collects the checks of one plan."""

    checks: int = 0
    deviations: list[Deviation] = field(default_factory=list[Deviation])
    unverified: list[str] = field(default_factory=list[str])

    def near(self, check: str, said: float, found: float, tolerance: float) -> None:
        """`said` is `found`, up to a share of it."""
        self.between(check, said, found - abs(found) * tolerance, found + abs(found) * tolerance)

    def between(self, check: str, said: float, low: float, high: float) -> None:
        """`said` lies between two figures; a rounding step of 1e-5 of them is allowed."""
        self.checks += 1
        slack = 1e-5 * max(abs(low), abs(high), 1e-4)
        if not low - slack <= said <= high + slack:
            found = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
            self.deviations.append(Deviation(check, said, found))

    def most(self, check: str, said: float, limit: float) -> None:
        """`said` is at most `limit`, up to rounding."""
        self.must(check, said <= limit * (1 + 1e-5), said, limit)

    def must(self, check: str, true: bool, said: Any, found: Any) -> None:
        """The condition holds."""
        self.checks += 1
        if not true:
            self.deviations.append(Deviation(check, said, found))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "checks": self.checks,
            "deviations": [asdict(one) for one in self.deviations],
            "unverified": self.unverified,
        }
