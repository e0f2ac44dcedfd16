"""Turn offers of the price book into candidates: machines that could do a job, each with its speed and its cost.

Pure, given the offers: knows the model, the mix of text lengths and where the data is. Every offer that is left out has
a reason, and every unknown price is named.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase

from launcher.corpus.profile import Profile
from launcher.jobs.job import DeclaredCorpus, Job, JobLimits
from launcher.ledger.records import ColdStart, MeasuredSpeed
from launcher.money import decimal_of_float
from launcher.planning.estimate import Candidate, RunCharges
from launcher.planning.optimizer.market import Group
from launcher.throughput import gpu_memory, lookup
from launcher.throughput.predict import ModelShape, Speed
from launcher.throughput.spread import Spread, quantile
from pricing import egress, preemption, provisioning, staleness, storage
from pricing import gpu as gpus
from pricing.offer import Offer
from pricing.storage import DISK_GB

ENGINE = "vllm"  # of rented machines, unless the job names another that runs there
# The share of the engine's rate that a worker keeps while it reads, writes and renews leases. Measured by `make bench`
# with torch on two cores: rounds of 0.91 to 0.97; not measured on a GPU. Measured speeds and those of the job file are a
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
    oldest: date | None  # date of the oldest price used


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
    candidates, dates, left_out = list[Candidate](), list[date](), Counter[str]()
    speeds: dict[
        tuple[str, float], tuple[Speed | None, str | None]
    ] = {}  # by GPU and the part that is rented
    wanted = frozenset(gpus.canonical(name) or name for name in context.job.limits.gpus)
    for offer in offers:
        reason = _violated_limit(offer, context.job.limits, wanted)
        if reason:
            left_out[reason] += 1
            continue
        key = (offer.gpu, min(1.0, offer.gpus))
        if key not in speeds:
            speeds[key] = _speed(context, *key)
        speed, reason = speeds[key]
        if speed is None:
            left_out[reason or "no speed"] += 1
            continue
        candidates.append(_candidate(offer, speed, context))
        dates.append(offer.as_of)
    return CandidateSet(
        candidates=tuple(candidates),
        left_out=left_out,
        not_priced=_not_priced(context, candidates) if candidates else (),
        oldest=min(dates, default=None),
    )


def obtainable_machines(candidates: Sequence[Candidate]) -> dict[Group, int]:
    """Machines of each group that are known, or assumed, to be obtainable at once."""
    return {
        candidate.group: provisioning.obtainable_machines(
            candidate.cloud, candidate.region, candidate.gpu, spot=candidate.spot
        )
        for candidate in candidates
        if candidate.cloud != LOCAL
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
    return RunCharges(month, controller)


def rented_engine(job: Job, engines: Sequence[str] | None) -> str:
    """The engine that rented machines run. `engines` are those that compute the model, the faster first, where known."""
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


def _violated_limit(offer: Offer, limits: JobLimits, wanted: frozenset[str]) -> str | None:
    """The limit that keeps an offer out, else None. `wanted` are the GPUs of limits.gpus by our names."""
    if wanted and offer.gpu not in wanted:
        return "limits.gpus"
    if limits.clouds and offer.cloud not in limits.clouds:
        return "limits.clouds"
    if limits.regions and not any(fnmatchcase(offer.region, pattern) for pattern in limits.regions):
        return "limits.regions"
    if limits.spot == ("never" if offer.spot else "only"):
        return "limits.spot"
    return None


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
    )
    return found, None if found else f"no ceiling was measured for {name}, so no speed is known"


def _candidate(offer: Offer, speed: Speed, context: CandidateContext) -> Candidate:
    rate, kept = speed.tokens_per_second, Spread(1.0, 1.0, 1.0)
    if speed.source.startswith("predicted"):
        kept = PIPELINE_EFFICIENCY
    hazard = (
        preemption.preemption_rate(offer.cloud, offer.region, offer.instance_type, offer.gpu)
        if offer.spot
        else preemption.ON_DEMAND
    )
    return Candidate(
        cloud=offer.cloud,
        region=offer.region,
        zone=offer.zone,
        instance_type=offer.machine,
        gpu=offer.gpu,
        gpus=offer.gpus,
        vcpus=offer.vcpus,
        spot=offer.spot,
        usd_per_hour=offer.usd_per_hour,
        tokens_per_second=Spread(
            rate.low * kept.low * offer.gpus,
            rate.mid * kept.mid * offer.gpus,
            rate.high * kept.high * offer.gpus,
        ),
        speed_source=speed.source,
        cold_start=_measured_cold_start(offer, context) or _assumed_cold_start(offer, context),
        hazard=Spread(hazard.per_hour_low, hazard.per_hour_mid, hazard.per_hour_high),
        price_source=f"{offer.source}, {offer.as_of}",
        price_age_days=float(staleness.age_in_days(offer, context.now)),
        floats=staleness.is_market_price(offer),
        disk_usd_per_hour=_disk_usd_per_hour(offer, context),
        egress_usd_per_token=_egress_usd_per_token(offer, context),
    )


def _disk_usd_per_hour(offer: Offer, context: CandidateContext) -> Decimal | None:
    """The disk of a machine, with room for the model's weights; None: unknown."""
    disk = storage.disk_price(offer.cloud)
    if disk is None:
        return None
    gigabytes = DISK_GB + 2 * context.shape.params_total / 10**9
    return disk.usd_per_gb_month * decimal_of_float(gigabytes) / storage.HOURS_PER_MONTH


def _assumed_cold_start(offer: Offer, context: CandidateContext) -> Spread:
    """Seconds to boot on this cloud and to download the model."""
    boot = provisioning.cold_start(offer.cloud)
    low, mid, high = provisioning.download_seconds(context.shape.params_total)
    return Spread(boot.seconds_low + low, boot.seconds_mid + mid, boot.seconds_high + high)


def _measured_cold_start(offer: Offer, context: CandidateContext) -> Spread | None:
    """Seconds from asking for a machine to its first token, as measured for this cloud, GPU and model.

    None: too few were measured.
    """
    seconds = [
        one.seconds
        for one in context.cold_starts
        if (one.model, one.cloud, one.gpu) == (context.model, offer.cloud, offer.gpu)
    ][:NEWEST_STARTS]
    if len(seconds) < LEAST_STARTS:
        return None
    low, mid, high = (quantile(seconds, share) or 0.0 for share in (0.1, 0.5, 0.9))
    return Spread(low, mid, high)


def _egress_usd_per_token(offer: Offer, context: CandidateContext) -> Decimal | None:
    """USD per token to move the text to the machine and the vector from it; None: unknown."""
    tokens, corpus, output = context.profile.tokens.mid, context.corpus, context.output
    if tokens < 1 or corpus is None or output is None:
        return None
    if UNKNOWN_REGION in (corpus.region, output.region):
        return None
    text_bytes = context.profile.stored_bytes or round(context.profile.bytes.mid)
    usd = Decimal(0)
    if corpus.cloud != LOCAL:  # uploads from the user's own machine cost nothing that we know a price of
        size = egress.gigabytes(corpus.cloud, text_bytes)
        part = egress.transfer_usd(corpus.cloud, corpus.region, offer.cloud, offer.region, size)
        if part is None:
            return None
        usd += part
    size = egress.gigabytes(offer.cloud, output_bytes(context))
    if output.cloud == LOCAL:
        part = egress.internet_usd(offer.cloud, offer.region, size)
    else:
        part = egress.transfer_usd(offer.cloud, offer.region, output.cloud, output.region, size)
    return None if part is None else (usd + part) / decimal_of_float(tokens)


def _not_priced(context: CandidateContext, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """What the dollars of these candidates leave out, in words."""
    out: list[str] = []
    locations = (("corpus.region", context.corpus), ("output.region", context.output))
    missing = [key for key, location in locations if location is None or location.region == UNKNOWN_REGION]
    no_egress = sorted({c.cloud for c in candidates if c.egress_usd_per_token is None})
    if missing:
        out.append(f"egress: set {' and '.join(missing)} in the job file")
    elif no_egress:
        out.append(f"egress from or to some regions of {', '.join(no_egress)}: no price known")
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
        out.append(f"disks on {', '.join(no_disk)}: no price known")
    if not any(provisioning.jobs_controller(candidate.cloud) for candidate in candidates):
        out.append("SkyPilot's controller on these clouds: no price known")
    return (*out, "requests to the object store, about 4 a shard")


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
