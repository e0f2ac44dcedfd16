"""The speed of machines: planned first, then measured, and how sure it is. Pure.

A first minute of a worker shows its speed to about 10 %, and machines of one type differ by about 5 %; so the speed of a
fleet is known to 5 % after a minute of a few machines, and narrows from there. A plan's own spread counts as what was
known before, as long as the measurement does not contradict it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, inf, log, sqrt

from launcher.steering.situation import Speed

MINUTE_NOISE = 0.10  # standard deviation of the logarithm of a speed measured over one minute
MACHINE_SPREAD = 0.05  # between machines of one type
LEAST_SPREAD = 0.02  # of a plan's speed: no plan is surer than that
CONTRADICTION = 2.5  # standard deviations from which on a measurement overrules the plan
SLOW_END = 1.2816  # standard deviations from the median of a normal distribution to its P10


@dataclass(frozen=True, slots=True)
class SpeedSample:
    """What a machine was measured to do: its speed as a share of the planned one, over so many minutes of work."""

    gpu: str
    machine: str
    ratio: float
    minutes: float


def measured_speeds(samples: Iterable[SpeedSample]) -> Mapping[str, Speed]:
    """The speed of each GPU type: the mean of the logarithms, weighted by how sure each is."""
    logs: dict[str, list[tuple[float, float, float]]] = {}
    for sample in samples:
        if sample.ratio > 0 and sample.minutes > 0:
            variance = MACHINE_SPREAD**2 + MINUTE_NOISE**2 / sample.minutes
            logs.setdefault(sample.gpu, []).append((log(sample.ratio), 1 / variance, sample.minutes))
    return {gpu: _speed(found) for gpu, found in logs.items()}


def _speed(found: list[tuple[float, float, float]]) -> Speed:
    weight = sum(one for _, one, _ in found)
    mean = sum(value * one for value, one, _ in found) / weight
    return Speed(exp(mean), sqrt(1 / weight), len(found))


def speed_now(planned: float, planned_p10: float, measured: Speed | None) -> tuple[float, float]:
    """Tokens a second of a machine, at the median and at the slow end, from its plan and what was measured since."""
    before = max(LEAST_SPREAD, log(planned / planned_p10) / SLOW_END) if planned_p10 > 0 else inf
    if measured is None or not measured.machines:
        return planned, min(planned, planned_p10)
    shift, spread = log(measured.ratio), max(measured.spread, 1e-6)
    if before == inf or abs(shift) > CONTRADICTION * sqrt(before**2 + spread**2):
        return planned * measured.ratio, planned * exp(shift - SLOW_END * spread)
    weight, own = 1 / before**2, 1 / spread**2
    mean, sure = shift * own / (weight + own), 1 / sqrt(weight + own)
    return planned * exp(mean), planned * exp(mean - SLOW_END * sure)
