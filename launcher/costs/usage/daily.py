"""The cost of a run by UTC day and service, as bills count it.

Pure. The days of a machine's life add up exactly to its metered cost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from launcher.costs.usage.attribution import to_microseconds
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.metering import billed_end, cut_by_rate
from launcher.costs.usage.spend import Metered, OtherCharge
from launcher.money import MICROSECONDS_PER_HOUR, USD_GRAIN, ZERO

ONE_DAY = timedelta(days=1)
# The services that bills name, by cloud and kind of charge.
SERVICES = {
    ("aws", "compute"): "Amazon Elastic Compute Cloud",
    ("aws", "disk"): "Amazon Elastic Compute Cloud",
    ("aws", "egress"): "AWS Data Transfer",
    ("aws", "requests"): "Amazon Simple Storage Service",
    ("aws", "storage"): "Amazon Simple Storage Service",
    ("gcp", "compute"): "Compute Engine",
    ("gcp", "disk"): "Compute Engine",
    ("gcp", "egress"): "Compute Engine",
    ("gcp", "requests"): "Cloud Storage",
    ("gcp", "storage"): "Cloud Storage",
    ("azure", "compute"): "Virtual Machines",
}
PROVIDERS = {"aws": "AWS", "gcp": "Google Cloud", "azure": "Microsoft"}


@dataclass(frozen=True, slots=True)
class DayOfLife:
    """The part of a machine's life on one UTC day. `usd` is None if some of it has no price."""

    machine: MachineTime
    start: datetime
    end: datetime
    usd: Decimal | None
    usd_per_hour: Decimal | None  # at `start`


def split_by_day(machine: MachineTime, metered: Metered, now: datetime) -> Iterator[DayOfLife]:
    """Divide a life at each midnight UTC."""
    start, end = machine.started, billed_end(machine, now)
    steps = [to_microseconds(start), *(to_microseconds(at) for at, _ in machine.rates)]
    rates = [machine.usd_per_hour, *(rate for _, rate in machine.rates)]
    exact, before = ZERO, ZERO
    while start < end:
        until = min(end, datetime.combine(start.astimezone(UTC).date() + ONE_DAY, time(), UTC))
        known, first = True, None
        for a, b, rate in cut_by_rate(to_microseconds(start), to_microseconds(until), steps, rates):
            first = rate if a == to_microseconds(start) else first
            if rate is None:
                known = False
            else:
                exact += (b - a) * rate
        after = (exact / MICROSECONDS_PER_HOUR).quantize(USD_GRAIN)
        usd = ZERO if metered.waived else after - before
        yield DayOfLife(
            machine=machine, start=start, end=until, usd=usd if known else None, usd_per_hour=first
        )
        start, before = until, after


def service_name(cloud: str, kind: str) -> str:
    """The name of a service in bills; if unknown, the cloud and the kind of charge."""
    return SERVICES.get((cloud, kind), f"{cloud} {kind}")


def cost_by_day(
    machines: Sequence[MachineTime],
    lives: Sequence[Metered],
    others: Sequence[OtherCharge],
    now: datetime,
    cloud: str,
) -> dict[tuple[date, str], Decimal]:
    """Known cost by day and service. `cloud` is that of the output, for charges without a place."""
    days: dict[tuple[date, str], Decimal] = {}

    def add(day: date, name: str, usd: Decimal) -> None:
        days[day, name] = days.get((day, name), ZERO) + usd

    last = now.astimezone(UTC).date()
    for machine, metered in zip(machines, lives, strict=True):
        for piece in split_by_day(machine, metered, now):
            if piece.usd is not None:
                add(piece.start.astimezone(UTC).date(), service_name(machine.cloud, "compute"), piece.usd)
            if machine.disk_usd_per_hour is not None:
                hours = (
                    Decimal((piece.end - piece.start) // timedelta(microseconds=1)) / MICROSECONDS_PER_HOUR
                )
                usd = (hours * machine.disk_usd_per_hour).quantize(USD_GRAIN)
                add(piece.start.astimezone(UTC).date(), service_name(machine.cloud, "disk"), usd)
    for other in others:
        if other.usd is not None and other.kind != "disk":
            where = other.place.partition("/")[0] if other.place else cloud
            add(
                other.at.astimezone(UTC).date() if other.at else last,
                service_name(where, other.kind),
                other.usd,
            )
    return days
