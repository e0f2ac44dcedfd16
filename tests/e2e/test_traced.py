"""A whole steered run with real workers, sixty times as fast: spot dies for good, the net takes over, nothing is lost."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
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
from tests.support.traced_cloud import FastClock, TracedBackend, places_of

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


# Invariant 14 of docs/steering.md
def test_spot_dies_and_the_run_is_done_in_time_without_a_lost_or_doubled_row(
    tmp_path: Path, store: FolderStore, ledger: Ledger
) -> None:
    (tmp_path / "in").mkdir()
    ids = corpus(tmp_path / "in", SHARDS, 1, words=WORDS)
    header = launch(store, tmp_path / "in", SHARDS)
    clock = FastClock(TIMES)
    ledger.runs.create(
        "run-1", "reviews", json.dumps(sample_plan.plan()), "d", str(store.root), clock.start, "fleet"
    )
    observer = StoreObserver(store, ledger, header)
    for number in observer.slabs:
        ledger.shards.add("run-1", manifest.read_slab(store, "run-1", number, header.shards))
    tokens = float(sum(2 + WORDS for _ in range(SHARDS)))
    speed = (tokens / SHARDS) / SHARD_SECONDS / TIMES  # tokens a second of the run
    groups = (kind(1, EAST, speed), kind(2, WEST, speed), kind(3, NORTH, speed))
    (tmp_path / "machines").mkdir()
    backend = TracedBackend(
        folder=tmp_path / "machines",
        store=store,
        run="run-1",
        # two spot machines for ten minutes, then none for ever; the other place never had one
        trace={EAST.infra: [(0, 2), (12, 0)], WEST.infra: [(0, 0)], NORTH.infra: [(0, MACHINES)]},
        clock=clock,
        environment={"EMBEDFLEET_HASH_SECONDS": str(SHARD_SECONDS / (tokens / SHARDS) * 1_000)},
        purchases=PURCHASES,
    )
    deadline = clock.start + DEADLINE
    steering = RunSteering(
        ledger=ledger,
        run="run-1",
        groups=groups,
        options=SteeringOptions(
            policy="autopilot",
            limits=Limits(machines=MACHINES, on_demand=MACHINES),
            tokens_expected=tokens,
            shard_seconds=SHARD_SECONDS * TIMES / 0.7,
        ),
        deadline=lambda: deadline,
        started=clock.start,
    )
    context = RunContext(ledger=ledger, observer=observer, backend=backend, groups=groups, clock=clock)
    try:
        options = Options(budget=Decimal(100), p90=Decimal(10), tokens=round(tokens))
        assert Controller(context, options, steering=steering).drive() is None
    finally:
        backend.close()
    finished = clock()

    assert ledger.runs.find("run-1").state == RunState.DONE
    assert Counter(ids_out(store, header)) == Counter(ids)
    assert len(receipts_of(store, header)) == SHARDS
    assert finished <= deadline
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
