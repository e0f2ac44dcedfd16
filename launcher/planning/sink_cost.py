"""What the vector store that a job names costs, and what embedding and loading cost in all. Pure."""

from dataclasses import replace

from launcher.index_sizes.size import Dollars, VectorSet
from launcher.index_sizes.sizes import sizes
from launcher.jobs.job import JobSink
from launcher.money import ZERO
from launcher.planning.estimates.estimate import UsdSpread
from launcher.planning.estimates.quantiles import UsdQuantiles
from launcher.planning.estimates.store_costs import SinkCost
from launcher.planning.offers.machine_groups import rounded_usd
from launcher.sinks.targets import SERVICES, SIZED_AS, parse_target


def sink_cost(sink: JobSink | None, asked: VectorSet | None, embedding: UsdSpread | None) -> SinkCost | None:
    """What the job's sink costs; None without one, or where the shape of the vectors is not known.

    `embedding`: what the run is expected to cost without it; None: unknown.
    """
    if sink is None or asked is None:
        return None
    target = parse_target(sink.to)
    name = SIZED_AS[target.kind]
    size = None
    bare = (
        sink.index.kind == "none" and target.kind not in SERVICES
    )  # a service has its own index, whatever is asked
    if not bare:
        found, _ = sizes(replace(asked, links=sink.index.m), [name])
        size = next((one for one in found if one.store == name), None)
    load = Dollars(ZERO, ZERO) if bare else size and size.load_usd
    hours = size and size.load_hours
    return SinkCost(
        to=target.shown,
        store=name,
        index="none" if bare else size.index if size else str(sink.index),
        when=sink.when,
        vectors=asked.vectors,
        ram_bytes=size and size.ram_bytes,
        disk_bytes=size and size.disk_bytes,
        load_hours_low=hours and hours.low,
        load_hours_high=hours and hours.high,
        load_usd_low=load and load.low,
        load_usd_high=load and load.high,
        total_usd=_total(embedding, load),
        usd_per_month=size and size.usd_per_month,
    )


def _total(embedding: UsdSpread | None, load: Dollars | None) -> UsdQuantiles:
    """Embedding and load. A load has no quantiles: low goes with P10, the middle with P50, high with P90."""
    if embedding is None or load is None:
        return UsdQuantiles(None, None, None)
    parts = (load.low, (load.low + load.high) / 2, load.high)
    usd = (embedding.p10, embedding.p50, embedding.p90)
    return UsdQuantiles(*(rounded_usd(one + part) for one, part in zip(usd, parts, strict=True)))
