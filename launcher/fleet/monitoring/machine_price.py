"""What a machine costs an hour, and what hardware it has, where it came up.

A plan has one price for each region: that of its cheapest zone. Spot prices differ by zone, so where the plan names no
zone the backend's own price list is asked.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from launcher.fleet.backends.base import Backend
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.scheduling.placement import infra_of
from launcher.ledger.records import Site
from tasks.skypilot_task import Place


def place_of(site: Site, places: Sequence[Place]) -> Place | None:
    """The place of a group that a machine came up in; None: none of them."""
    infra = infra_of(site, places)
    return next((place for place in places if place.infra == infra), None)


def varies_by_zone(site: Site, place: Place) -> bool:
    """Whether a place's price is too coarse for a machine there: on spot, in a zone that the place does not name."""
    return site.purchase == "spot" and site.zone is not None and place.infra.count("/") == 1


def planned_price(group: FleetGroup, site: Site) -> Decimal | None:
    """Dollars an hour as the plan has them; None: the plan has no price there."""
    place = place_of(site, group.places)
    return place.usd_per_hour if place else None


def hourly_price(backend: Backend, group: FleetGroup, site: Site) -> Decimal | None:
    """Dollars an hour of a machine that came up at `site`; None: unknown."""
    place = place_of(site, group.places)
    listed = backend.price(site, place.instance_type) if place and varies_by_zone(site, place) else None
    return planned_price(group, site) if listed is None else listed


def with_hardware(group: FleetGroup, site: Site) -> Site:
    """Complete a site with its instance type, GPUs and disk: SkyPilot reports only where a machine is."""
    place = place_of(site, group.places)
    instance_type = site.instance_type or (place.instance_type if place else None)
    return replace(site, instance_type=instance_type, gpus=group.gpus, disk_gb=group.disk_gb)
