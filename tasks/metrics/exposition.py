"""Metrics and their text in Prometheus' exposition format 0.0.4.

A metric whose value is unknown is absent, never 0. Pure but for the lock of a histogram.
"""

import math
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Kind = Literal["counter", "gauge", "histogram"]
Labels = Mapping[str, str]
NO_LABELS: Labels = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Sample:
    """One value. `suffix` is what a histogram puts behind the name of its metric."""

    value: float
    labels: Labels = field(default_factory=dict[str, str])
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """All samples of one name. A counter's name ends in `_total`."""

    name: str
    kind: Kind
    help: str
    samples: tuple[Sample, ...]


def gauge(name: str, text: str, value: float | None, labels: Labels = NO_LABELS) -> Metric:
    """A gauge of one sample, or of none where the value is unknown."""
    return Metric(name, "gauge", text, () if value is None else (Sample(float(value), labels),))


def counter(name: str, text: str, value: float | None, labels: Labels = NO_LABELS) -> Metric:
    """A counter of one sample, or of none where the value is unknown."""
    return Metric(name, "counter", text, () if value is None else (Sample(float(value), labels),))


def render(metrics: Iterable[Metric]) -> str:
    """The page of these metrics, those without a sample left out."""
    lines: list[str] = []
    for metric in metrics:
        if metric.samples:
            lines += [f"# HELP {metric.name} {_escaped(metric.help)}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [
                f"{metric.name}{one.suffix}{_labels(one.labels)} {_number(one.value)}"
                for one in metric.samples
            ]
    return "".join(f"{line}\n" for line in lines)


class Histogram:
    """Counts values by upper bounds. Safe to use from several threads; one instance for each set of labels."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(sorted(bounds))
        self._lock = threading.Lock()
        self._counts = [0] * (len(self.bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        with self._lock:
            self._counts[bisect_left(self.bounds, value)] += 1
            self._sum += value

    def samples(self, labels: Labels = NO_LABELS) -> tuple[Sample, ...]:
        """The buckets, each with what is below it, the sum and the count."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        found: list[Sample] = []
        so_far = 0
        for bound, count in zip((*self.bounds, math.inf), counts, strict=True):
            so_far += count
            found.append(Sample(so_far, {**labels, "le": _number(bound)}, "_bucket"))
        return (*found, Sample(total, labels, "_sum"), Sample(so_far, labels, "_count"))


def _labels(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))
