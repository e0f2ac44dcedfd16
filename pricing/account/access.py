"""Which offers an account can launch: clouds that SkyPilot knows, and places that an account must ask for first.

`snapshot/access.csv` lists regions by how an account comes to them, `snapshot/clouds.csv` clouds by whether SkyPilot
launches machines there; both with source and date. Zones of AWS outside its regions (local zones, wavelength zones)
are recognised by their names. Pure.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Literal

from pricing.offer import Offer
from pricing.snapshot_files import rows as snapshot_rows

Access = Literal["opt-in", "restricted", "local-zone", "wavelength-zone"]

# Clouds that resell single machines of many hosts: a row is one machine, which only one user can have.
SINGLE_HOST_CLOUDS = frozenset({"vast"})

# AWS names zones in two ways (EC2 User Guide, Regions and Zones; describe-availability-zones): an id, the same for
# every account (use1-az1, usw2-lax1-az2, use1-wl1-bos-wlz1), and a name (us-east-1a, us-west-2-lax-1b,
# us-east-1-wl1-bos-wlz-1). The names of ordinary zones differ between accounts. A local zone's follows from its id.
_LOCAL_ID = re.compile(r"[a-z]+\d+-(?P<city>[a-z]{3})(?P<number>\d+)-az(?P<zone>\d+)")
_LOCAL_NAME = re.compile(r"(?P<group>[a-z]+(-[a-z]+)+-\d+-[a-z]{3}-\d+)[a-z]")
_ORDINARY_ID = re.compile(r"[a-z]+\d+-az\d+")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

WORDS: dict[Access, str] = {
    "opt-in": "a region that accounts must enable first",
    "restricted": "a region that needs the provider's approval",
    "local-zone": "a local zone, which accounts must enable first",
    "wavelength-zone": "a wavelength zone, which accounts must enable first",
}


@dataclass(frozen=True, slots=True)
class GatedPlace:
    """A place in which an account launches nothing before it asked for it. `name` is what `limits.opt_in` allows."""

    name: str  # a region, or the group of a local or wavelength zone
    access: Access
    source: str

    @property
    def reason(self) -> str:
        return f"{WORDS[self.access]} (limits.opt_in)"


def gated_place(cloud: str, region: str, zone: str | None) -> GatedPlace | None:
    """What an account must ask for before it launches there; None: it may launch at once, as far as is known."""
    if cloud == "aws" and zone is not None:
        found = _outside_region(region, zone)
        if found is not None:
            return found
    rows = _regions().get(cloud, {})
    unlisted = rows.get("*") if _REGION.fullmatch(region) else None
    access, source = rows.get(region) or unlisted or ("open", "")
    if access in ("opt-in", "restricted"):
        return GatedPlace(region, access, source)
    return None


def is_outside_region(cloud: str, region: str, zone: str | None) -> bool:
    """Whether a zone is in another city than the region that it belongs to: a local or a wavelength zone."""
    return cloud == "aws" and zone is not None and _outside_region(region, zone) is not None


def is_allowed(place: GatedPlace, patterns: Iterable[str]) -> bool:
    """Whether patterns such as "eu-south-2" or "us-west-2-lax-*" name the place."""
    return any(fnmatchcase(place.name, pattern) for pattern in patterns)


def zone_name(region: str, zone: str | None) -> str | None:
    """The name of a zone by which a machine can be requested; None: only the account knows it.

    Names are returned as they are. The id of a local zone gives its name, that of an ordinary zone does not.
    """
    if zone is None or _ORDINARY_ID.fullmatch(zone):
        return None
    local = _LOCAL_ID.fullmatch(zone)
    if local is None:
        return None if _is_wavelength(zone) and not zone.startswith(f"{region}-") else zone
    return f"{region}-{local['city']}-{local['number']}{_LETTERS[int(local['zone']) - 1]}"


def place_name(cloud: str, region: str, zone: str | None) -> str:
    """The name of a place to people: of a local or a wavelength zone, which is in another city, that of the zone."""
    return (zone_name(region, zone) or zone or region) if is_outside_region(cloud, region, zone) else region


def unlaunchable(cloud: str) -> str | None:
    """Why SkyPilot launches no machine on a cloud; None: it does, or the cloud is not in the list."""
    launchable, _, source = _clouds().get(cloud, (True, True, ""))
    return None if launchable else source


def rents_spot(cloud: str) -> bool:
    """Whether SkyPilot rents spot machines on a cloud; of a cloud that is not in the list it is assumed."""
    return _clouds().get(cloud, (True, True, ""))[1]


def derived_flags(offer: Offer) -> tuple[str, ...]:
    """Flags that follow from where an offer is: never stored in a book."""
    return (
        *(
            ("not_launchable",)
            if unlaunchable(offer.cloud) or (offer.spot and not rents_spot(offer.cloud))
            else ()
        ),
        *(("opt_in",) if gated_place(offer.cloud, offer.region, offer.zone) else ()),
        *(("single_host",) if offer.cloud in SINGLE_HOST_CLOUDS else ()),
    )


def _outside_region(region: str, zone: str) -> GatedPlace | None:
    source = "AWS EC2 User Guide, Regions and Zones: not opted in by default"
    if _is_wavelength(zone):
        return GatedPlace(zone, "wavelength-zone", source)
    by_id, by_name = _LOCAL_ID.fullmatch(zone), _LOCAL_NAME.fullmatch(zone)
    if by_id:
        return GatedPlace(f"{region}-{by_id['city']}-{by_id['number']}", "local-zone", source)
    return GatedPlace(by_name["group"], "local-zone", source) if by_name else None


def _is_wavelength(zone: str) -> bool:
    return "-wl" in zone and "-wlz" in zone


@cache
def _regions() -> dict[str, dict[str, tuple[str, str]]]:
    """Access and source, by cloud and region; "*" stands for the regions (of AWS) that are not listed."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for row in snapshot_rows("access.csv"):
        found.setdefault(row["cloud"], {})[row["region"]] = (
            row["access"],
            f"{row['source']}, {row['as_of']}",
        )
    return found


@cache
def _clouds() -> dict[str, tuple[bool, bool, str]]:
    """Whether SkyPilot launches machines on a cloud, whether spot machines too, and the source."""
    return {
        row["cloud"]: (row["launchable"] == "yes", row["spot"] == "yes", row["source"])
        for row in snapshot_rows("clouds.csv")
    }
