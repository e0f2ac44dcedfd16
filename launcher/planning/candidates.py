"""Which machines could do a job, and what each would cost and do: offers turned into Kinds, one by one.

Pure, given the offers: knows the model, the mix of lengths and where data lies. Whatever is left out is left out with
a reason, and whatever has no price is named.
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

ENGINE = "vllm"  # of machines that are rented, unless the job names another that runs there
# Of the engine's own rate, what a worker keeps through reading, writing and leases. Measured by `make bench` with torch
# on two cores: rounds of 0.91 to 0.97, nobody has seen it on a GPU. Measured speeds and those of the job file are a
# worker's own, and stay.
PIPELINE = Spread(0.91, 0.94, 0.97)
SCHEMES = {"s3": "aws", "gs": "gcp"}  # of buckets; another S3 than AWS's has to be named by `region`
UNSAID = "?"  # the region of a bucket that the job does not tell
ENOUGH, NEWEST = 5, 50  # starts that say how long the next one takes, and those that are believed


@dataclass(frozen=True, slots=True)
class DataLocation:
    """A region of a cloud, or a store without regions."""

    cloud: str
    region: str


@dataclass(frozen=True, slots=True)
class CandidateSet:
    """What there is to choose from. `left_out` counts offers by reason; `not_priced` says what no figure holds."""

    kinds: tuple[Candidate, ...]
    left_out: Mapping[str, int]
    not_priced: tuple[str, ...]
    oldest: date | None  # date of the oldest price used


@dataclass(frozen=True, slots=True)
class CandidateContext:
    """What the kinds of one job have in common."""

    job: Job
    shape: ModelShape
    name: str  # of the model, as runs call it
    profile: Profile
    now: datetime
    seen: Sequence[MeasuredSpeed] = ()
    corpus: DataLocation | None = None  # where the texts lie; None: not said
    output: DataLocation | None = None
    starts: Sequence[ColdStart] = ()  # how long machines took to start, the newest first


def find_candidates(offers: Sequence[Offer], context: CandidateContext) -> CandidateSet:
    """Every offer that the job allows and that can run its model."""
    kinds, dates, left_out = list[Candidate](), list[date](), Counter[str]()
    speeds: dict[tuple[str, float], tuple[Speed | None, str | None]] = {}
    wanted = frozenset(gpus.canonical(name) or name for name in context.job.limits.gpus)
    for offer in offers:
        why = _refusal(offer, context.job.limits, wanted)
        if why:
            left_out[why] += 1
            continue
        key = (offer.gpu, min(1.0, offer.gpus))
        if key not in speeds:
            speeds[key] = _speed(context, *key)
        speed, why = speeds[key]
        if speed is None:
            left_out[why or "no speed"] += 1
            continue
        kinds.append(_kind(offer, speed, context))
        dates.append(offer.as_of)
    return CandidateSet(
        tuple(kinds), left_out, _unpriced(context, kinds) if kinds else (), min(dates, default=None)
    )


def obtainable_machines(kinds: Sequence[Candidate]) -> dict[Group, int]:
    """Machines of each group that are known, or assumed, to be had at once."""
    return {
        kind.group: provisioning.obtainable(kind.cloud, kind.region, kind.gpu, spot=kind.spot)
        for kind in kinds
        if kind.cloud != "local"
    }


def run_charges(context: CandidateContext, kinds: Sequence[Candidate]) -> RunCharges:
    """Vectors for a month where they lie, and the controller on the cheapest of the clouds."""
    controllers = [provisioning.controller(cloud) for cloud in sorted({kind.cloud for kind in kinds})]
    controller = min((c.usd_per_hour for c in controllers if c), default=None)
    place, size = context.output, output_bytes(context)
    month = storage.month(place.cloud, place.region, size) if place else None
    if place and place.cloud == "local":
        month = Decimal(0)  # the user's own disk
    return RunCharges(month, controller)


def rented_engine(job: Job) -> str:
    """The engine of rented machines."""
    return job.engine if job.engine == "torch" else ENGINE


def output_bytes(context: CandidateContext) -> int:
    """Bytes of the output: all vectors as stored, and what lies beside them."""
    output = context.job.output
    dimensions = (output.dimensions if output else None) or context.shape.dimensions
    vectors = storage.vector_bytes(
        round(context.profile.chunks.mid), dimensions, output.dtype if output else "float32"
    )
    return vectors + round(context.profile.beside.mid)


def _refusal(offer: Offer, limits: JobLimits, wanted: frozenset[str]) -> str | None:
    """The limit that keeps an offer out; `wanted` are its GPUs by our names."""
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
    """The speed of one whole GPU, or why there is none."""
    gpu, job = gpus.gpu(name), context.job
    longest = max((tokens for _, tokens in context.profile.lengths), default=None)
    fit = gpu_memory.fit_model(
        context.shape, gpu, share, rented_engine(job), tokens=None if longest is None else round(longest)
    )
    if not fit.ok:
        return None, fit.reason
    found = lookup.speed_of(
        context.shape,
        gpu,
        rented_engine(job),
        context.profile.lengths,
        job.speed,
        context.seen,
        fit.dtype,
        context.name,
    )
    return found, None if found else f"no ceiling was measured for {name}, so no speed is known"


def _kind(offer: Offer, speed: Speed, context: CandidateContext) -> Candidate:
    rate, gained = speed.tokens_per_second, Spread(1.0, 1.0, 1.0)
    if speed.source.startswith("predicted"):
        gained = PIPELINE
    boot, load = (
        provisioning.cold_start(offer.cloud),
        provisioning.download_seconds(context.shape.params_total),
    )
    hazard = (
        preemption.hazard(offer.cloud, offer.region, offer.instance_type, offer.gpu)
        if offer.spot
        else preemption.ON_DEMAND
    )
    disk, gigabytes = storage.disk(offer.cloud), DISK_GB + 2 * context.shape.params_total / 10**9
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
            rate.low * gained.low * offer.gpus,
            rate.mid * gained.mid * offer.gpus,
            rate.high * gained.high * offer.gpus,
        ),
        speed_source=speed.source,
        cold_start=_measured_start(offer, context)
        or Spread(boot.seconds_low + load[0], boot.seconds_mid + load[1], boot.seconds_high + load[2]),
        hazard=Spread(hazard.per_hour_low, hazard.per_hour_mid, hazard.per_hour_high),
        price_source=f"{offer.source}, {offer.as_of}",
        price_age_days=float(staleness.days(offer, context.now)),
        floats=staleness.floats(offer),
        disk_usd_per_hour=None
        if disk is None
        else disk.usd_per_gb_month * decimal_of_float(gigabytes) / storage.HOURS_OF_A_MONTH,
        egress_usd_per_token=_egress(offer, context),
    )


def _measured_start(offer: Offer, context: CandidateContext) -> Spread | None:
    """From being asked for to the first token, as machines of this cloud and GPU took with this model."""
    seen = [
        one.seconds
        for one in context.starts
        if (one.model, one.cloud, one.gpu) == (context.name, offer.cloud, offer.gpu)
    ][:NEWEST]
    if len(seen) < ENOUGH:
        return None
    low, mid, high = (quantile(seen, share) or 0.0 for share in (0.1, 0.5, 0.9))
    return Spread(low, mid, high)


def _egress(offer: Offer, context: CandidateContext) -> Decimal | None:
    """USD per token for the text's way to the machine and the vector's way from it; None: unknown."""
    tokens = context.profile.tokens.mid
    if tokens < 1 or context.corpus is None or context.output is None:
        return None
    if UNSAID in (context.corpus.region, context.output.region):
        return None
    texts = context.profile.stored_bytes or round(context.profile.bytes.mid)
    usd = Decimal(0)
    if context.corpus.cloud != "local":  # from the user's own machine only the user's line is used
        size = egress.gigabytes(context.corpus.cloud, texts)
        part = egress.between(context.corpus.cloud, context.corpus.region, offer.cloud, offer.region, size)
        if part is None:
            return None
        usd += part
    size = egress.gigabytes(offer.cloud, output_bytes(context))
    if context.output.cloud == "local":
        part = egress.internet(offer.cloud, offer.region, size)
    else:
        part = egress.between(offer.cloud, offer.region, context.output.cloud, context.output.region, size)
    return None if part is None else (usd + part) / decimal_of_float(tokens)


def _unpriced(context: CandidateContext, kinds: Sequence[Candidate]) -> tuple[str, ...]:
    """What the dollars of these kinds leave out, in words."""
    out: list[str] = []
    said = (("corpus.region", context.corpus), ("output.region", context.output))
    missing = [key for key, place in said if place is None or place.region == UNSAID]
    blind = sorted({kind.cloud for kind in kinds if kind.egress_usd_per_token is None})
    if missing:
        out.append(f"egress: set {' and '.join(missing)} in the job file")
    elif blind:
        out.append(f"egress from or to some regions of {', '.join(blind)}: no price known")
    place = context.output
    rate = storage.storage(place.cloud, place.region) if place else None
    if place is None:
        out.append("storage of the vectors: set output.region in the job file")
    elif rate and rate.assumed:
        out.append(f"storage of the vectors in its own region; {rate.assumed}")
    elif rate is None and place.cloud != "local":
        out.append(f"storage of the vectors on {place.cloud}: no price known")
    diskless = sorted({kind.cloud for kind in kinds if kind.disk_usd_per_hour is None})
    if diskless:
        out.append(f"disks on {', '.join(diskless)}: no price known")
    if not any(provisioning.controller(kind.cloud) for kind in kinds):
        out.append("SkyPilot's controller on these clouds: no price known")
    return (*out, "requests to the object store, about 4 a shard")


def location_of(path: str, region: str | None) -> DataLocation | None:
    """Where a path lies, as the job says or as its scheme does; a bucket tells its cloud and not its region."""
    if region is not None:
        cloud, _, named = region.partition("/")
        return DataLocation(cloud, named or "*")
    scheme, separator, _ = path.partition("://")
    if not separator:
        return DataLocation("local", "local")
    return DataLocation(SCHEMES[scheme], UNSAID) if scheme in SCHEMES else None


def data_locations(job: Job) -> tuple[DataLocation | None, DataLocation | None]:
    """Where the texts and the vectors of a job lie."""
    corpus = job.corpus
    here = (
        location_of("://", corpus.region)
        if isinstance(corpus, DeclaredCorpus)
        else location_of(corpus.path, corpus.region)
    )
    return here, location_of(job.output.path, job.output.region) if job.output else None
