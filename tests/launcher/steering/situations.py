"""Situations for tests of steering: kinds in three places and on demand, machines, and a drawn market."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from launcher.steering.situation import (
    Answer,
    AnswerKind,
    Kind,
    Limits,
    Machine,
    MachinePhase,
    Situation,
    Steering,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WORK = 16 * 6 * 3_600 * 1_000.0  # tokens: six hours of 16 machines


def kind(number: int, place: str, usd: float | None, *, purchase: str = "spot", cap: int = 16) -> Kind:
    return Kind(
        number=number,
        key=(place, "L4", purchase),
        cap=cap,
        usd_per_hour=usd,
        tokens_per_second=1_000.0,
        tokens_per_second_p10=950.0,
        cold_start=300.0,
        cold_start_p90=420.0,
        may_start=cap,
    )


EAST, WEST, NORTH = kind(0, "aws/east", 0.30), kind(1, "aws/west", 0.34), kind(2, "gcp/north", 0.50)
ON_DEMAND = kind(3, "aws/east", 1.00, purchase="on-demand")
KINDS = (EAST, WEST, NORTH, ON_DEMAND)


def steering(hours: float | None = 12.0, **changes: object) -> Steering:
    """A run that begins at noon, with a deadline after so many hours."""
    plain = Steering(
        started=NOON,
        deadline=None if hours is None else NOON + hours * HOUR,
        limits=Limits(machines=16),
        launches_per_second=1.0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def situation(
    machines: Sequence[Machine] = (),
    *,
    hours: float | None = 12.0,
    now: datetime = NOON,
    kinds: Sequence[Kind] = KINDS,
    tokens: float = WORK,
    budget: float | None = None,
    spent: float = 0.0,
    **changes: object,
) -> Situation:
    held = {k.number: sum(m.kind == k.number for m in machines) for k in kinds}
    return Situation(
        now=now,
        kinds=[replace(k, may_start=max(0, k.cap - held[k.number])) for k in kinds],
        machines=machines,
        tokens_left=tokens,
        steering=steering(hours, **changes),
        budget=budget,
        spent=spent,
    )


def working(kind: Kind, count: int, first: int = 0, seconds: float = 7_200.0) -> list[Machine]:
    return [
        Machine(f"m{kind.number}-{n}", kind.number, MachinePhase.WORKING, seconds)
        for n in range(first, first + count)
    ]


def answer(kind: Kind, what: AnswerKind, minutes: float, count: int = 1, held: int = 0) -> Answer:
    place, gpu, purchase = kind.key
    return Answer(place, gpu, purchase, NOON + timedelta(minutes=minutes), what, count, held)
