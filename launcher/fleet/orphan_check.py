"""The proof that nothing of a run is left: whoever could know of a machine is asked, by the run's label.

SkyPilot is asked, and on AWS and GCP the provider itself. What nobody lists, nobody pays for; what somebody still
lists after the run is over is an orphan.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from launcher.errors import Problem
from launcher.fleet.backends import provider_api, skypilot
from launcher.fleet.backends.provider_api import Instance
from launcher.fleet.provisioner import is_rented
from launcher.fleet.states import ALIVE
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from tasks import skypilot_task
from tasks.clock import utc

SCHEMA = "embedfleet/down/1"
TEARDOWN_SECONDS = 180.0  # seconds that SkyPilot has to take machines down after their jobs have ended
PROVIDER_LAG_SECONDS = 15.0  # seconds that a provider may go on listing what SkyPilot has taken down
POLL_SECONDS = 3.0  # seconds between looks
ORPHAN_EVENT = "orphan"  # an event's kind


@dataclass(slots=True)
class Remaining:
    """What still bears a run's label, by who says so, and who could not be asked."""

    asked: list[str] = field(default_factory=list[str])
    jobs: list[str] = field(default_factory=list[str])
    machines: list[str] = field(default_factory=list[str])  # by SkyPilot
    instances: list[Instance] = field(default_factory=list[Instance])  # by the provider
    unasked: list[str] = field(default_factory=list[str])

    @property
    def count(self) -> int:
        return max(len(self.jobs), len(self.machines), len(self.instances))

    @property
    def going(self) -> bool:
        """SkyPilot is still taking machines down, as far as it says."""
        return bool(self.jobs or self.machines) or "SkyPilot" not in self.asked

    @property
    def proven(self) -> bool:
        """Nothing is left, and everybody was asked."""
        return not self.count and not self.unasked

    def orphans(self) -> list[str]:
        """A line each: its name, a colon, what it is; by the provider, who sends the bill, where it lists any."""
        if self.instances:
            return [
                f"{one.id}: {one.instance_type} in {one.cloud} {one.zone}, {one.state}; {one.remedy}"
                for one in self.instances
            ]
        listed = self.machines if len(self.machines) >= len(self.jobs) else self.jobs
        return [f"{name.partition(' ')[0]}: by SkyPilot, {name.partition(' ')[2]}" for name in listed]


def find_remaining(ledger: Ledger, run: Run, plan: Mapping[str, Any]) -> Remaining:
    """Ask everybody who could know of a machine of this run."""
    left = Remaining()
    if not is_rented(plan):
        left.asked.append("the process table")
        left.machines = [m.name for m in ledger.machines.of_run(run.id, set(ALIVE))]
        return left
    name = skypilot_task.prefix(run.id)
    try:
        left.jobs = [f"{j.name} (job {j.id}, {j.status})" for j in skypilot.list_jobs(name) if j.alive]
        left.machines = [f"{cluster} ({status})" for cluster, status in skypilot.list_clusters(name)]
        left.asked.append("SkyPilot")
    except Problem as problem:
        left.unasked.append(str(problem))
    for cloud, regions in regions_used(ledger, run, plan).items():
        if cloud in provider_api.SUPPORTED_CLOUDS:
            try:
                left.instances += provider_api.list_instances(cloud, regions, skypilot_task.label(run.id))
                left.asked += [f"{cloud} {region}" for region in regions]
            except Problem as problem:
                left.unasked.append(str(problem))
    return left


def regions_used(ledger: Ledger, run: Run, plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """Where a machine of the run may have been: where the plan has places, and where machines were seen."""
    used: dict[str, set[str]] = {}
    for lot in plan["lots"]:
        for seat in lot["places"]:
            used.setdefault(lot["cloud"], set()).add(seat["region"])
    for life in ledger.machines.lives(run.id):
        if life.region:
            used.setdefault(life.cloud, set()).add(life.region)
    return {cloud: sorted(regions) for cloud, regions in sorted(used.items())}


def confirm_gone(ledger: Ledger, run: str, left: Remaining) -> None:
    """Machines of which it is proven that they went are written down so."""
    if left.proven:
        for machine in ledger.machines.of_run(run):
            ledger.machines.mark_gone(machine.name, utc())


def await_teardown(
    ledger: Ledger,
    run: Run,
    plan: Mapping[str, Any],
    say: Callable[[str], None],
    hurried: Callable[[], bool],
    look: Callable[[], Remaining] | None = None,
    patience: float = TEARDOWN_SECONDS,
    pause: float = POLL_SECONDS,
) -> None:
    """The run is over: wait until SkyPilot has taken its machines down, and say what is left, if anything.

    `hurried`: whether to stop waiting. `look`: another way to ask than `what_is_left`.
    """
    look = look or (lambda: find_remaining(ledger, run, plan))
    begun = time.monotonic()
    left, seen, waiting = look(), begun, False
    while left.count and not hurried():
        if left.going:
            seen = time.monotonic()
        if seen - begun >= patience or time.monotonic() - seen >= min(PROVIDER_LAG_SECONDS, patience):
            break
        if not waiting:
            say("waiting until the last machines are taken down")
            waiting = True
        time.sleep(pause)
        left = look()
    confirm_gone(ledger, run.id, left)
    known = {event.text for event in ledger.runs.events(run.id) if event.kind == ORPHAN_EVENT}
    for text in left.orphans():
        if text not in known:
            ledger.runs.record_event(run.id, ORPHAN_EVENT, text, utc())
    for line in text_lines(to_json(run.id, left)):
        say(line)
    if not left.proven:
        say(f"embedfleet down {run.id} takes down what is left, and says what it cannot")


def to_json(run: str, left: Remaining) -> dict[str, Any]:
    """Schema embedfleet/down/1."""
    return {
        "schema": SCHEMA,
        "run": run,
        "label": f"{skypilot_task.RUN_LABEL}={skypilot_task.label(run)}",
        "machines": left.count,
        "jobs": left.jobs,
        "skypilot": left.machines,
        "provider": [
            {
                "cloud": one.cloud, "region": one.region, "zone": one.zone, "id": one.id, "name": one.name,
                "instance_type": one.instance_type, "spot": one.spot, "state": one.state, "remove": one.remedy,
            }
            for one in left.instances
        ],
        "asked": left.asked,
        "not_asked": left.unasked,
    }  # fmt: skip


def text_lines(body: Mapping[str, Any]) -> list[str]:
    """The same in words: the proof, or what is left and how to remove it."""
    number = body["machines"]
    what = "machine bears" if number == 1 else "machines bear"
    found = [f"{number} {what} {body['label']}; asked: {', '.join(body['asked']) or 'nobody'}"]
    found += [f"  job      {job}" for job in body["jobs"]]
    found += [f"  machine  {machine}" for machine in body["skypilot"]]
    for one in body["provider"]:
        found.append(f"  {one['cloud']:7}  {one['id']} {one['instance_type']} {one['zone']} {one['state']}")
        found.append(f"           remove: {one['remove']}")
    return found + [f"  not asked: {why}" for why in body["not_asked"]]
