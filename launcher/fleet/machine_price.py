"""."""

from collections.abc import Sequence

from launcher.fleet.placement import infra_of
from launcher.ledger.records import Site
from tasks.skypilot_task import Place


def place_of(site: Site, places: Sequence[Place]) -> Place | None:
    """The place of a lot that a machine came up in."""
    infra = infra_of(site, places)
    return next((place for place in places if place.infra == infra), None)


def varies_by_zone(site: Site, place: Place) -> bool:
    """Whether a place's price says too little of a machine there: on spot, in a zone that the place does not name."""
    return site.purchase == "spot" and site.zone is not None and place.infra.count("/") == 1
