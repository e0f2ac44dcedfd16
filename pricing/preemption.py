"""How often a spot machine is taken away: interruptions per machine-hour, with what is known of them.

No cloud publishes it by the hour. `snapshot/hazard.csv` holds what public traces show, which is little: V100s in
three regions of AWS in 2023, and one run on machines of four L4s in December 2025. The V100 figures count how often
the number of machines to be had fell, which is not quite how often a machine held was lost. All of it is from scarce
machines, so for another machine what was measured is taken as the high end of a wide interval, which says so.

AWS's Spot Advisor is not used: its buckets are shares of a month, and where it and the traces can be compared it
puts the regions in another order (g6.12xlarge: "<5%" in eu-central-1, where probes saw twice the falls of us-east-2,
which it puts at ">20%").
"""

import csv
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from io import StringIO
from math import sqrt


@dataclass(frozen=True, slots=True)
class Hazard:
    """Interruptions per machine-hour: the likeliest figure and the interval around it."""

    per_hour_low: float
    per_hour_mid: float
    per_hour_high: float
    source: str
    as_of: date | None = None


# A machine on demand fails too, but no figure for it was found: taken as never, not known to be never.
ON_DEMAND = Hazard(0.0, 0.0, 0.0, "on demand: taken as never, though machines do fail")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One row of what was measured; `*` stands for any."""

    cloud: str
    region: str
    instance_type: str
    gpu: str
    gpus: int | None
    hazard: Hazard
    method: str


def hazard(cloud: str, region: str, instance_type: str, gpu: str) -> Hazard:
    """How often such a spot machine is taken: as measured on this type, else on this GPU, else assumed."""
    rows = evidence()
    for place in (region, "*"):
        for row in rows:
            if (row.cloud, row.region, row.instance_type) == (cloud, place, instance_type):
                return row.hazard
    assumed = next(row.hazard for row in rows if row.gpu == "*")
    for row in rows:
        if (row.region, row.gpu) == ("*", gpu):
            low, high = assumed.per_hour_low, row.hazard.per_hour_mid
            source = f"at most that of {row.cloud} {row.instance_type}: {row.hazard.source}"
            return Hazard(low, sqrt(low * high), high, source, row.hazard.as_of)
    return assumed


@cache
def evidence() -> tuple[Evidence, ...]:
    """Everything measured, and last the figures that stand in where nothing was."""
    text = files("pricing").joinpath("snapshot", "hazard.csv").read_text(encoding="utf-8")
    return tuple(
        Evidence(
            cloud=row["cloud"],
            region=row["region"],
            instance_type=row["instance_type"],
            gpu=row["gpu"],
            gpus=int(row["gpus"]) if row["gpus"] else None,
            hazard=Hazard(
                float(row["per_hour_low"]),
                float(row["per_hour_mid"]),
                float(row["per_hour_high"]),
                row["source"],
                date.fromisoformat(row["as_of"]),
            ),
            method=row["method"],
        )
        for row in csv.DictReader(StringIO(text))
    )
