"""What `embedfleet doctor` says of renting: SkyPilot and its server, clouds and credentials, quotas, and orphans.

Asks; rents nothing and ends nothing. A part that is not installed is a line that says so, never a traceback.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from launcher.diagnostics.checks import Check
from launcher.errors import Problem
from launcher.fleet.backends import provider_api, skypilot
from launcher.fleet.backends.provider_api import Instance
from tasks import skypilot_task

# Quotas of AWS count vCPUs, by family: its code for each, on demand and spot (Service Quotas, service `ec2`).
FAMILIES: Mapping[str, tuple[str, str]] = {
    "g": ("L-DB2E81BA", "L-3819A6DF"),
    "vt": ("L-DB2E81BA", "L-3819A6DF"),
    "p5": ("L-417A185B", "L-C4BD4855"),
    "p": ("L-417A185B", "L-7212CCBC"),
}


def checks(plan: Mapping[str, Any] | None, ledger: Path, *, orphans: bool) -> list[Check]:
    """All that is asked for: renting as such, the needs of a plan, machines that nobody knows."""
    found = cloud_checks(plan)
    if orphans:
        from launcher.planning.price_book import book_of  # noqa: PLC0415 - the price book is read only for this
        from tasks.clock import utc  # noqa: PLC0415

        prices = Prices(book_of(None, offline=False).offers)
        listed, unasked = orphans_of(runs_known(ledger), provider_api.SUPPORTED_CLOUDS, prices, utc())
        found += orphan_checks(listed, unasked, provider_api.SUPPORTED_CLOUDS)
    return found


def cloud_checks(plan: Mapping[str, Any] | None = None) -> list[Check]:
    """SkyPilot, its server and the clouds; with a plan, also what its lots need."""
    try:
        seen = skypilot.server_health()
    except Problem as problem:
        return [Check("skypilot", "warn" if plan is None else "fail", str(problem), problem.hint)]
    found = [_versions(seen)]
    needed = sorted({lot["cloud"] for lot in plan["lots"]} - {"local"}) if plan else []
    try:
        enabled = skypilot.enabled_clouds(needed)
    except Problem as problem:
        return [*found, Check("clouds", "fail", str(problem), problem.hint)]
    found.append(_clouds(enabled, needed))
    if plan is not None:
        found += quotas(plan)
    return found


def _versions(seen: Mapping[str, str]) -> Check:
    same = seen["server"] == seen["client"]
    text = f"{seen['client']} here, {seen['server']} at {seen['url']}, {seen['status'].lower()}"
    hint = f"pip install skypilot=={seen['server']}, or upgrade the server"
    return Check("skypilot", "ok" if same else "warn", text, None if same else hint)


def _clouds(enabled: Sequence[str], needed: Sequence[str]) -> Check:
    """Which clouds SkyPilot has credentials for, and whether those that a plan needs are among them."""
    missing = [cloud for cloud in needed if cloud not in enabled]
    text = ", ".join(enabled) or "none is enabled"
    if missing:
        return Check(
            "clouds", "fail", f"{text}; the plan needs {', '.join(missing)}", f"sky check {' '.join(missing)}"
        )
    if not enabled:
        return Check("clouds", "fail", text, "sky check says how to give SkyPilot credentials")
    return Check("clouds", "ok", text)


def quotas(plan: Mapping[str, Any]) -> list[Check]:
    """The vCPUs that AWS allows beside those that the plan needs. Other clouds tell theirs in their consoles."""
    needed: dict[tuple[str, bool, str], int] = {}
    found: list[Check] = []
    for one in plan.get("quota_needed", []):
        if one["cloud"] != "aws" or one["vcpus"] is None:
            found.append(
                Check(
                    _name(one),
                    "warn",
                    f"{one['gpus']:g} GPUs are needed; nobody was asked",
                    _console(one["cloud"]),
                )
            )
            continue
        family = _family(plan, one)
        if family is None:
            found.append(
                Check(
                    _name(one),
                    "warn",
                    f"{one['vcpus']} vCPUs are needed of an unknown family",
                    _console("aws"),
                )
            )
            continue
        key = (one["region"], one["spot"], FAMILIES[family][1 if one["spot"] else 0])
        needed[key] = needed.get(key, 0) + int(one["vcpus"])
    return found + [_quota(*key, vcpus) for key, vcpus in needed.items()]


def _quota(region: str, spot: bool, code: str, needed: int) -> Check:
    name = f"quota aws {region} {'spot' if spot else 'on-demand'}"
    try:
        allowed = _allowed(region, code)
    except Problem as problem:
        return Check(name, "warn", str(problem), problem.hint)
    text = f"{allowed:g} vCPUs are allowed, {needed} are needed ({code})"
    if allowed >= needed:
        return Check(name, "ok", text)
    ask = f"aws service-quotas request-service-quota-increase --service-code ec2 --quota-code {code}"
    return Check(name, "fail", text, f"{ask} --region {region} --desired-value {needed}")


def _allowed(region: str, code: str) -> float:
    boto3, errors = provider_api.load_boto3()
    try:
        client = boto3.client("service-quotas", region_name=region)
        return float(client.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"])
    except errors as error:
        raise Problem(f"AWS does not tell: {error}", hint=_console("aws")) from error


def _family(plan: Mapping[str, Any], one: Mapping[str, Any]) -> str | None:
    """Of the instance types that the plan has for this GPU there."""
    for lot in plan["lots"]:
        if (lot["cloud"], lot["gpu"], lot["spot"]) == (one["cloud"], one["gpu"], one["spot"]):
            for seat in lot["places"]:
                if seat["region"] == one["region"]:
                    kind = str(seat["instance_type"])
                    return next(
                        (family for family in ("vt", "p5", "g", "p") if kind.startswith(family)), None
                    )
    return None


def _name(one: Mapping[str, Any]) -> str:
    return f"quota {one['cloud']} {one['region']} {one['gpu']}"


def _console(cloud: str) -> str:
    return f"see the quotas in {cloud}'s console"


# --- orphans


@dataclass(frozen=True, slots=True)
class Orphan:
    """A machine with our label whose run this laptop does not know. Dollars since it was started; None: unknown."""

    instance: Instance
    hours: float | None
    usd: Decimal | None


def orphans_of(
    known: Sequence[str], clouds: Sequence[str], price: "Prices", now: datetime
) -> tuple[list[Orphan], list[str]]:
    """Machines of runs that are in none of `known`; and who could not be asked, and why."""
    mine, found, unasked = {skypilot_task.label(run) for run in known}, list[Orphan](), list[str]()
    for cloud in clouds:
        try:
            listed = provider_api.list_instances(cloud, provider_api.list_regions(cloud))
        except Problem as problem:
            unasked.append(str(problem))
            continue
        for one in listed:
            if one.run not in mine:
                hours = None if one.started is None else max(0.0, (now - one.started).total_seconds() / 3600)
                hourly = price(one)
                usd = None if hours is None or hourly is None else hourly * Decimal(repr(hours))
                found.append(Orphan(one, hours, usd))
    return found, unasked


class Prices:
    """What an hour of an instance costs by the price book: the cheapest offer of its type in its region."""

    def __init__(self, offers: Sequence[Any]) -> None:
        self.by_machine: dict[tuple[str, str, str, str], Decimal] = {}
        for offer in offers:
            key = (offer.cloud, offer.region, offer.instance_type, offer.purchase)
            self.by_machine[key] = min(offer.usd_per_hour, self.by_machine.get(key, offer.usd_per_hour))

    def __call__(self, one: Instance) -> Decimal | None:
        return self.by_machine.get(
            (one.cloud, one.region, one.instance_type, "spot" if one.spot else "on-demand")
        )


def orphan_checks(found: Sequence[Orphan], unasked: Sequence[str], asked: Sequence[str]) -> list[Check]:
    """A line for each orphan, with what it has cost and how it is removed."""
    checks = [Check(f"orphan {o.instance.id}", "fail", _orphan(o), o.instance.remedy) for o in found]
    checks += [Check("orphans", "warn", f"not asked: {why}", "mend that, then again") for why in unasked]
    if not checks:
        where = ", ".join(asked)
        checks.append(Check("orphans", "ok", f"no machine of an unknown run on {where}"))
    return checks


def _orphan(orphan: Orphan) -> str:
    one = orphan.instance
    since = "?" if orphan.hours is None else f"{orphan.hours:.1f}"
    cost = "$?" if orphan.usd is None else f"${orphan.usd:.2f}"
    kind = f"{one.instance_type}{' spot' if one.spot else ''}"
    return f"{kind} in {one.cloud} {one.zone}, {one.state}, of run {one.run}, {since} hours, {cost} so far"


def runs_known(ledger_path: Path) -> list[str]:
    """The runs of this laptop's ledger; none where there is no ledger."""
    if not ledger_path.exists():
        return []
    from launcher.ledger.ledger import Ledger  # noqa: PLC0415

    with Ledger.open(ledger_path) as ledger:
        return [run.id for run in ledger.runs()]
