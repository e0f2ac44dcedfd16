"""Make a Plan: look at the corpus, measure this machine, read the snapshot of prices, and let the core decide.

The shell around `profile`, `estimate`, `optimize` and `plan`. Spends nothing and writes nothing to any cloud.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from launcher import cut as cutting
from launcher import job as jobs
from launcher.corpus import Listing, find
from launcher.errors import Infeasible, Problem, Usage
from launcher.estimate import COLD_START, Estimate, Kind, estimate, machines_for
from launcher.job import Declared, Job, Source
from launcher.machine import Asked, Measured, Slots, measure, slots
from launcher.models import shape
from launcher.optimize import cheapest, on_time, rank
from launcher.plan import Lot, Plan, Work, name_run
from launcher.profile import Profile, declared, shard_tokens
from launcher.profile import estimate as profile_of
from launcher.sample import Sampled, sample
from launcher.show import plain
from launcher.speed import Shape, Spread, predict
from pricing import catalog
from pricing import gpu as gpus
from pricing.offer import Offer
from tasks.embed import choose, limit
from tasks.read import Columns
from tasks.tokens import HASH, Cut, words

SHOWN = 24  # alternatives kept in a plan
ROOM = 1.5  # of the weights: what must fit into a GPU beside them, activations and buffers included
CLOUD_ENGINE = "vllm"
UNPRICED = "preemption, storage of the vectors, egress and SkyPilot's controller on clouds"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line adds to the job."""

    on: str | None  # "local", or None: wherever it is cheapest
    probe_seconds: float


@dataclass(frozen=True, slots=True)
class Looked:
    """The corpus as it was found: files and sample where there are any."""

    profile: Profile
    listing: Listing | None = None
    sampled: Sampled | None = None
    shards: int | None = None
    shard_tokens: int | None = None


def make(job: Job, base: Path, choices: Choices, now: datetime, say: Callable[[str], None]) -> Plan:
    """The plan of a job; `base` is the folder of the job file. `say` hears what is being done.

    Raises:
        Problem: the corpus or the model cannot be used.
        Infeasible: the limits leave nothing.
    """
    model = resolve(job.model, base)
    _check_gpus(job)
    looked = _look(job, base, model, say)
    not_priced = ["hosted embedding APIs"]
    local = _local(job, model, looked, choices, not_priced, say)
    estimates = _clouds(job, model, looked, not_priced)
    if job.quota:
        not_priced.append("quota: read, not applied in this version")
    if estimates:
        not_priced.append(UNPRICED)
    if choices.on == "local":
        if local is None:
            raise Problem("there is nothing to embed: the corpus is only declared", hint="give corpus.path")
        chosen = cheapest([local[0]], job.limits.deadline_hours, job.limits.budget)
    else:
        chosen = _cheapest(estimates, local, job)
    everything: list[Estimate] = [*estimates, *([local[0]] if local else [])]
    everything.sort(key=rank)
    work = Work(
        job=jobs.dump(job),
        base=str(base.absolute()),
        corpus=str(looked.listing.root) if looked.listing else None,
        listing=looked.listing.digest if looked.listing else None,
        model=model,
        engine=local[1].engine if local and chosen is local[0] else job.engine,
        shards=looked.shards,
        shard_tokens=looked.shard_tokens,
    )
    return Plan(
        run=name_run(job.name, work),
        created=now.isoformat(),
        work=work,
        profile=looked.profile,
        lots=(_lot(chosen, slots(job.local.workers, looked.shards)),),
        chosen=chosen,
        alternatives=tuple(e for e in everything if e is not chosen)[:SHOWN],
        binding=_binding(job, chosen, everything, looked.shards),
        not_priced=tuple(not_priced),
        prices_as_of=_oldest(catalog.load()),
    )


def resolve(model: str, base: Path) -> str:
    """A folder beside the job file by its full path; a hub id as it is.

    Raises:
        Usage: it reads like a path, and there is no such folder: a stranger's repository must not be asked for.
    """
    folder = base / Path(model).expanduser()
    if model != HASH and folder.is_dir():
        return str(folder.absolute())
    first, _, rest = model.partition("/")
    if model.startswith((".", "~", "/")) or "/" in rest or (rest and (base / first).is_dir()):
        raise Usage(f"no model folder at {folder.absolute()}", hint="set `model:` to a folder or to a hub id")
    return model


def columns(source: Source) -> Columns:
    return Columns(source.text, source.id)


def cut_of(job: Job, model: str) -> Cut:
    """How this job cuts texts, with the model's own maximum where the job says nothing."""
    chunk = job.chunk
    if chunk.tokens is not None:
        return Cut(limit(model, chunk.tokens), chunk.overlap, job.prompt)
    return Cut(limit(model, chunk.truncate), None, job.prompt)


def listing_of(job: Job, base: Path) -> Listing:
    """The input files as they are now."""
    assert isinstance(job.corpus, Source)
    return find(job.corpus.path, base)


def _look(job: Job, base: Path, model: str, say: Callable[[str], None]) -> Looked:
    if isinstance(job.corpus, Declared):
        chunk = job.chunk
        known = [n for n in (chunk.tokens or chunk.truncate, _max_tokens(job, model)) if n]
        longest = min(known) if known else None
        step = longest - chunk.overlap if chunk.tokens and longest else None
        return Looked(declared(job.corpus.documents, job.corpus.lengths, longest, step))
    listing = listing_of(job, base)
    _check_apart(job, base)
    if listing.skipped:
        say(f"passed over {len(listing.skipped):,} other files: {', '.join(map(plain, listing.skipped[:3]))}")
    say(f"looking into {len(listing.files):,} files")
    cut, asked = cut_of(job, model), job.chunk.tokens or job.chunk.truncate
    if asked and cut.tokens < asked:
        say(f"the model takes {cut.tokens} tokens at most: {asked} becomes {cut.tokens}")
    sampled = sample(listing, columns(job.corpus), words(model), cut)
    profile = profile_of(list(sampled.strata.values()), len(listing.files), listing.bytes)
    target = shard_tokens(profile.tokens.mid)
    count = sum(1 for _ in cutting.shards(listing, sampled, target))
    return Looked(profile, listing, sampled, count, target)


def _check_apart(job: Job, base: Path) -> None:
    """Vectors among the texts would be texts to the next plan."""
    assert isinstance(job.corpus, Source)
    if job.output is None or "://" in job.output.path:
        return
    corpus, output = (Path(os.path.normpath(base / p)) for p in (job.corpus.path, job.output.path))
    inside = corpus.is_dir() and output.is_relative_to(corpus)
    if inside and not any(part[0] in "._" for part in output.relative_to(corpus).parts):
        raise Usage(
            f"the output {job.output.path} lies in the corpus {job.corpus.path}, and would be read as input",
            hint="set output.path to a folder outside, or to one whose name begins with _",
        )


def _max_tokens(job: Job, model: str) -> int | None:
    found = _shape(job, model)
    return found.max_tokens if found else None


def _local(
    job: Job, model: str, looked: Looked, choices: Choices, not_priced: list[str], say: Callable[[str], None]
) -> tuple[Estimate, Measured] | None:
    """This machine, measured. Not for a hub id, whose weights it would fetch, unless it is asked for by name."""
    if looked.sampled is None:
        return None
    if choices.on != "local" and model != HASH and not Path(model).is_dir():
        not_priced.append("this machine: not measured (pass --on local)")
        return None
    use = slots(job.local.workers, looked.shards)
    say(f"measuring {use.workers} workers of this machine for {choices.probe_seconds:g} s")
    cut = cut_of(job, model)
    texts = looked.sampled.texts
    asked = Asked(model, choose(job.engine, model), texts, cut.tokens, cut.overlap, cut.prompt)
    found = measure(asked, use, choices.probe_seconds)
    if job.output and job.output.dimensions and job.output.dimensions > found.dimensions:
        raise Usage(
            f"output.dimensions is {job.output.dimensions}, but {job.model} gives {found.dimensions}",
            hint=f"set output.dimensions to at most {found.dimensions}",
        )
    kind = Kind(
        cloud="local",
        region="local",
        gpu=found.device if found.device == "cpu" else "gpu",
        gpus=float(use.gpus),
        spot=False,
        usd_per_hour=job.local.usd_per_hour,
        tokens_per_second=found.tokens_per_second,
        speed_source=f"measured here, {found.engine} {found.dtype}, {use.workers} workers, {found.seconds:.0f} s",
        cold_start=found.load_seconds,
        price_source="the job file" if job.local.usd_per_hour is not None else "",
    )
    if kind.usd_per_hour is None:
        not_priced.append("this machine: what an hour of it costs you (set local.usd_per_hour)")
    return estimate(kind, looked.profile, 1), found


def _clouds(job: Job, model: str, looked: Looked, not_priced: list[str]) -> list[Estimate]:
    """The cheapest place of each GPU, count, cloud and purchase kind that the limits allow and that can be priced."""
    known = _shape(job, model)
    if known is None:
        not_priced.append(
            f"cloud machines: the shape of {job.model} is not known (give `model:` as a mapping)"
        )
        return []
    best: dict[tuple[str, str, float, bool], Offer] = {}
    for offer in catalog.load():
        if _allowed(offer, job):
            key = (offer.cloud, offer.gpu, offer.gpus, offer.spot)
            if key not in best or offer.usd_per_hour < best[key].usd_per_hour:
                best[key] = offer
    out: list[Estimate] = []
    blind: set[str] = set()
    for offer in best.values():
        gpu = gpus.gpu(offer.gpu)
        if gpu.memory_gb * min(1.0, offer.gpus) * 1e9 < 2 * known.params_total * ROOM:
            continue
        speed = predict(known, gpu, CLOUD_ENGINE, looked.profile.lengths)
        if speed is None:
            blind.add(offer.gpu)
            continue
        per_gpu = speed.tokens_per_second
        kind = Kind(
            cloud=offer.cloud,
            region=offer.region,
            gpu=offer.gpu,
            gpus=offer.gpus,
            spot=offer.spot,
            usd_per_hour=offer.usd_per_hour,
            tokens_per_second=Spread(*(x * offer.gpus for x in (per_gpu.low, per_gpu.mid, per_gpu.high))),
            speed_source=speed.source,
            cold_start=COLD_START,
            price_source=f"{offer.source}, {offer.as_of}",
            instance_type=offer.machine,
        )
        most = [n for n in (job.limits.machines, looked.shards) if n]  # a shard is the work of one machine
        count = machines_for(kind, looked.profile, job.limits.deadline_hours, min(most, default=None))
        out.append(estimate(kind, looked.profile, count))
    if blind:
        not_priced.append(f"no measured ceiling, so no speed: {', '.join(sorted(blind))}")
    return out


def _allowed(offer: Offer, job: Job) -> bool:
    limits = job.limits
    wanted = {gpus.canonical(name) for name in limits.gpus}
    return (
        (not wanted or offer.gpu in wanted)
        and (not limits.clouds or offer.cloud in limits.clouds)
        and (not limits.regions or any(fnmatchcase(offer.region, p) for p in limits.regions))
        and not (limits.spot == "only" and not offer.spot)
        and not (limits.spot == "never" and offer.spot)
    )


def _cheapest(estimates: list[Estimate], local: tuple[Estimate, Measured] | None, job: Job) -> Estimate:
    """The cheapest cloud; this machine when no cloud will do and it will."""
    try:
        return cheapest(estimates, job.limits.deadline_hours, job.limits.budget)
    except Infeasible:
        if local is None:
            raise
        return cheapest([local[0]], job.limits.deadline_hours, job.limits.budget)


def _lot(chosen: Estimate, use: Slots) -> Lot:
    kind = chosen.kind
    local = kind.cloud == "local"
    return Lot(
        gpu=kind.gpu,
        gpus_per_machine=kind.gpus,
        cloud=kind.cloud,
        regions=(kind.region,),
        spot=kind.spot,
        machines=chosen.machines,
        workers=use.workers if local else max(1, round(kind.gpus)),
        threads=use.threads if local else None,
        tokens_per_second=kind.tokens_per_second.mid,
        speed_source=kind.speed_source,
        usd_per_hour=kind.usd_per_hour,
        usd_per_million_tokens=chosen.usd_per_million_tokens,
    )


def _binding(job: Job, chosen: Estimate, estimates: list[Estimate], shards: int | None) -> tuple[str, ...]:
    """Which limits keep something cheaper out, in words."""
    limits = job.limits
    cheaper = [e for e in estimates if e.usd and chosen.usd and rank(e) < rank(chosen)]
    late = sum(1 for e in cheaper if not on_time(e, limits.deadline_hours))
    out = (
        [f"limits.deadline {limits.deadline_hours:g} h: {late} cheaper kinds of machine miss it"]
        if late
        else []
    )
    if shards is not None and chosen.kind.cloud == "local" and shards < slots(job.local.workers).workers:
        out.append(
            f"{shards} shard{'s' if shards > 1 else ''}: a compressed or CSV file cannot be cut, so no more workers"
        )
    return tuple(out)


def _shape(job: Job, model: str) -> Shape | None:
    """What the job says of the model, else what is known of it."""
    if job.shape:
        return _given(job.model, job.shape)
    if model == HASH:
        return None
    try:
        return shape(model)
    except Problem:
        return None


def _given(name: str, given: Mapping[str, Any]) -> Shape:
    """A shape from the job file; what it leaves out follows from the rest as in most models."""
    layers, hidden = int(given["layers"]), int(given["hidden"])
    heads = int(given.get("heads", max(1, hidden // 64)))
    head_dim = int(given.get("head_dim", hidden // heads))
    kv_heads = int(given.get("kv_heads", heads))
    glu = bool(given.get("glu", False))
    intermediate = int(given.get("intermediate", 4 * hidden))
    attention = hidden * head_dim * (2 * heads + 2 * kv_heads)
    linear = layers * (attention + hidden * intermediate * (3 if glu else 2))
    return Shape(
        name=name,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        intermediate=intermediate,
        glu=glu,
        linear_params=linear,
        params_total=linear + hidden * int(given.get("vocabulary", 0)),
        max_tokens=int(given.get("max_tokens", 512)),
        dimensions=int(given.get("dimensions", hidden)),
        pooling=given.get("pooling"),
        causal=bool(given.get("causal", False)),
        source="the job file",
    )


def _check_gpus(job: Job) -> None:
    for name in job.limits.gpus:
        if gpus.canonical(name) is None:
            near = gpus.nearest(name)
            raise Usage(
                f"limits.gpus: no GPU {name!r} is known" + (f"; did you mean {near[0]}?" if near else ""),
                hint=f"known are {', '.join(g.name for g in gpus.gpus())}",
            )


def _oldest(offers: tuple[Offer, ...]) -> str | None:
    """The date of the stalest price."""
    return min(o.as_of for o in offers).isoformat() if offers else None
