"""Preemption rates of spot machines: interruptions per machine-hour, and the evidence for them.

No cloud publishes hourly rates. `snapshot/hazard.csv` holds what public traces show, which is little: V100s in three
regions of AWS in 2023, and one run on machines of four L4s in December 2025. The V100 figures count how often the
number of available machines fell, which is not exactly how often a running machine was preempted. All of them are
from scarce machines, so for any other machine the measured rate is the high end of a wide interval, and `source` says so.

AWS's Spot Advisor is not used: its buckets are shares of a month, and where it can be compared with the traces it
ranks the regions differently (g6.12xlarge: "<5%" in eu-central-1, where probes saw twice the falls of us-east-2,
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
class PreemptionRate:
    """Interruptions per machine-hour: the most likely figure and the interval around it."""

    per_hour_low: float
    per_hour_mid: float
    per_hour_high: float
    source: str
    as_of: date | None = None


# On-demand machines fail too, but no published figure was found: the rate is assumed to be 0, not known to be 0.
ON_DEMAND = PreemptionRate(0.0, 0.0, 0.0, "on demand: taken as never, though machines do fail")


@dataclass(frozen=True, slots=True)
class PreemptionEvidence:
    """One measured rate: a row of hazard.csv. `*` matches any value."""

    cloud: str
    region: str
    instance_type: str
    gpu: str
    gpus: int | None
    rate: PreemptionRate
    method: str


def preemption_rate(cloud: str, region: str, instance_type: str, gpu: str) -> PreemptionRate:
    """The rate of a spot machine: as measured on this type, else derived from its GPU, else assumed."""
    rows = evidence()
    for place in (region, "*"):
        for row in rows:
            if (row.cloud, row.region, row.instance_type) == (cloud, place, instance_type):
                return row.rate
    assumed = next(row.rate for row in rows if row.gpu == "*")
    for row in rows:
        if (row.region, row.gpu) == ("*", gpu):
            low, high = assumed.per_hour_low, row.rate.per_hour_mid
            source = f"at most that of {row.cloud} {row.instance_type}: {row.rate.source}"
            return PreemptionRate(
                per_hour_low=low,
                per_hour_mid=sqrt(low * high),
                per_hour_high=high,
                source=source,
                as_of=row.rate.as_of,
            )
    return assumed


@cache
def evidence() -> tuple[PreemptionEvidence, ...]:
    """All measured rates, then the assumed one for machines without a measurement."""
    text = files("pricing").joinpath("snapshot", "hazard.csv").read_text(encoding="utf-8")
    return tuple(
        PreemptionEvidence(
            cloud=row["cloud"],
            region=row["region"],
            instance_type=row["instance_type"],
            gpu=row["gpu"],
            gpus=int(row["gpus"]) if row["gpus"] else None,
            rate=PreemptionRate(
                per_hour_low=float(row["per_hour_low"]),
                per_hour_mid=float(row["per_hour_mid"]),
                per_hour_high=float(row["per_hour_high"]),
                source=row["source"],
                as_of=date.fromisoformat(row["as_of"]),
            ),
            method=row["method"],
        )
        for row in csv.DictReader(StringIO(text))
    )
