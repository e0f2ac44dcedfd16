"""What a plan says about its prices: how old each is, what it was quoted at, and the account's discounts in them."""

from datetime import datetime

from launcher.format import money, plain, plural
from launcher.planning.saved.saved_plan import MachineGroup, MachinePlace, SavedPlan
from launcher.reports.plans.place_names import name_of
from pricing.staleness import MARKETS, days_of_validity

LOCAL = "local"


def oldest_place(group: MachineGroup) -> MachinePlace | None:
    """The place of a group with the oldest price; None: this machine, or a plan that wrote down no dates."""
    dated = [place for place in group.places if place.price_as_of is not None and group.cloud != LOCAL]
    return min(dated, key=lambda place: str(place.price_as_of), default=None)


def price_age_days(group: MachineGroup, created: datetime) -> int | None:
    """How old the oldest price of a group was when the plan was made; None: not written down."""
    place = oldest_place(group)
    if place is None or place.price_as_of is None:
        return None
    return max(0, (created.date() - place.price_as_of).days)


def price_age_text(group: MachineGroup, created: datetime, *, table: bool = False) -> str:
    """The age of a group's price, such as "153 days old"; in a table "153 d"."""
    age = price_age_days(group, created)
    if age is None:
        return "" if group.cloud == LOCAL else "?"
    return f"{age} d" if table else f"{age} day{'' if age == 1 else 's'} old"


def place_price_age(place: MachinePlace, created: datetime) -> str:
    """When a place's price was seen, and how long before the plan; "?" where its source has no date."""
    if place.price_as_of is None:
        return "?"
    days = max(0, (created.date() - place.price_as_of).days)
    return f"{place.price_as_of}, {days} day{'' if days == 1 else 's'} old"


def place_price_note(place: MachinePlace) -> str:
    """What a place's price was quoted at, where it is another now: by the account's discount, or by its age."""
    if place.discount is not None:
        return f"your discount of {plain(place.discount)}; listed at {money(place.quoted_usd_per_hour)}"
    if place.quoted_usd_per_hour in (None, place.usd_per_hour):
        return ""
    return f"likely now; quoted at {money(place.quoted_usd_per_hour)}"


def old_price_lines(plan: SavedPlan) -> list[str]:
    """A line for each group whose price is older than prices of its kind hold."""
    lines: list[str] = []
    for group in plan.lots:
        age, holds = price_age_days(group, plan.created), days_of_validity(group.cloud, spot=group.spot)
        place = oldest_place(group)
        kind = "spot" if group.spot else "market" if group.cloud in MARKETS else "list"
        undated = [p for p in group.places if _is_undated(group, p)]
        if undated:
            lines.append(
                f"price without a date: {group.gpus_per_machine:g} x {group.gpu} on {group.cloud} "
                f"{plain(name_of(group, undated[0]))} at {money(undated[0].usd_per_hour)}; {kind} prices hold for "
                f"{holds} days"
            )
        if age is None or place is None or age <= holds:
            continue
        moved = ""
        if place.quoted_usd_per_hour != place.usd_per_hour and place.discount is None:
            moved = f": quoted at {money(place.quoted_usd_per_hour)}, likely {money(place.usd_per_hour)} now"
        lines.append(
            f"old price: {group.gpus_per_machine:g} x {group.gpu} on {group.cloud} {plain(name_of(group, place))} is "
            f"{plural(age, 'day')} old, and {kind} prices hold for {holds}{moved}"
        )
    return lines


def has_undated(plan: SavedPlan) -> bool:
    """Whether a price of the chosen machines has no date, so that its age is unknown."""
    return any(_is_undated(group, place) for group in plan.lots for place in group.places)


def _is_undated(group: MachineGroup, place: MachinePlace) -> bool:
    return group.cloud != LOCAL and place.price_as_of is None and place.quoted_usd_per_hour is not None


def discount_lines(plan: SavedPlan) -> list[str]:
    """A line for each discount of the account that is in the plan's prices."""
    found = dict[str, str]()
    for group in plan.lots:
        for place in group.places:
            if place.discount is not None:
                text = (
                    f"after your discount of {plain(place.discount)}: {group.gpus_per_machine:g} x {group.gpu} at "
                    f"{money(place.usd_per_hour)} an hour, listed at {money(place.quoted_usd_per_hour)}"
                )
                found.setdefault(place.discount, text)
    return list(found.values())
