"""The proof that no machine of a run is left: all who could know of one are asked, by the run's label.

SkyPilot is asked, and on AWS and GCP the provider itself, past SkyPilot. A machine that is still listed after its run is
over is an orphan, and costs money.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from launcher.errors import Problem
from launcher.fleet.backends import provider_api, skypilot_client
from launcher.fleet.backends.provider_api import Instance
from launcher.fleet.provisioning.provisioner import is_rented
from launcher.fleet.scheduling.states import ALIVE
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from launcher.planning.saved.saved_plan import SavedPlan
from tasks import skypilot_task
from tasks.clock import utc

SCHEMA = "embedfleet/down/1"
TEARDOWN_SECONDS = 180.0  # SkyPilot has so long to take machines down after their jobs have ended
PROVIDER_LAG_SECONDS = 15.0  # a provider may go on listing for so long what SkyPilot has taken down
POLL_SECONDS = 3.0
ORPHAN_EVENT = "orphan"  # an event's kind
SKYPILOT = "SkyPilot"


@dataclass(slots=True)
class Remaining:
    """What still has a run's label, by who lists it, and who could not be asked."""

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
        """Whether SkyPilot is still taking machines down, or does not answer."""
        return bool(self.jobs or self.machines) or SKYPILOT not in self.asked

    @property
    def proven(self) -> bool:
        """Whether nothing is left, and all could be asked."""
        return not self.count and not self.unasked

    def orphans(self) -> list[str]:
        """A line each: its name, a colon, what it is. By the provider, who bills, where it lists any."""
        if self.instances:
            return [
                f"{one.id}: {one.instance_type} in {one.cloud} {one.zone}, {one.state}; {one.remedy}"
                for one in self.instances
            ]
        listed = self.machines if len(self.machines) >= len(self.jobs) else self.jobs
        return [f"{name.partition(' ')[0]}: by SkyPilot, {name.partition(' ')[2]}" for name in listed]


@dataclass(frozen=True, slots=True)
class ListedInstance:
    """A machine that its provider lists, and the command that removes it."""

    cloud: str
    region: str
    zone: str
    id: str
    name: str
    instance_type: str
    spot: bool
    state: str
    remove: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DownReport:
    """What `embedfleet down --json` prints (schema embedfleet/down/1)."""

    schema: str = SCHEMA
    run: str
    label: str
    machines: int
    jobs: tuple[str, ...]
    skypilot: tuple[str, ...]
    provider: tuple[ListedInstance, ...]
    asked: tuple[str, ...]
    not_asked: tuple[str, ...]


def find_remaining(ledger: Ledger, run: Run, plan: SavedPlan) -> Remaining:
    """Ask all who could know of a machine of this run."""
    left = Remaining()
    if not is_rented(plan):
        left.asked.append("the process table")
        left.machines = [m.name for m in ledger.machines.of_run(run.id, set(ALIVE))]
        return left
    try:
        jobs = skypilot_client.list_jobs(run.id)
        left.jobs = [f"{j.name} (job {j.id}, {j.status})" for j in jobs if j.alive]
        clusters = skypilot_client.list_clusters(run.id, jobs)
        left.machines = [f"{cluster} ({status})" for cluster, status in clusters]
        left.asked.append(SKYPILOT)
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


def none_unknown(ledger: Ledger, run: Run, plan: SavedPlan) -> bool:
    """Whether SkyPilot and the providers list no machine of the run beyond those that this ledger knows."""
    left = find_remaining(ledger, run, plan)
    return not left.unasked and left.count <= len(ledger.machines.of_run(run.id, set(ALIVE)))


def regions_used(ledger: Ledger, run: Run, plan: SavedPlan) -> dict[str, list[str]]:
    """Where a machine of the run may have been, by cloud: the plan's places, and where machines were asked for and seen.

    Of a steered run these are all regions of its envelope, in the clouds that the plan begins with or that were asked:
    others of the price book may be clouds that this account has no access to.
    """
    used: dict[str, set[str]] = {}
    for group in plan.lots:
        for place in group.places:
            used.setdefault(group.cloud, set()).add(place.region)
    for one in (*ledger.machines.of_run(run.id), *ledger.machines.lives(run.id)):
        if one.region:
            used.setdefault(one.cloud, set()).add(one.region)
    for kind in plan.steering.envelope.kinds if plan.steering else ():
        if kind.cloud in used:
            used[kind.cloud].add(kind.region)
    return {cloud: sorted(regions) for cloud, regions in sorted(used.items())}


def confirm_gone(ledger: Ledger, run: str, left: Remaining) -> None:
    """Write down that the run's machines are gone, if that is proven."""
    if left.proven:
        for machine in ledger.machines.of_run(run):
            ledger.machines.mark_gone(machine.name, utc())


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for machines to go, and how often to look, in seconds."""

    teardown: float = TEARDOWN_SECONDS
    provider_lag: float = PROVIDER_LAG_SECONDS
    poll: float = POLL_SECONDS


DEFAULT_PATIENCE = Patience()


def await_teardown(
    ledger: Ledger,
    run: str,
    look: Callable[[], Remaining],
    *,
    say: Callable[[str], None],
    hurried: Callable[[], bool],
    patience: Patience = DEFAULT_PATIENCE,
) -> None:
    """Wait until a finished run's machines are taken down; say what is left, and record it as orphans.

    `look` finds what is left. `hurried` says whether the user wants no more waiting.
    """
    left = _wait(look, say=say, hurried=hurried, patience=patience)
    confirm_gone(ledger, run, left)
    known = {event.text for event in ledger.runs.events(run) if event.kind == ORPHAN_EVENT}
    for text in left.orphans():
        if text not in known:
            ledger.runs.record_event(run, ORPHAN_EVENT, text, utc())
    for line in text_lines(down_report(run, left)):
        say(line)
    if not left.proven:
        say(f"embedfleet down {run} takes down what is left, and says what it cannot")


def _wait(
    look: Callable[[], Remaining],
    *,
    say: Callable[[str], None],
    hurried: Callable[[], bool],
    patience: Patience,
) -> Remaining:
    """Look until nothing is left, or the patience with SkyPilot, and then with the provider's list, is over."""
    begun = time.monotonic()
    left, seen_going, said = look(), begun, False
    while left.count and not hurried():
        if left.going:
            seen_going = time.monotonic()
        lag = min(patience.provider_lag, patience.teardown)
        if seen_going - begun >= patience.teardown or time.monotonic() - seen_going >= lag:
            break
        if not said:
            say("waiting until the last machines are taken down")
            said = True
        time.sleep(patience.poll)
        left = look()
    return left


def down_report(run: str, left: Remaining) -> DownReport:
    """What is left of a run, as `down --json` prints it."""
    return DownReport(
        run=run,
        label=f"{skypilot_task.RUN_LABEL}={skypilot_task.label(run)}",
        machines=left.count,
        jobs=tuple(left.jobs),
        skypilot=tuple(left.machines),
        provider=tuple(
            ListedInstance(
                cloud=one.cloud,
                region=one.region,
                zone=one.zone,
                id=one.id,
                name=one.name,
                instance_type=one.instance_type,
                spot=one.spot,
                state=one.state,
                remove=one.remedy,
            )
            for one in left.instances
        ),
        asked=tuple(left.asked),
        not_asked=tuple(left.unasked),
    )


def to_json(report: DownReport) -> dict[str, Any]:
    """The JSON object of a report."""
    return asdict(report)


def text_lines(report: DownReport) -> list[str]:
    """The report in words: the proof, or what is left and how to remove it."""
    what = "machine has" if report.machines == 1 else "machines have"
    asked = ", ".join(report.asked) or "none"
    found = [f"{report.machines} {what} the label {report.label}; asked: {asked}"]
    found += [f"  job      {job}" for job in report.jobs]
    found += [f"  machine  {machine}" for machine in report.skypilot]
    for one in report.provider:
        found.append(f"  {one.cloud:7}  {one.id} {one.instance_type} {one.zone} {one.state}")
        found.append(f"           remove: {one.remove}")
    return found + [f"  not asked: {why}" for why in report.not_asked]
