"""The plan of what was decided, beside what else there is: this machine, hosted APIs, each machine type alone.

Measures and decides nothing: `planner` has done both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from launcher.corpus.inspected import InspectedCorpus
from launcher.format import compact, plural, share_text
from launcher.jobs import job as jobs
from launcher.planning.estimates.comparison import Comparison, Way, compare
from launcher.planning.estimates.estimate import (
    NO_CHARGES,
    SHARD_SECONDS,
    Candidate,
    Estimate,
    RunCharges,
    UsdSpread,
    launch_note,
)
from launcher.planning.estimates.hosted_apis import HostedApi, HostedWork, missing_prices, price_apis
from launcher.planning.estimates.past_runs import PastRuns, basis_of, past_runs, place_of
from launcher.planning.estimates.small_charges import small_charges
from launcher.planning.estimates.store_costs import store_costs
from launcher.planning.estimates.unpriced import with_bounds
from launcher.planning.offers.candidates import CandidateSet, data_locations, rented_engine
from launcher.planning.offers.machine_groups import machine_groups, quota_needs
from launcher.planning.offers.quotas import regions_without_quota, unused_quota
from launcher.planning.offers.unmatched import unmatched_names
from launcher.planning.optimizer.decide import Alternative, Decision, single_type_fleet, usd_above
from launcher.planning.optimizer.search import Requirements, rank_usd
from launcher.planning.plan import Plan, name_run
from launcher.planning.planned_vectors import planned_vectors
from launcher.planning.reach import UnseenPath, needed_upload, sees_folders, unseen_paths
from launcher.planning.request import SEED, PlanRequest, model_shape, work_tokens
from launcher.planning.saved.saved_plan import MachineGroup, NeededUpload, PlannedWork
from launcher.planning.saved.steering_plan import SteeringPlan
from launcher.planning.sink_cost import sink_cost
from launcher.planning.steering.static_chance import static_chance_late
from launcher.planning.steering.static_fleet import LateChance
from launcher.planning.steering.steering_forecast import steering_plan
from launcher.planning.this_machine import ThisMachine, not_measured_text, why_not_chosen
from launcher.throughput.local_machine import worker_slots
from pricing.book.fixed_share import fixed_spot_shares
from pricing.hosted.hosted_apis import hosted_prices, unknown_prices
from tasks.models.files import HASH_MODEL
from tasks.protocol.shard import WHOLE_FILES

RENTED = "the cheapest fleet"  # the alternative beside this machine
AFTER_UPLOAD = ", after an upload"  # of a fleet that cannot see the folders of the job
LEAST_SHARD_POWER, MOST_SHARD_POWER = 14, 20  # powers of two of a shard's tokens


@dataclass(frozen=True, slots=True)
class CloudChoice:
    """What the clouds offer for the job, and what is required of a fleet."""

    candidates: CandidateSet
    requirements: Requirements
    upload: bool = False  # none of the machines sees the folders of the job


def unseen_folders(request: PlanRequest, corpus: InspectedCorpus) -> tuple[UnseenPath, ...]:
    """The folders of the job that machines of a cloud cannot see; none of a corpus that is only declared."""
    if corpus.listing is None:
        return ()
    output = request.job.output
    return unseen_paths(corpus.listing.root, output and output.path, request.model)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided, and from what."""

    request: PlanRequest
    corpus: InspectedCorpus
    decision: Decision
    clouds: CloudChoice | None  # None: they were not asked
    this_machine: ThisMachine | None  # None: it was not measured

    @property
    def chosen(self) -> Estimate:
        """The fleet that was chosen, or this machine."""
        return self.decision.chosen

    @property
    def chosen_here(self) -> ThisMachine | None:
        """This machine, if it was chosen."""
        here = self.this_machine
        return here if here and here.estimate is self.chosen else None

    @property
    def offers(self) -> CandidateSet | None:
        """What the clouds offer."""
        return self.clouds.candidates if self.clouds else None

    @property
    def needs_upload(self) -> bool:
        """Whether no rented machine sees the folders of the job."""
        return self.clouds is not None and self.clouds.upload


def assemble_plan(choice: Choice) -> Plan:
    """The plan of what was decided, beside what else there is: this machine, hosted APIs, each machine type alone."""
    request, corpus, decision, chosen = choice.request, choice.corpus, choice.decision, choice.chosen
    work = _work(choice)
    hosted = _hosted_work(request, corpus)
    apis = price_apis(hosted, hosted_prices())
    steering, upload = _steering(choice), _upload(choice)
    vectors = planned_vectors(request.job, request.model, round(corpus.profile.chunks.mid))
    return Plan(
        run=name_run(request.job.name, work),
        created=request.now,
        work=work,
        profile=corpus.profile,
        lots=_groups(choice),
        chosen=chosen,
        alternatives=_alternatives(choice, upload),
        binding=(*decision.binding, *(_idle_workers(choice) if choice.chosen_here else _launches(chosen))),
        not_priced=(
            *_not_priced(choice),
            *_listed_spot(request, chosen),
            *_small_charges(choice),
            *missing_prices(hosted, unknown_prices()),
        ),
        prices_as_of=choice.offers.oldest if choice.offers else None,
        frontier=decision.frontier,
        kinds=_single_type_fleets(choice.clouds) if choice.clouds else (),
        hosted=apis,
        compared=_compared(choice, apis, steering),
        quota=quota_needs(chosen.allocations),
        left_out=choice.offers.left_out if choice.offers else {},
        files_left_out=corpus.listing.left_out if corpus.listing else (),
        upload=upload,
        repeats=corpus.repeats,
        stores=store_costs(vectors),
        sink=sink_cost(request.job.sink, vectors, _steered_usd(steering) or chosen.usd),
        steering=steering,
        static_chance_late=_static_chance_late(choice),
        gap=decision.gap if choice.offers else None,
        past=_past_runs(choice),
    )


def _groups(choice: Choice) -> tuple[MachineGroup, ...]:
    """The machines that were chosen; this machine with as many workers as there are shards for."""
    if not choice.chosen_here:
        return machine_groups(choice.chosen.allocations)
    use = worker_slots(choice.request.job.local.workers, choice.corpus.shards)
    return machine_groups(choice.chosen.allocations, use.workers, use.threads)


def _alternatives(choice: Choice, upload: NeededUpload | None) -> tuple[Alternative, ...]:
    """The other fleets, and this machine if it was not chosen: the cheapest first."""
    found = list(choice.decision.alternatives)
    if upload is not None:
        found = [replace(one, name=f"{one.name}{AFTER_UPLOAD}") for one in found]
    if choice.this_machine and not choice.chosen_here:
        here = choice.this_machine.estimate
        found.append(Alternative("this machine", here, usd_above(here, choice.chosen)))
    return tuple(sorted(found, key=lambda one: rank_usd(one.estimate)))


def _static_chance_late(choice: Choice) -> LateChance | None:
    """The chance that the chosen fleet is late, were it not steered; None: this machine alone was asked."""
    if choice.clouds is None:
        return None
    request = choice.request
    return static_chance_late(choice.chosen, choice.clouds.requirements, request.now, request.options.steered)


def _past_runs(choice: Choice) -> PastRuns | None:
    """How plans of this place and this source of speeds came true here; None: there were too few."""
    place = place_of(choice.chosen.main_candidate.cloud)
    basis = basis_of(one.candidate.speed_source for one in choice.chosen.allocations)
    return past_runs(choice.request.options.outcomes).get((place, basis))


def _steering(choice: Choice) -> SteeringPlan | None:
    """How the fleet will be steered; None for this machine, and where the job wants a static fleet."""
    if choice.clouds is None:
        return None
    request, clouds = choice.request, choice.clouds
    found = clouds.candidates.candidates
    return steering_plan(
        request.job, found, clouds.requirements, choice.chosen, request.now, request.options.steered
    )


def _hosted_work(request: PlanRequest, corpus: InspectedCorpus) -> HostedWork:
    """What a hosted API would have to do."""
    job, shape = request.job, model_shape(request.job, request.model)
    kept = job.output.dimensions if job.output else None
    return HostedWork(
        model=job.model,
        parameters=shape.params_total if shape else None,
        tokens=corpus.profile.tokens.mid,
        longest=max((tokens for _, tokens in corpus.profile.lengths), default=None),
        dimensions=kept or (shape.dimensions if shape else None),
        deadline_hours=request.deadline_hours,
    )


def _compared(
    choice: Choice, apis: Sequence[HostedApi], steering: SteeringPlan | None
) -> tuple[Comparison, ...]:
    """What was chosen beside the hosted APIs, and beside this machine or the cheapest fleet."""
    chosen, other = _here_and_fleet(choice) if choice.chosen_here else _fleet_and_here(choice, steering)
    return compare(chosen, work_tokens(choice.corpus.profile), SEED, apis, other)


def _here_and_fleet(choice: Choice) -> tuple[Way, Way | None]:
    """This machine, which was chosen, and the cheapest fleet."""
    here = Way("this machine", "this machine", choice.chosen, NO_CHARGES)
    fleet = next((one.estimate for one in choice.decision.alternatives if one.name == RENTED), None)
    if fleet is None:
        return here, None
    name = RENTED + (AFTER_UPLOAD if choice.needs_upload else "")
    return here, Way(name, "rented", fleet, _charges(choice))


def _fleet_and_here(choice: Choice, steering: SteeringPlan | None) -> tuple[Way, Way | None]:
    """The fleet that was chosen, and this machine. A steered one costs what the steered run is expected to cost."""
    fleet = Way(RENTED, "rented", choice.chosen, _charges(choice), steered=_steered_usd(steering))
    if steering is not None:
        fleet = replace(fleet, steered_unpriced=steering.unpriced)
    if choice.this_machine is None:
        return fleet, None
    here = choice.this_machine.estimate
    why = why_not_chosen(choice.request, here, choice.chosen, upload=choice.needs_upload)
    return fleet, Way("this machine", "this machine", here, NO_CHARGES, (why,) if why else ())


def _charges(choice: Choice) -> RunCharges:
    return choice.clouds.requirements.charges if choice.clouds else NO_CHARGES


def _steered_usd(steering: SteeringPlan | None) -> UsdSpread | None:
    """What the steered run is expected to cost; None: it is not steered, or that is not known."""
    if steering is None or not steering.expects:
        return None
    p10, p50, p90 = steering.usd.p10, steering.usd.p50, steering.usd.p90
    return None if p10 is None or p50 is None or p90 is None else UsdSpread(p10, p50, p90)


def _launches(chosen: Estimate) -> tuple[str, ...]:
    note = launch_note(chosen.allocations)
    return (note,) if note else ()


def _work(choice: Choice) -> PlannedWork:
    """What has to be done. A rented fleet cuts the corpus into shards at launch, by its slowest worker."""
    request, corpus, here = choice.request, choice.corpus, choice.chosen_here
    return PlannedWork(
        job=jobs.dump(request.job),
        base=str(request.base.absolute()),
        corpus=corpus.listing.root if corpus.listing else None,
        listing=corpus.listing.digest if corpus.listing else None,
        model=request.model,
        engine=here.speed.engine if here else _rented_engine(request),
        shards=corpus.shards if here else None,
        shard_tokens=corpus.shard_tokens if here else _shard_tokens(choice.chosen),
        model_fingerprint=request.model_fingerprint,
    )


def _rented_engine(request: PlanRequest) -> str:
    """The engine of rented machines. Meaningless vectors of a shape are predicted as those of an engine of this shape."""
    if HASH_MODEL in (request.job.model, request.job.engine):
        return HASH_MODEL
    return rented_engine(request.job, request.engines)


def _not_priced(choice: Choice) -> tuple[str, ...]:
    """What the dollars leave out, and what was not considered, in words."""
    request, clouds = choice.request, choice.clouds
    out: list[str] = []
    if choice.this_machine:
        out += choice.this_machine.not_priced
    elif choice.corpus.sampled is not None and request.job.precision is None:
        out.append(not_measured_text(request))
    if clouds:
        out += clouds.candidates.not_priced
        out += unused_quota(clouds.requirements, clouds.candidates.candidates)
        out += regions_without_quota(request.job, clouds.candidates.candidates)
        out += unmatched_names(request.job, request.options.offers)
    elif request.options.on != "local":
        out.append(f"clouds: the shape of {request.job.model} is not known (give `model:` as a mapping)")
    return tuple(out)


def _listed_spot(request: PlanRequest, chosen: Estimate) -> tuple[str, ...]:
    """That spot prices of the chosen fleet come of a list, and not of a market, in words."""
    clouds = {one.candidate.cloud for one in chosen.allocations if one.candidate.spot}
    if not clouds:
        return ()
    found = fixed_spot_shares(one for one in request.options.offers if one.cloud in clouds)
    return tuple(
        f"how much spot there is on {cloud}: its price is {share_text(float(share))} of on-demand for each of "
        f"{types} GPU types, which is a list and no market"
        for cloud, (share, types) in sorted(found.items())
    )


def _small_charges(choice: Choice) -> tuple[str, ...]:
    """Requests, addresses and NAT of a rented fleet, in words."""
    if choice.chosen_here:
        return ()
    _, vectors = data_locations(choice.request.job)
    store = vectors.cloud if vectors else None
    tokens = work_tokens(choice.corpus.profile).mid
    return small_charges(choice.chosen, tokens, _shard_tokens(choice.chosen), store)


def _upload(choice: Choice) -> NeededUpload | None:
    """The upload that the cheapest fleet needs first; None: it needs none."""
    if not choice.needs_upload:
        return None
    fleets = (choice.chosen, *(one.estimate for one in choice.decision.alternatives))
    rented = next(
        (fleet.main_candidate for fleet in fleets if not sees_folders(fleet.main_candidate.cloud)), None
    )
    if rented is None:
        return None
    return needed_upload(
        unseen_folders(choice.request, choice.corpus),
        name=choice.request.job.name,
        stored_bytes=choice.corpus.profile.stored_bytes,
        cloud=rented.cloud,
        region=rented.region,
    )


def _single_type_fleets(clouds: CloudChoice) -> tuple[Estimate, ...]:
    """Each GPU, size, cloud and purchase kind alone, from its cheapest place on: as many as the deadline needs."""
    quotes: dict[tuple[str, str, float, bool], list[Candidate]] = {}
    for candidate in with_bounds(clouds.candidates.candidates):
        quotes.setdefault((candidate.cloud, candidate.gpu, candidate.gpus, candidate.spot), []).append(
            candidate
        )
    made = (single_type_fleet(found, clouds.requirements) for found in quotes.values())
    return tuple(sorted((estimate for estimate in made if estimate), key=rank_usd))


def _shard_tokens(fleet: Estimate) -> int:
    """Tokens of a shard: the power of two that the slowest worker of the fleet embeds in about a minute."""
    slowest = min(a.candidate.tokens_per_second.mid / max(1.0, a.candidate.gpus) for a in fleet.allocations)
    power = round(slowest * SHARD_SECONDS).bit_length() - 1
    return 2 ** max(LEAST_SHARD_POWER, min(MOST_SHARD_POWER, power))


def _idle_workers(choice: Choice) -> tuple[str, ...]:
    """A sentence when the corpus has fewer shards than this machine has workers."""
    corpus, shards = choice.corpus, choice.corpus.shards
    if shards is None or shards >= worker_slots(choice.request.job.local.workers).workers:
        return ()
    listing = corpus.listing
    # A file that is one document is never cut, and several share a shard: few shards are few texts.
    if listing is not None and any(f.indivisible and f.kind not in WHOLE_FILES for f in listing.files):
        why = "compressed files, CSV and the like are not cut"
    else:
        why = "the corpus is small"
        why += f" (a shard takes {compact(corpus.shard_tokens)} tokens)" if corpus.shard_tokens else ""
    return (f"{plural(shards, 'shard')}: {why}, so no more workers",)
