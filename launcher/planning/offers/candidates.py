"""Turn offers of the price book into candidates: machines that could do a job, each with its speed and its cost.

Pure, given the offers: knows the model, the mix of text lengths and where the data is. Every offer that is left out has
a reason, and every unknown price is named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from math import ceil

from launcher.corpus.samples.profile import Profile
from launcher.jobs.job import DeclaredCorpus, Job
from launcher.ledger.records import ColdStart, MeasuredSpeed
from launcher.money import decimal_of_float
from launcher.planning.estimates.estimate import Candidate, RunCharges
from launcher.planning.estimates.launching import TEARDOWN_SECONDS
from launcher.planning.estimates.unpriced import is_egress_priced
from launcher.planning.offers.usable_offers import UsableOffer, usable_offers
from launcher.planning.optimizer.market import Group
from launcher.throughput import gpu_memory, lookup
from launcher.throughput.predict import ModelShape, Speed
from launcher.throughput.spread import Spread, quantile
from pricing import capacity, preemption, provisioning, staleness
from pricing import gpu as gpus
from pricing.account import access
from pricing.charges import egress, storage
from pricing.charges.storage import DISK_GB
from pricing.offer import Offer
from tasks.models.precision import PRECISION_ENGINE

ENGINE = "vllm"  # of rented machines, unless the job names another that runs there
# The share of the engine's rate that a worker keeps while it reads, writes and renews leases. Measured by `make bench`
# with torch on two cores: rounds of 0.91 to 0.97; not measured on a GPU. Speeds of runs and those of the job file are a
# worker's own, and are not scaled.
PIPELINE_EFFICIENCY = Spread(0.91, 0.94, 0.97)
CLOUD_OF_SCHEME = {"s3": "aws", "gs": "gcp"}  # of buckets; an S3 other than AWS's is named by `region`
UNKNOWN_REGION = "?"  # of a bucket whose region the job does not give
LEAST_STARTS = 5  # measured cold starts that replace the assumption
NEWEST_STARTS = 50  # measured cold starts that are used
LOCAL = "local"  # the cloud and the region of this machine


@dataclass(frozen=True, slots=True)
class DataLocation:
    """Where data is: a region of a cloud, or a store without regions."""

    cloud: str
    region: str


@dataclass(frozen=True, slots=True)
class CandidateSet:
    """The candidates of a job, and what is missing from them."""

    candidates: tuple[Candidate, ...]
    left_out: Mapping[str, int]  # number of offers, by the reason
    not_priced: tuple[str, ...]  # what no price of a candidate includes, in words
    oldest: date | None  # date of the oldest price used that has one


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateContext:
    """What all candidates of a job have in common."""

    job: Job
    shape: ModelShape
    model: str  # as runs name it
    profile: Profile
    now: datetime
    speeds: Sequence[MeasuredSpeed] = ()  # the newest first
    corpus: DataLocation | None = None  # None: the job does not say
    output: DataLocation | None = None
    cold_starts: Sequence[ColdStart] = ()  # how long machines took to start, the newest first
    engines: Sequence[str] | None = None  # that compute the model, the faster first; None: not known


def find_candidates(offers: Sequence[Offer], context: CandidateContext) -> CandidateSet:
    """Every offer that the job allows and that can run its model, as a candidate."""
    candidates, dates = list[Candidate](), list[date]()
    speeds: dict[
        tuple[str, float], tuple[Speed | None, str | None]
    ] = {}  # by GPU and the part that is rented
    usable, left_out = usable_offers(offers, context.job, context.now)
    oldest_market = staleness.oldest_market_days(offers, context.now)
    for priced in usable:
        offer = priced.offer
        key = (offer.gpu, min(1.0, offer.gpus))
        if key not in speeds:
            speeds[key] = _speed(context, *key)
        speed, reason = speeds[key]
        if speed is None:
            left_out[reason or "no speed"] += 1
            continue
        age = float(staleness.assumed_age_in_days(offer, context.now, oldest_market))
        candidates.append(_candidate(priced, speed, context, age))
        if not staleness.is_undated(offer):
            dates.append(offer.as_of)
    return CandidateSet(
        candidates=tuple(candidates),
        left_out=left_out,
        not_priced=_not_priced(context, candidates) if candidates else (),
        oldest=min(dates, default=None),
    )


def obtainable_gpus(candidates: Sequence[Candidate]) -> dict[Group, int]:
    """GPUs of each group that are known, or assumed, to be obtainable at once: at least one machine."""
    sizes: dict[Group, list[int]] = {}
    for candidate in candidates:
        if candidate.cloud != LOCAL:
            sizes.setdefault(candidate.group, []).append(ceil(candidate.gpus))
    return {
        (cloud, region, gpu, spot): capacity.obtainable(
            cloud, region, gpu, spot=spot, least=min(found), most=max(found)
        ).gpus
        for (cloud, region, gpu, spot), found in sizes.items()
    }


def run_charges(context: CandidateContext, candidates: Sequence[Candidate]) -> RunCharges:
    """A month of storage for the vectors, and the controller on the cheapest of the clouds."""
    controllers = [
        provisioning.jobs_controller(cloud) for cloud in sorted({candidate.cloud for candidate in candidates})
    ]
    controller = min((c.usd_per_hour for c in controllers if c), default=None)
    place, size = context.output, output_bytes(context)
    month = storage.storage_month_usd(place.cloud, place.region, size) if place else None
    if place and place.cloud == LOCAL:
        month = Decimal(0)  # the user's own disk
    after = TEARDOWN_SECONDS + 60 * provisioning.CONTROLLER_IDLE_MINUTES
    return RunCharges(month, controller, provisioning.dearest_controller(), controller_after=after)


def rented_engine(job: Job, engines: Sequence[str] | None) -> str:
    """The engine that rented machines run. `engines` are those that compute the model, the faster first, where known."""
    if job.precision is not None:
        return PRECISION_ENGINE
    if job.engine in ("torch", "packed"):
        return job.engine
    return engines[0] if engines and job.engine not in engines else ENGINE


def output_bytes(context: CandidateContext) -> int:
    """Bytes of the output: all vectors as stored, and the columns beside them."""
    output = context.job.output
    dimensions = (output.dimensions if output else None) or context.shape.dimensions
    vectors = storage.vector_bytes(
        round(context.profile.chunks.mid), dimensions, output.dtype if output else "float32"
    )
    return vectors + round(context.profile.beside.mid)


def _speed(context: CandidateContext, name: str, share: float) -> tuple[Speed | None, str | None]:
    """The speed of one whole GPU, or the reason why there is none. `share` is the part of the GPU that is rented."""
    gpu, job = gpus.gpu(name), context.job
    longest = max((tokens for _, tokens in context.profile.lengths), default=None)
    fit = gpu_memory.fit_model(
        context.shape,
        gpu,
        share,
        engine=rented_engine(job, context.engines),
        tokens=None if longest is None else round(longest),
        precision=job.precision,
    )
    if not fit.ok:
        return None, fit.reason
    found = lookup.speed_of(
        context.shape,
        gpu,
        rented_engine(job, context.engines),
        context.profile.lengths,
        overrides=job.speed,
        seen=context.speeds,
        dtype=fit.dtype,
        model=context.model,
        precision=job.precision,
    )
    if found is None:
        return None, f"no ceiling was measured for {name}, so no speed is known"
    if fit.note and found.bare:  # a worker's own speed contains what the note says
        found = replace(found, source=f"{found.source}; {fit.note}")
    return found, None


def _candidate(
    priced: UsableOffer, speed: Speed, context: CandidateContext, price_age_days: float
) -> Candidate:
    offer = priced.offer
    rate, kept = speed.tokens_per_second, Spread(1.0, 1.0, 1.0)
    if speed.bare:
        kept = PIPELINE_EFFICIENCY
    hazard = (
        preemption.preemption_rate(offer.cloud, offer.region, offer.instance_type, offer.gpu)
        if offer.spot
        else preemption.ON_DEMAND
    )
    egress_known, egress_missing = _egress_usd_per_token(offer, context)
    return Candidate(
        cloud=offer.cloud,
        region=offer.region,
        zone=offer.zone,
        instance_type=offer.machine,
        gpu=offer.gpu,
        gpus=offer.gpus,
        vcpus=offer.vcpus,
        spot=offer.spot,
        usd_per_hour=priced.usd_per_hour,
        quoted_usd_per_hour=offer.usd_per_hour,
        price_as_of=None if staleness.is_undated(offer) else offer.as_of,
        discount=priced.discount,
        at_most=priced.at_most,
        tokens_per_second=Spread(
            rate.low * kept.low * offer.gpus,
            rate.mid * kept.mid * offer.gpus,
            rate.high * kept.high * offer.gpus,
        ),
        speed_source=speed.source,
        cold_start=_measured_cold_start(offer, context) or _assumed_cold_start(offer, context),
        launch=Spread(*provisioning.cold_start(offer.cloud).boot),
        ahead=_ahead(offer),
        hazard=Spread(hazard.per_hour_low, hazard.per_hour_mid, hazard.per_hour_high),
        price_source=f"{offer.source}, {'undated' if staleness.is_undated(offer) else offer.as_of}",
        price_age_days=price_age_days,
        floats=staleness.is_market_price(offer),
        disk_usd_per_hour=_disk_usd_per_hour(offer, context),
        disk_at_most=storage.dearest_disk()[0] * _disk_gigabytes(context) / storage.HOURS_PER_MONTH,
        egress_usd_per_token=egress_known,
        egress_missing=egress_missing,
    )


def _disk_usd_per_hour(offer: Offer, context: CandidateContext) -> Decimal | None:
    """The disk of a machine, with room for the model's weights; None: unknown."""
    disk = storage.disk_price(offer.cloud)
    if disk is None:
        return None
    return disk.usd_per_gb_month * _disk_gigabytes(context) / storage.HOURS_PER_MONTH


def _disk_gigabytes(context: CandidateContext) -> Decimal:
    return decimal_of_float(DISK_GB + 2 * context.shape.params_total / 10**9)


def _assumed_cold_start(offer: Offer, context: CandidateContext) -> Spread:
    """Seconds to boot on this cloud, to set up, to download the model and to start the engine."""
    engine = rented_engine(context.job, context.engines)
    return Spread(*provisioning.machine_start(offer.cloud, engine, context.shape.params_total))


def _ahead(offer: Offer) -> Spread:
    """Seconds before a machine is there: the controller starts, then the place has none to give at first."""
    wait = provisioning.capacity_wait(spot=offer.spot)
    low, mid, high = (a + b for a, b in zip(provisioning.CONTROLLER_START_SECONDS, wait, strict=True))
    return Spread(low, mid, high)


def _measured_cold_start(offer: Offer, context: CandidateContext) -> Spread | None:
    """Seconds from a machine that is there to its first token, as measured for this cloud, GPU and model.

    A worker reports that it is ready once its engine is, so only the first texts come after that. None: too few were
    measured.
    """
    seconds = [
        one.seconds
        for one in context.cold_starts
        if (one.model, one.cloud, one.gpu) == (context.model, offer.cloud, offer.gpu)
    ][:NEWEST_STARTS]
    if len(seconds) < LEAST_STARTS:
        return None
    measured = (quantile(seconds, share) or 0.0 for share in (0.1, 0.5, 0.9))
    low, mid, high = (a + b for a, b in zip(measured, provisioning.FIRST_SHARD_SECONDS, strict=True))
    return Spread(low, mid, high)


def _egress_usd_per_token(offer: Offer, context: CandidateContext) -> tuple[Decimal | None, Decimal | None]:
    """USD per token to move the text to the machine and the vector from it.

    Returns the legs that have a price (None: none has), and the most that the others cost: 0 when there are none, None
    when the job does not say where the data is.
    """
    tokens = context.profile.tokens.mid
    if tokens < 1:
        return None, None
    known = list[Decimal]()
    missing: Decimal | None = Decimal(0)
    for size, usd, said in (_text_leg(offer, context), _vector_leg(offer, context)):
        if usd is not None:
            known.append(usd)
        elif not said:
            missing = None
        elif missing is not None:
            missing += egress.dearest()[0] * Decimal(size) / egress.DECIMAL_GB
    each = decimal_of_float(tokens)
    return sum(known, Decimal(0)) / each if known else None, None if missing is None else missing / each


def _text_leg(offer: Offer, context: CandidateContext) -> tuple[int, Decimal | None, bool]:
    """Bytes of the texts, USD to move them to a machine (None: unknown), and whether the job says where they are."""
    size = context.profile.stored_bytes or round(context.profile.bytes.mid)
    place = context.corpus
    if place is None or place.region == UNKNOWN_REGION:
        return size, None, False
    if place.cloud == LOCAL:  # uploads from the user's own machine cost nothing that we know a price of
        return size, Decimal(0), True
    if place.cloud == offer.cloud and access.is_outside_region(offer.cloud, offer.region, offer.zone):
        return (
            size,
            None,
            True,
        )  # between a local zone and its own region a price of its own holds, which is not known
    amount = egress.gigabytes(place.cloud, size)
    return size, egress.transfer_usd(place.cloud, place.region, offer.cloud, offer.region, amount), True


def _vector_leg(offer: Offer, context: CandidateContext) -> tuple[int, Decimal | None, bool]:
    """Bytes of the output, USD to move it from a machine (None: unknown), and whether the job says where to."""
    size, place = output_bytes(context), context.output
    if place is None or place.region == UNKNOWN_REGION:
        return size, None, False
    if access.is_outside_region(offer.cloud, offer.region, offer.zone):
        return size, None, True
    amount = egress.gigabytes(offer.cloud, size)
    if place.cloud == LOCAL:
        return size, egress.internet_usd(offer.cloud, offer.region, amount), True
    return size, egress.transfer_usd(offer.cloud, offer.region, place.cloud, place.region, amount), True


def _not_priced(context: CandidateContext, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """What the dollars of these candidates leave out, in words."""
    out: list[str] = []
    locations = (("corpus.region", context.corpus), ("output.region", context.output))
    missing = [key for key, location in locations if location is None or location.region == UNKNOWN_REGION]
    no_egress = sorted({c.cloud for c in candidates if not is_egress_priced(c)})
    if missing:
        out.append(f"egress: set {' and '.join(missing)} in the job file")
    elif no_egress:
        usd, where = egress.dearest()
        out.append(
            f"egress from or to some regions of {', '.join(no_egress)}: no price known; "
            f"compared as if at ${usd:f} a GB, the dearest known ({where})"
        )
    location = context.output
    rate = storage.storage_price(location.cloud, location.region) if location else None
    if location is None:
        out.append("storage of the vectors: set output.region in the job file")
    elif rate and rate.assumed:
        out.append(f"storage of the vectors in its own region; {rate.assumed}")
    elif rate is None and location.cloud != LOCAL:
        out.append(f"storage of the vectors on {location.cloud}: no price known")
    no_disk = sorted({c.cloud for c in candidates if c.disk_usd_per_hour is None})
    if no_disk:
        usd, where = storage.dearest_disk()
        out.append(
            f"disks on {', '.join(no_disk)}: no price known; "
            f"compared as if at ${usd:f} a GB and month, the dearest known ({where})"
        )
    if not any(provisioning.jobs_controller(candidate.cloud) for candidate in candidates):
        out.append("SkyPilot's controller on these clouds: no price known")
    return tuple(out)


def location_of(path: str, region: str | None) -> DataLocation | None:
    """Where a path is, by the job's `region` or by its scheme. A bucket's scheme gives its cloud, not its region."""
    if region is not None:
        cloud, _, named = region.partition("/")
        return DataLocation(cloud, named or "*")
    scheme, separator, _ = path.partition("://")
    if not separator:
        return DataLocation(LOCAL, LOCAL)
    return DataLocation(CLOUD_OF_SCHEME[scheme], UNKNOWN_REGION) if scheme in CLOUD_OF_SCHEME else None


def data_locations(job: Job) -> tuple[DataLocation | None, DataLocation | None]:
    """Where the texts and the vectors of a job are; None: not known."""
    corpus = job.corpus
    texts = (
        location_of("://", corpus.region)
        if isinstance(corpus, DeclaredCorpus)
        else location_of(corpus.path, corpus.region)
    )
    return texts, location_of(job.output.path, job.output.region) if job.output else None
