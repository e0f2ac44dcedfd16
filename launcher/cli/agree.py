"""What a run may cost, agreed before anything is rented: the one rule of `launch` and `resume`.

A run may cost, in all and over all launchers, the lowest of: what was agreed on this laptop (else the job's
`limits.budget`), what was agreed last anywhere (in the store), and `--max-cost`. `--budget` replaces them all. What it
is expected to cost is what is spent, and for the shards that are left the plan's P90 and the bound of what has no price:
`--max-cost` below that is refused.

Machines are rented without a question only where this laptop has agreed to this run before, and only up to what is left
of that. A plan that came out of a bucket, or from another laptop, was not agreed to here, whatever the store says.
"""

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from launcher.cli.confirm import NOT_BEGUN, SpentSoFar, check_max_cost, confirm_cost
from launcher.costs.budget import used_up_message
from launcher.errors import ConfirmationNeeded, Usage
from launcher.fleet.budget.agreement import Agreement, Source, agree, latest_agreement, this_user
from launcher.fleet.budget.run_budget import RunBudget, run_prices
from launcher.fleet.orphan_check import none_unknown
from launcher.fleet.provisioning.launch_prices import record_launch_prices
from launcher.fleet.provisioning.provisioner import check_access, is_rented, provision
from launcher.jobs.job import Job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from launcher.money import ONE, ZERO
from launcher.planning.offers.price_book import book_of
from launcher.planning.offers.price_check import check_prices, unpriced_places
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.steering.envelope_prices import check_envelope
from tasks.clock import utc
from tasks.protocol import lease, manifest
from tasks.protocol.keys import run_root
from tasks.protocol.shard import slab_name
from tasks.stores.base import Store

CONSENT = ("launched", "agreed")  # kinds of events that only this laptop's own user brings about


@dataclass(frozen=True, slots=True, kw_only=True)
class CostOptions:
    """What the command line says about money."""

    yes: bool
    max_cost: Decimal | None
    budget: Decimal | None = None  # of `resume`
    allow_unknown_price: bool = False
    price_book: Path | None = None
    offline: bool = False  # take the plan's prices as they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """The outcome: what the run may cost in all (None: no limit), where that comes from, and whether it was asked."""

    limit: Decimal | None
    source: Source
    asked: bool
    before: Agreement | None
    prices: Mapping[int, Decimal] = field(
        default_factory=dict[int, Decimal]
    )  # today's, of a steered plan's kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """Where a run is: its store, that store's address, and its folder on this laptop."""

    store: Store
    output: str
    folder: Path


def cost_options(arguments: Namespace) -> CostOptions:
    """The options of `launch` or `resume`."""
    return CostOptions(
        yes=arguments.yes,
        max_cost=arguments.max_cost,
        budget=getattr(arguments, "budget", None),
        allow_unknown_price=arguments.allow_unknown_price,
        price_book=arguments.price_book,
        offline=arguments.offline,
    )


def agree_to_cost(
    ledger: Ledger,
    plan: SavedPlan,
    job: Job,
    place: RunPlace,
    options: CostOptions,
    *,
    say: Callable[[str], None],
    reopened: int = 0,
    check_renting: Callable[[SavedPlan], None] = check_access,
) -> Agreed:
    """Settle what the run may cost, asking where that was not agreed to here. Writes nothing.

    `reopened`: shards with a receipt that will be embedded again once this is agreed.

    Raises:
        ConfirmationNeeded: it was not agreed, or a limit could not be held.
        Usage: `--budget` is not above what is spent, or `--yes` stands alone.
        OutdatedPlan: the plan's prices are not today's.
    """
    known = ledger.runs.get(plan.run)
    begun = known is not None or bool(place.store.list(f"{run_root(plan.run)}/"))
    so_far = _so_far(ledger, plan, known, place, reopened) if begun else NOT_BEGUN
    # An amount that cannot be read does not matter to one that replaces it.
    anywhere = latest_agreement(place.store, plan.run) if begun and options.budget is None else None
    here = ledger.costs.budget(plan.run) if known else None
    agreed = _limit(job, here, anywhere, so_far.usd, options)
    _check_price_known(plan, agreed.limit, options, say)
    rented = is_rented(plan)
    consented = known is not None and any(e.kind in CONSENT for e in ledger.runs.events(plan.run))
    if not rented or (consented and _covered(plan, agreed.limit, so_far)):
        if options.max_cost is not None:
            check_max_cost(plan, options.max_cost, so_far, unknown=options.allow_unknown_price)
        if rented and agreed.limit is not None:
            left = max(ZERO, agreed.limit - so_far.usd)
            say(f"${left:.2f} are left of the ${agreed.limit} that run {plan.run} may cost")
        return agreed
    check_renting(plan)  # before anyone is asked to pay
    prices = _check_prices_now(plan, options, say)
    if not (options.yes and options.budget is not None):  # with an amount, it is agreed
        confirm_cost(
            plan,
            so_far,
            yes=options.yes,
            most=options.max_cost,
            unknown=options.allow_unknown_price,
            limit=agreed.limit,
        )
    return replace(agreed, asked=True, prices=prices)


def check_affordable(plan: SavedPlan, job: Job, options: CostOptions, say: Callable[[str], None]) -> None:
    """Refuse a plan for its cost as `agree_to_cost` would for a new run, but ask nothing.

    Raises:
        ConfirmationNeeded: a limit could not be held, or the P90 is above --max-cost.
        Usage: --yes stands alone.
        OutdatedPlan: the plan's prices are not today's.
    """
    _check_price_known(plan, _limit(job, None, None, ZERO, options).limit, options, say)
    if is_rented(plan):
        _check_prices_now(plan, options, say)
        if options.yes:
            confirm_cost(
                plan, yes=True, most=options.max_cost, unknown=options.allow_unknown_price
            )  # with --yes it never asks
    if options.max_cost is not None:
        check_max_cost(plan, options.max_cost, unknown=options.allow_unknown_price)


def record_agreement(ledger: Ledger, store: Store, plan: SavedPlan, agreed: Agreed) -> None:
    """Write the outcome into the ledger and, for all other launchers, beside the run."""
    run = plan.run
    record_launch_prices(ledger, run, plan, agreed.prices, utc())
    limit, before = agreed.limit, agreed.before
    explicit = agreed.source != "limits.budget"
    if limit is not None:
        if (before is None or before.usd != limit) and (explicit or before is None or not before.explicit):
            agree(store, run, limit, agreed.source, this_user(), utc())
        if explicit or (agreed.asked and before is not None):
            ledger.costs.set_budget(run, limit, utc())
    if agreed.asked or explicit:
        text = "without a limit" if limit is None else f"${limit} in all, by {agreed.source}"
        ledger.runs.record_event(run, "agreed", text, utc())


def _limit(
    job: Job, here: Decimal | None, anywhere: Agreement | None, spent: Decimal, options: CostOptions
) -> Agreed:
    """The lowest of all limits, or the one that `--budget` puts in their place.

    `here`: what was agreed on this laptop. `anywhere`: what was agreed last, by the store. `spent`: USD so far.
    """
    if options.budget is not None:
        if options.budget <= spent:
            raise Usage(
                used_up_message(options.budget, spent),
                hint="the same with --budget DOLLARS, more than that",
            )
        return Agreed(limit=options.budget, source="--budget", asked=False, before=anywhere)
    own = job.limits.budget if here is None else here
    others = anywhere.usd if anywhere and (anywhere.explicit or own is None) else None
    limit = min((usd for usd in (options.max_cost, own, others) if usd is not None), default=None)
    source: Source = "limits.budget" if options.max_cost is None else "--max-cost"
    return Agreed(limit=limit, source=source, asked=False, before=anywhere)


def _covered(plan: SavedPlan, limit: Decimal | None, so_far: SpentSoFar) -> bool:
    """Whether all that may be spent is within what was agreed to: the limit, or without one the plan's P90 and bound."""
    high = plan.most_usd
    return limit is not None or (high is not None and so_far.usd + high * so_far.left <= high)


def _check_price_known(
    plan: SavedPlan, limit: Decimal | None, options: CostOptions, say: Callable[[str], None]
) -> None:
    """Refuse to rent machines without a price under a limit, which could not be held; of this machine only say so."""
    if limit is None:
        return
    if not is_rented(plan):
        if plan.usd_p90 is None and options.max_cost is None:
            say(
                f"the budget of ${limit} is not held: an hour of this machine has no price (local.usd_per_hour)"
            )
        return
    unpriced = unpriced_places(plan)
    if not unpriced and plan.usd_p90 is not None:
        return
    what = ", ".join(unpriced[:3]) or "some of the machines"
    if not options.allow_unknown_price:
        raise ConfirmationNeeded(
            f"the limit of ${limit} could not be held: no price is known for {what}",
            hint="embedfleet prices refresh, then plan again; or --allow-unknown-price, which counts known prices alone",
        )
    say(f"the limit of ${limit} holds for machines with a price alone: none is known for {what}")


def _check_prices_now(
    plan: SavedPlan, options: CostOptions, say: Callable[[str], None]
) -> Mapping[int, Decimal]:
    """Refuse a plan whose dollars are no longer true; return today's prices of a steered plan's kinds."""
    if options.offline:
        say("prices not checked (--offline): the plan's are taken as they are")
        return {}
    book = book_of(options.price_book, offline=False)
    if plan.steering is not None:
        found = check_envelope(plan, book.offers, utc())
        for remark in found.remarks:
            say(remark)
        return found.usd
    for remark in check_prices(plan, book.offers, utc()).remarks:
        say(remark)
    return {}


def _so_far(ledger: Ledger, plan: SavedPlan, known: Run | None, place: RunPlace, reopened: int) -> SpentSoFar:
    """What the run has cost and done until now, by the store and by this ledger."""
    provisioned = provision(plan, place.output, place.store, place.folder)
    budget = RunBudget(
        ledger=ledger,
        store=place.store,
        run=plan.run,
        prices=run_prices(provisioned.groups, plan.usd_p90),
        job_budget=None,
        backend=provisioned.backend,
        all_gone=lambda: known is not None and none_unknown(ledger, known, plan),
    )
    return SpentSoFar(budget.look(), _share_left(place.store, plan.run, reopened))


def _share_left(store: Store, run: str, reopened: int) -> Decimal:
    """The share of the run's shards that have no receipt yet, or are `reopened`."""
    try:
        header = manifest.read_header(store, run)
    except manifest.RunNotFound:
        return ONE
    slabs = range(manifest.slab_count(header))
    done = sum(len(lease.receipts(store, run, slab_name(number))) for number in slabs) - reopened
    return ONE - Decimal(min(max(done, 0), header.shards)) / max(1, header.shards)
