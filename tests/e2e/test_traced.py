"""Whole steered runs with real workers, sixty times as fast: spot dies for good, or comes back; nothing is lost."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.fleet.controller import Controller, Options
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.run_context import RunContext
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.steering.run_steering import RunSteering, SteeringOptions
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LifeEnd, RunState
from launcher.ledger.steering_records import AskAnswer
from launcher.steering.situation import Limits
from tasks.protocol import manifest
from tasks.skypilot_task import Place
from tasks.stores.folder import FolderStore
from tests.support import sample_plan
from tests.support.runs import corpus, ids_out, launch, receipts_of
from tests.support.traced_cloud import FastClock, Trace, TracedBackend, places_of

pytestmark = pytest.mark.slow

TIMES = 60.0
EAST = Place("aws", "us-east-1", usd_per_hour=Decimal("0.30"))
WEST = Place("aws", "us-west-2", usd_per_hour=Decimal("0.33"))
NORTH = Place("gcp", "europe-north1", usd_per_hour=Decimal("1.00"))
PURCHASES = {EAST.infra: "spot", WEST.infra: "spot", NORTH.infra: "on-demand"}
SHARDS = 40
SHARD_SECONDS = 2.0  # of ours
WORDS = 500  # of a shard's text
MACHINES = 3
DEADLINE = timedelta(minutes=85)  # of the run: three machines on demand need half an hour
SOON = timedelta(minutes=70)  # the net begins with half of the work left


def kind(number: int, place: Place, tokens_per_second: float) -> FleetGroup:
    return FleetGroup(
        number=number,
        slots=MACHINES,
        name=f"run-1-l{number}m",
        places=(place,),
        counts=(MACHINES,),
        cold_start=150.0,
        cold_start_p90=360.0,
        tokens_per_second=tokens_per_second,
        tokens_per_second_p10=tokens_per_second * 0.7,
        gpu="L4",
        gpus=1.0,
        purchase=PURCHASES[place.infra],
        usd_per_hour=place.usd_per_hour,
    )


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "out")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as found:
        yield found


@dataclass(slots=True)
class SteeredRun:
    """A run of SHARDS shards whose machines live and die by a trace."""

    folder: Path
    store: FolderStore
    ledger: Ledger
    limits: Limits
    deadline: timedelta
    clock: FastClock = field(default_factory=lambda: FastClock(TIMES))
    ids: list[str] = field(init=False)
    header: manifest.Header = field(init=False)

    def drive(self, cloud: type[TracedBackend], trace: Trace) -> TracedBackend:
        """Drive the run to its end."""
        self.ids = corpus(self._made("in"), SHARDS, 1, words=WORDS)
        self.header = launch(self.store, self.folder / "in", SHARDS)
        begun, plan, output = self.clock.start, json.dumps(sample_plan.plan()), str(self.store.root)
        self.ledger.runs.create("run-1", "reviews", plan, "d", output, begun, "fleet")
        observer = StoreObserver(self.store, self.ledger, self.header)
        for number in observer.slabs:
            slab = manifest.read_slab(self.store, "run-1", number, self.header.shards)
            self.ledger.shards.add("run-1", slab)
        tokens = float(SHARDS * (2 + WORDS))
        speed = (tokens / SHARDS) / SHARD_SECONDS / TIMES  # tokens a second of the run
        groups = (kind(1, EAST, speed), kind(2, WEST, speed), kind(3, NORTH, speed))
        backend = cloud(
            folder=self._made("machines"),
            store=self.store,
            run="run-1",
            trace=trace,
            clock=self.clock,
            environment={"EMBEDFLEET_HASH_SECONDS": str(SHARD_SECONDS / (tokens / SHARDS) * 1_000)},
            purchases=PURCHASES,
        )
        steering = RunSteering(
            ledger=self.ledger,
            run="run-1",
            groups=groups,
            options=SteeringOptions(
                policy="autopilot",
                limits=self.limits,
                tokens_expected=tokens,
                shard_seconds=SHARD_SECONDS * TIMES / 0.7,
            ),
            deadline=lambda: begun + self.deadline,
            started=begun,
        )
        context = RunContext(
            ledger=self.ledger, observer=observer, backend=backend, groups=groups, clock=self.clock
        )
        try:
            options = Options(budget=Decimal(100), p90=Decimal(10), tokens=round(tokens))
            assert Controller(context, options, steering=steering).drive() is None
        finally:
            backend.close()
        return backend

    def _made(self, name: str) -> Path:
        (self.folder / name).mkdir()
        return self.folder / name

    def check_rows(self) -> None:
        """Every row is there once."""
        assert self.ledger.runs.find("run-1").state == RunState.DONE
        assert Counter(ids_out(self.store, self.header)) == Counter(self.ids)
        assert len(receipts_of(self.store, self.header)) == SHARDS


# Invariant 14 of docs/steering.md
def test_spot_dies_and_the_run_is_done_in_time_without_a_lost_or_doubled_row(
    tmp_path: Path, store: FolderStore, ledger: Ledger
) -> None:
    run = SteeredRun(tmp_path, store, ledger, Limits(machines=MACHINES, on_demand=MACHINES), DEADLINE)
    # two spot machines for ten minutes, then none for ever; the other place never had one
    trace = {EAST.infra: [(0, 2), (12, 0)], WEST.infra: [(0, 0)], NORTH.infra: [(0, MACHINES)]}
    backend = run.drive(TracedBackend, trace)
    finished = run.clock()

    run.check_rows()
    assert finished <= run.clock.start + DEADLINE
    assert backend.killed >= 1
    assert backend.most <= MACHINES
    came = places_of(backend.machines)
    assert came[EAST.infra] >= 1
    assert came[WEST.infra] == 0
    assert came[NORTH.infra] >= 1  # the net
    asks = ledger.steering.asks("run-1")
    assert {ask.place for ask in asks if ask.answer == AskAnswer.NONE} >= {WEST.infra}
    assert {ask.place for ask in asks if ask.answer == AskAnswer.CAME} == {EAST.infra, NORTH.infra}
    assert all(ask.answer is not None for ask in asks)
    lives = ledger.machines.lives("run-1")
    assert sum(life.how == LifeEnd.PREEMPTED for life in lives) == backend.killed
    decisions = ledger.steering.decisions("run-1")
    assert any(one.what == "net" for one in decisions)
    assert ledger.steering.latest_course("run-1") is not None


class ComesBack(TracedBackend):
    """The cheapest place has none at first, the other one takes its machines; both have some when the net works.

    By what the run did, and not by the clock: a busy machine of ours is slow.
    """

    def machines_there(self, place: str, now: datetime) -> int:
        del now
        came = sum(m.place == NORTH.infra and m.up is not None for m in self.machines.values())
        match place:
            case EAST.infra:
                return MACHINES if came > 1 else 0  # one may be the canary
            case WEST.infra:
                taken = came or self._done() >= SHARDS // 8
                return MACHINES if came > 1 or not taken else 0
            case _:
                return MACHINES

    def _done(self) -> int:
        receipts = self.store.root / "_embedfleet" / self.run / "receipts"
        return len(list(receipts.glob("*/*.json")))


# Invariant 15 of docs/steering.md
def test_refused_place_is_left_for_another_then_for_on_demand_and_taken_when_it_has_some(
    tmp_path: Path, store: FolderStore, ledger: Ledger
) -> None:
    limits = Limits(machines=MACHINES, on_demand=MACHINES, probes=2)
    run = SteeredRun(tmp_path, store, ledger, limits, SOON)
    backend = run.drive(ComesBack, {place.infra: [] for place in (EAST, WEST, NORTH)})

    run.check_rows()
    asks = ledger.steering.asks("run-1")
    first = {place: next(ask for ask in asks if ask.place == place) for place in PURCHASES}
    assert first[EAST.infra].answer == AskAnswer.NONE  # the cheapest, and refused
    assert first[WEST.infra].answer == AskAnswer.CAME
    assert first[NORTH.infra].answer == AskAnswer.CAME
    assert first[EAST.infra].at <= first[WEST.infra].at <= first[NORTH.infra].at
    said = [(m.place, m.refused) for m in backend.machines.values() if m.refused is not None]
    heard = [(ask.place, ask.answered) for ask in asks if ask.answer == AskAnswer.NONE and ask.answered]
    assert len(said) >= 2
    for place, moment in said:  # known at the look at which the cloud says so
        known = min(at for where, at in heard if where == place and at >= moment)
        assert sum(moment < look <= known for look in backend.looks) <= 1
    decisions = ledger.steering.decisions("run-1")
    assert any(one.what == "net" and one.place == NORTH.infra for one in decisions)
    net = min(one.at for one in decisions if one.what == "net")
    left = {EAST.infra, WEST.infra}  # one had none, and the other took its machines away
    assert backend.killed >= 1
    assert any(one.what == "probe" and one.place in left and one.at > net for one in decisions)
    # one machine goes first; which place is asked follows from when each was asked last
    assert any(ask.place in left and ask.answer == AskAnswer.CAME and ask.at > net for ask in asks)
    ended = [one for one in decisions if one.what == "end" and one.place == NORTH.infra]
    assert ended  # on demand makes room for it
    assert backend.most <= MACHINES + 2
