"""The prices at which a steered run was launched: those of the price book then, where the plan's had moved.

They are in the ledger as quotes, so that every launcher on this laptop reckons with them: for what to ask for, and for
what machines cost where their cloud publishes no price history. A rebuilt ledger has the plan's prices again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from launcher.fleet.provisioning.task_specs import place_of, steered_kinds
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.ledger.ledger import Ledger
from launcher.ledger.steering_records import QuoteRecord
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.saved.steering_plan import SteeredKind


def record_launch_prices(
    ledger: Ledger, run: str, plan: SavedPlan, usd: Mapping[int, Decimal], now: datetime
) -> None:
    """Record prices by the position of their kind in the plan's envelope."""
    if plan.steering is None:
        return
    kinds = plan.steering.envelope.kinds
    ledger.steering.record_quotes(
        QuoteRecord(*_key(kinds[number]), at=now, usd_per_hour=price, source=source_of(run))
        for number, price in usd.items()
    )


def launch_priced(
    ledger: Ledger, run: str, plan: SavedPlan, groups: Sequence[FleetGroup]
) -> tuple[FleetGroup, ...]:
    """The groups at the prices of the run's last launch; those without one at the plan's."""
    kinds = steered_kinds(plan)
    places = {place_of(kind).infra for kind in kinds.values()}
    quotes = ledger.steering.latest_quotes(places, plan.created, source=source_of(run)) if kinds else []
    usd = {(quote.place, quote.instance_type, quote.purchase): quote.usd_per_hour for quote in quotes}
    found: list[FleetGroup] = []
    for group in groups:
        price = usd.get(_key(kinds[group.number])) if group.number in kinds else None
        if price is not None:
            places_now = tuple(replace(place, usd_per_hour=price) for place in group.places)
            group = replace(group, places=places_now, usd_per_hour=price)  # noqa: PLW2901 - the same one
        found.append(group)
    return tuple(found)


def source_of(run: str) -> str:
    """The source of a run's quotes: another run has discounts of its own."""
    return f"price book at the launch of {run}"


def _key(kind: SteeredKind) -> tuple[str, str, str]:
    return place_of(kind).infra, kind.instance_type, "spot" if kind.spot else "on-demand"
