"""Checks of renting: SkyPilot and its server, clouds and credentials, quotas, and orphaned machines.

Asks only; rents nothing and ends nothing. A part that is not installed gives a check that says so, not an exception.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from launcher.diagnostics.checks import Check, Verdict
from launcher.errors import Problem
from launcher.fleet.backends import provider_api, skypilot_client
from launcher.fleet.backends.provider_api import Instance
from launcher.ledger.ledger import Ledger
from launcher.planning.offers.price_book import book_of
from launcher.planning.pilot_machine import pilot_machine, pilot_machine_in
from launcher.planning.saved.saved_plan import QuotaNeed, SavedPlan
from pricing.offer import Offer
from tasks import skypilot_task
from tasks.clock import utc

# AWS quotas count vCPUs by instance family: the quota codes on demand and spot (Service Quotas, service `ec2`).
QUOTA_CODES: Mapping[str, tuple[str, str]] = {
    "g": ("L-DB2E81BA", "L-3819A6DF"),
    "vt": ("L-DB2E81BA", "L-3819A6DF"),
    "p5": ("L-417A185B", "L-C4BD4855"),
    "p": ("L-417A185B", "L-7212CCBC"),
}


def renting_checks(plan: SavedPlan | None, ledger: Path, *, orphans: bool) -> list[Check]:
    """Check renting as such, what a plan needs, and with `orphans` for machines that no run of the ledger owns."""
    found = cloud_checks(plan)
    if orphans:
        prices = InstancePrices(book_of(None, offline=False).offers)
        clouds = provider_api.SUPPORTED_CLOUDS
        listed, unasked = find_orphans(known_runs(ledger), clouds, prices, utc())
        found += orphan_checks(listed, unasked, [cloud for cloud in clouds if cloud not in unasked])
    return found


def cloud_checks(plan: SavedPlan | None = None) -> list[Check]:
    """Check SkyPilot, its server and the clouds; with a plan, also the clouds and quotas that its machine groups need."""
    try:
        seen = skypilot_client.server_health()
    except Problem as problem:
        return [Check("skypilot", "warn" if plan is None else "fail", str(problem), problem.hint)]
    found = [_versions(seen)]
    needed = sorted({group.cloud for group in plan.lots} - {"local"}) if plan else []
    try:
        enabled = skypilot_client.enabled_clouds(needed)
    except Problem as problem:
        return [*found, Check("clouds", "fail", str(problem), problem.hint)]
    found.append(_clouds(enabled, needed))
    found.append(_pilot(plan, enabled))
    if plan is not None:
        found += quota_checks(plan)
    return found


def _versions(seen: Mapping[str, str]) -> Check:
    same = seen["server"] == seen["client"]
    text = f"{seen['client']} here, {seen['server']} at {seen['url']}, {seen['status'].lower()}"
    hint = f"pip install skypilot=={seen['server']}, or upgrade the server"
    return Check("skypilot", "ok" if same else "warn", text, None if same else hint)


def _clouds(enabled: Sequence[str], needed: Sequence[str]) -> Check:
    """Which clouds SkyPilot has credentials for, and whether those that the plan needs are among them."""
    missing = [cloud for cloud in needed if cloud not in enabled]
    text = ", ".join(enabled) or "none is enabled"
    if missing:
        return Check(
            "clouds", "fail", f"{text}; the plan needs {', '.join(missing)}", f"sky check {' '.join(missing)}"
        )
    if not enabled:
        return Check("clouds", "fail", text, "sky check says how to give SkyPilot credentials")
    return Check("clouds", "ok", text)


def _pilot(plan: SavedPlan | None, enabled: Sequence[str]) -> Check:
    """Whether `launch --pilot` can run the launcher away from this laptop, on what and for how much an hour."""
    url, local = skypilot_client.api_server()
    machines = [pilot_machine(plan)] if plan is not None else [pilot_machine_in(cloud) for cloud in enabled]
    where = "; ".join(map(str, machines)) or "no cloud is enabled"
    if local:
        text = f"no launch --pilot: SkyPilot's API server ({url}) ends with this machine"
        return Check(
            "pilot", "absent", text, f"sky api login -e URL connects to one that stays; then {where}"
        )
    return Check("pilot", "ok", f"launch --pilot: {where}")


def quota_checks(plan: SavedPlan) -> list[Check]:
    """Compare the vCPUs that AWS allows with those that the plan needs; other clouds show theirs in the console only."""
    needed: dict[tuple[str, bool, str], int] = {}
    found: list[Check] = []
    for one in plan.quota_needed:
        if one.cloud != "aws" or one.vcpus is None:
            found.append(
                Check(
                    _name(one),
                    "warn",
                    f"{one.gpus:g} GPUs are needed; this quota cannot be asked for",
                    _console(one.cloud),
                )
            )
            continue
        family = _instance_family(plan, one)
        if family is None:
            found.append(
                Check(
                    _name(one),
                    "warn",
                    f"{one.vcpus} vCPUs are needed of an unknown family",
                    _console("aws"),
                )
            )
            continue
        key = (one.region, one.spot, QUOTA_CODES[family][1 if one.spot else 0])
        needed[key] = needed.get(key, 0) + one.vcpus
    return found + [_quota(*key, vcpus) for key, vcpus in needed.items()]


def _quota(region: str, spot: bool, code: str, needed: int) -> Check:
    name = f"quota aws {region} {'spot' if spot else 'on-demand'}"
    try:
        allowed = _allowed_vcpus(region, code)
    except Problem as problem:
        return Check(name, "warn", str(problem), problem.hint)
    text = f"{allowed:g} vCPUs are allowed, {needed} are needed ({code})"
    if allowed >= needed:
        return Check(name, "ok", text)
    ask = f"aws service-quotas request-service-quota-increase --service-code ec2 --quota-code {code}"
    return Check(name, "fail", text, f"{ask} --region {region} --desired-value {needed}")


def _allowed_vcpus(region: str, code: str) -> float:
    boto3, errors = provider_api.load_boto3()
    try:
        client = boto3.client("service-quotas", region_name=region)
        return float(client.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"])
    except errors as error:
        raise Problem(f"AWS does not say: {error}", hint=_console("aws")) from error


def _instance_family(plan: SavedPlan, one: QuotaNeed) -> str | None:
    """The quota family of the plan's instance type for this GPU in this region; None if there is none."""
    for group in plan.lots:
        if (group.cloud, group.gpu, group.spot) == (one.cloud, one.gpu, one.spot):
            for place in group.places:
                if place.region == one.region:
                    families = ("vt", "p5", "g", "p")
                    return next((f for f in families if place.instance_type.startswith(f)), None)
    return None


def _name(one: QuotaNeed) -> str:
    return f"quota {one.cloud} {one.region} {one.gpu}"


def _console(cloud: str) -> str:
    return f"see the quotas in {cloud}'s console"


# --- orphans


@dataclass(frozen=True, slots=True)
class Orphan:
    """A machine with our label whose run is not in the ledger.

    `hours` and `usd` count since its start; None where unknown.
    """

    instance: Instance
    hours: float | None
    usd: Decimal | None


def find_orphans(
    known: Sequence[str], clouds: Sequence[str], price: "InstancePrices", now: datetime
) -> tuple[list[Orphan], dict[str, Problem]]:
    """List the machines whose run is not in `known`, and why a cloud could not be asked."""
    known_labels, found, unasked = (
        {skypilot_task.label(run) for run in known},
        list[Orphan](),
        dict[str, Problem](),
    )
    for cloud in clouds:
        try:
            listed = provider_api.list_instances(cloud, provider_api.list_regions(cloud))
        except Problem as problem:
            unasked[cloud] = problem
            continue
        for one in listed:
            if one.run not in known_labels:
                hours = None if one.started is None else max(0.0, (now - one.started).total_seconds() / 3600)
                hourly = price(one)
                usd = None if hours is None or hourly is None else hourly * Decimal(repr(hours))
                found.append(Orphan(one, hours, usd))
    return found, unasked


class InstancePrices:
    """Price per hour of an instance by the price book: the cheapest offer of its type in its region."""

    def __init__(self, offers: Sequence[Offer]) -> None:
        self.by_machine: dict[tuple[str, str, str, str], Decimal] = {}
        for offer in offers:
            key = (offer.cloud, offer.region, offer.instance_type, offer.purchase)
            self.by_machine[key] = min(offer.usd_per_hour, self.by_machine.get(key, offer.usd_per_hour))

    def __call__(self, one: Instance) -> Decimal | None:
        return self.by_machine.get(
            (one.cloud, one.region, one.instance_type, "spot" if one.spot else "on-demand")
        )


def orphan_checks(
    found: Sequence[Orphan], unasked: Mapping[str, Problem], asked: Sequence[str]
) -> list[Check]:
    """A failed check for each orphan, with its cost so far and the command that ends it.

    A cloud without credentials here is no warning: most users rent from one cloud alone. `asked`: the clouds that
    answered.
    """
    checks = [Check(f"orphan {o.instance.id}", "fail", _orphan(o), o.instance.remedy) for o in found]
    if asked and not found:
        checks.append(Check("orphans", "ok", f"no machine of an unknown run on {', '.join(asked)}"))
    for why in unasked.values():
        verdict: Verdict = "absent" if isinstance(why, provider_api.NoCredentials) else "warn"
        hint = why.hint if verdict == "absent" else "fix that, then run doctor again"
        checks.append(Check("orphans", verdict, f"not asked: {why}", hint))
    return checks


def _orphan(orphan: Orphan) -> str:
    one = orphan.instance
    since = "?" if orphan.hours is None else f"{orphan.hours:.1f}"
    cost = "$?" if orphan.usd is None else f"${orphan.usd:.2f}"
    kind = f"{one.instance_type}{' spot' if one.spot else ''}"
    return f"{kind} in {one.cloud} {one.zone}, {one.state}, of run {one.run}, {since} hours, {cost} so far"


def known_runs(ledger_path: Path) -> list[str]:
    """The runs of the ledger at this path; none if there is no ledger."""
    if not ledger_path.exists():
        return []
    with Ledger.open(ledger_path) as ledger:
        return [run.id for run in ledger.runs.all()]
