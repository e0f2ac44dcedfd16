"""What a run learnt of places: which took machines away, and which had none. Written down, so that `resume` knows too."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from launcher.fleet.backends.base import MachineStatus
from launcher.fleet.placement import PlacementFailure, infra_of
from launcher.fleet.states import Phase
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Machine
from tasks.skypilot_task import Place

EVENT_KIND = "trouble"  # of events


@dataclass(slots=True)
class PlacementFailures:
    """The troubles of a run so far. The same is learnt once."""

    ledger: Ledger
    run: str
    found: list[PlacementFailure] = field(default_factory=list[PlacementFailure])
    known: set[tuple[str, int, str]] = field(default_factory=set[tuple[str, int, str]])

    def recall(self) -> None:
        """What earlier launchers learnt."""
        for event in self.ledger.events(self.run):
            if event.kind == EVENT_KIND:
                infra, _, what = event.text.partition(" ")
                self.found.append(PlacementFailure(infra, event.at, what))

    def learn(self, machine: Machine, sight: MachineStatus, places: Sequence[Place], now: datetime) -> None:
        """Taken away; or come up elsewhere than where it was asked for first, which so had none."""
        where = infra_of(sight.site, places) if sight.site else None
        if sight.phase == Phase.RECOVERING and where:
            self._note(machine.name, sight.life, PlacementFailure(where, now, "preempted"))
        asked = infra_of(machine.site, places)
        if sight.phase == Phase.RUNNING and not sight.life and where and asked and where != asked:
            self._note(machine.name, 0, PlacementFailure(asked, now, "no capacity"))

    def _note(self, name: str, life: int, trouble: PlacementFailure) -> None:
        if (name, life, trouble.what) not in self.known:
            self.known.add((name, life, trouble.what))
            self.found.append(trouble)
            self.ledger.note(self.run, EVENT_KIND, f"{trouble.infra} {trouble.what}", trouble.at)
