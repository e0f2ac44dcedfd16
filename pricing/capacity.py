"""Capacity: how many GPUs of a type a region is known to give one account at once, with the source.

Counted in GPUs and not in machines: 16 machines of one V100 are no evidence for 16 machines of eight H200s. Evidence is
kept by GPU type, purchase kind and place; without any, little is assumed, and the answer says that it is assumed. What a
source says of other places or of all together, and not of this place, is inferred, and the answer says so.
"""

import csv
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib.resources import files
from io import StringIO
from typing import Literal

Basis = Literal["seen", "inferred", "assumed"]
BASES: tuple[Basis, ...] = ("seen", "inferred", "assumed")
INFERRED = "inferred"  # the first word of the sources of what is inferred
ANY = "*"  # in the table: every cloud, region or purchase kind
# GPUs of a type that a region is assumed to give where nothing was seen: the most that a published probe was given of
# any type but the L4. Two machines of eight.
ASSUMED_GPUS = 16
SINGLE_HOST_CLOUDS = frozenset({"vast"})  # a row of their market is one host


@dataclass(frozen=True, slots=True)
class Capacity:
    """GPUs that a region gives at once, as far as is known."""

    gpus: int
    source: str
    as_of: date | None = None  # None: assumed

    @property
    def assumed(self) -> bool:
        return self.as_of is None

    @property
    def basis(self) -> Basis:
        return basis_of(self.source, assumed=self.assumed)


def basis_of(source: str, *, assumed: bool) -> Basis:
    """What a number of GPUs rests on: seen in such a place, inferred from other evidence, or assumed."""
    if assumed:
        return "assumed"
    return "inferred" if source.startswith(INFERRED) else "seen"


def capacity(cloud: str, region: str, gpu: str, *, spot: bool) -> Capacity:
    """What is known of a GPU type in a region under a purchase kind; the nearest evidence first, else the assumption."""
    purchase = "spot" if spot else "on-demand"
    found = [
        (sum(cell != ANY for cell in key), seen)
        for key, seen in _evidence().items()
        if all(cell in (ANY, asked) for cell, asked in zip(key, (cloud, region, gpu, purchase), strict=True))
    ]
    if found:
        return max(found, key=lambda one: (one[0], one[1].gpus))[1]
    return Capacity(
        ASSUMED_GPUS, f"assumed: {ASSUMED_GPUS} GPUs of a type in a region, for nothing was seen of it"
    )


def obtainable(
    cloud: str, region: str, gpu: str, *, spot: bool, least: int, most: int | None = None
) -> Capacity:
    """What a plan may count on: `capacity`, and at least one machine.

    `least` and `most` are the GPUs of the smallest and the largest machine that is offered.

    Of a market of single hosts it is one machine: the largest that is offered.
    """
    if cloud in SINGLE_HOST_CLOUDS:
        return Capacity(most or least, "assumed: one machine, for a row of this market is one host")
    seen = capacity(cloud, region, gpu, spot=spot)
    return seen if seen.gpus >= least else replace(seen, gpus=least)


@cache
def _evidence() -> dict[tuple[str, str, str, str], Capacity]:
    """What was seen, by cloud, region, GPU and purchase kind."""
    text = files("pricing").joinpath("snapshot", "capacity.csv").read_text(encoding="utf-8")
    return {
        (row["cloud"], row["region"], row["gpu"], row["purchase"]): Capacity(
            int(row["gpus"]), row["source"], date.fromisoformat(row["as_of"])
        )
        for row in csv.DictReader(StringIO(text))
    }
