"""The places of a plan's machines by the names that people know. Pure."""

from launcher.planning.saved.saved_plan import MachineGroup, MachinePlace
from pricing.account import access


def place_names(group: MachineGroup) -> list[str]:
    """The places of a group, the cheapest first: regions, and local zones by their own names.

    A region in which the group has machines of its own and of a local zone counts as both.
    """
    names = list[str]()
    for region in group.regions:
        names += [name_of(group, place) for place in group.places if place.region == region] or [region]
    return list(dict.fromkeys(names))


def name_of(group: MachineGroup, place: MachinePlace) -> str:
    """The name of one place."""
    return access.place_name(group.cloud, place.region, place.zone)
