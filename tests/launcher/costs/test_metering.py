from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from launcher.costs.lease_outcomes import find_unproductive_leases
from launcher.costs.machine_time import LeaseTime, MachineTime
from launcher.costs.metering import meter
from launcher.costs.spend import PARTS, Part, Spend
from launcher.money import USD_GRAIN
from tasks.protocol.receipt import Receipt

START = datetime(2026, 10, 1, 9, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def machine(
    name: str = "w0",
    *,
    started: float = 0,
    ready: float | None = 10,
    ended: float | None = 100,
    stopping: float | None = None,
    price: str | None = "3.6",
    place: str = "aws/us-east-1",
) -> MachineTime:
    return MachineTime(
        name=name,
        place=place,
        gpu="L4",
        usd_per_hour=None if price is None else Decimal(price),
        started=at(started),
        ready=None if ready is None else at(ready),
        ended=None if ended is None else at(ended),
        state="ended",
        stopping=None if stopping is None else at(stopping),
    )


def receipt(
    shard: str, started: float, finished: float, *, worker: str = "w0", generation: int = 1
) -> Receipt:
    return Receipt(
        run="r1",
        shard=shard,
        position=0,
        worker=worker,
        generation=generation,
        nonce="n",
        key=f"data/{shard}-1.parquet",
        digest="0" * 64,
        output_bytes=1,
        input_bytes=1,
        documents=1,
        chunks=1,
        tokens=1,
        tokens_cut=0,
        failed_rows=0,
        quarantine=None,
        started=at(started),
        finished=at(finished),
    )


def lease(
    shard: str, claimed: float, ended: float | None, *, worker: str = "w0", generation: int = 1
) -> LeaseTime:
    return LeaseTime(shard, generation, worker, at(claimed), None if ended is None else at(ended))


def seconds(spend: Spend, name: str = "w0") -> dict[Part, float]:
    """The parts of a machine that are not nothing."""
    return {part: time.total_seconds() for part, time in spend.machines[name].time.items() if time}


def test_a_plain_life_is_cold_start_then_work_then_waiting_then_work_then_idle() -> None:
    receipts = [receipt("a", 10, 40), receipt("b", 45, 80)]
    spend = meter([machine()], receipts, [lease("a", 10, 40), lease("b", 45, 80)], at(500))
    assert seconds(spend) == {"cold_start": 10, "useful": 65, "waiting": 5, "idle": 20}


def test_a_lease_without_a_receipt_of_its_own_is_lost() -> None:
    machines = [machine("w0"), machine("w1", ended=60)]
    leases = [lease("a", 20, 60, worker="w1"), lease("a", 70, 90, generation=2)]
    spend = meter(machines, [receipt("a", 70, 90, generation=2)], leases, at(500))
    assert seconds(spend, "w1") == {"cold_start": 10, "waiting": 10, "lost": 40}


def test_a_receipt_of_another_generation_does_not_redeem_a_lease() -> None:
    leases = [lease("a", 10, 30), lease("a", 40, 60, generation=2)]
    spend = meter([machine()], [receipt("a", 40, 60, generation=2)], leases, at(500))
    assert seconds(spend)["lost"] == 20


def test_a_machine_that_never_was_ready_is_all_cold_start() -> None:
    assert seconds(meter([machine(ready=None)], [], [], at(500))) == {"cold_start": 100}


def test_a_machine_that_worked_was_ready_when_it_began() -> None:
    spend = meter([machine(ready=None)], [receipt("a", 30, 100)], [], at(500))
    assert seconds(spend) == {"cold_start": 30, "useful": 70}


def test_a_living_machine_is_metered_until_now() -> None:
    assert meter([machine(ended=None)], [], [], at(50)).total.total_time == timedelta(seconds=50)


def test_idle_begins_with_the_last_receipt_of_the_whole_run() -> None:
    receipts = [receipt("a", 10, 40), receipt("b", 10, 70, worker="w1")]
    spend = meter([machine("w0"), machine("w1")], receipts, [], at(500))
    assert seconds(spend) == {"cold_start": 10, "useful": 30, "waiting": 30, "idle": 30}


def test_nothing_is_idle_while_a_lease_is_open() -> None:
    machines = [machine(ended=None), machine("w1", ended=None)]
    spend = meter(machines, [receipt("a", 10, 40)], [lease("b", 40, None, worker="w1")], at(100))
    assert seconds(spend) == {"cold_start": 10, "useful": 30, "waiting": 60}


def test_work_in_hand_is_not_lost_yet() -> None:
    spend = meter([machine(ended=None)], [], [lease("a", 20, None)], at(100))
    assert seconds(spend) == {"cold_start": 10, "waiting": 10, "useful": 80}


def test_work_in_hand_is_lost_when_its_machine_ends() -> None:
    spend = meter([machine(ended=60)], [], [lease("a", 20, None)], at(100))
    assert seconds(spend) == {"cold_start": 10, "waiting": 10, "lost": 40}


def test_a_lease_nobody_saw_end_was_over_when_its_shard_was_claimed_again() -> None:
    leases = [lease("a", 20, None), lease("a", 50, None, worker="w1", generation=2)]
    verdict = find_unproductive_leases([machine(ended=None), machine("w1", ended=None)], [], leases, at(100))
    assert [(e.worker, e.ended) for e in verdict.lost] == [("w0", at(50))]
    assert [(e.worker, e.ended) for e in verdict.open] == [("w1", at(100))]


def test_a_slow_worker_whose_shard_another_finished_has_lost_its_work() -> None:
    verdict = find_unproductive_leases(
        [machine(ended=None)], [receipt("a", 40, 70, worker="w1")], [lease("a", 20, None)], at(100)
    )
    assert [e.ended for e in verdict.lost] == [at(70)]


def test_teardown_begins_when_the_machine_is_told_to_stop() -> None:
    spend = meter([machine(stopping=85)], [receipt("a", 10, 70)], [], at(500))
    assert seconds(spend) == {"cold_start": 10, "useful": 60, "idle": 15, "teardown": 15}


def test_work_finished_after_the_order_to_stop_is_still_useful() -> None:
    spend = meter([machine(stopping=40)], [receipt("a", 10, 70)], [], at(500))
    assert seconds(spend) == {"cold_start": 10, "useful": 60, "teardown": 30}


def test_a_clock_that_is_wrong_adds_no_time() -> None:
    spend = meter([machine()], [receipt("a", -9_000, 20), receipt("b", 90, 9_000)], [], at(500))
    assert seconds(spend) == {"useful": 30, "waiting": 70}


def test_a_receipt_that_ends_before_it_starts_is_no_time() -> None:
    assert "useful" not in seconds(meter([machine()], [receipt("a", 50, 40)], [], at(500)))


def test_a_machine_costs_its_seconds_times_its_price() -> None:
    assert meter([machine(price="3.6")], [], [], at(500)).total.total_usd == Decimal("0.1")


def test_a_price_that_3600_does_not_divide_is_kept_to_the_grain() -> None:
    total = meter([machine(price="0.71")], [], [], at(500)).total.total_usd
    assert total == Decimal("0.019722222222")


def test_one_machine_without_a_price_makes_the_total_unknown() -> None:
    spend = meter([machine("w0"), machine("w1", price=None)], [], [], at(500))
    assert spend.total.total_usd is None
    assert spend.unknown == ("w1",)


def test_what_is_known_of_an_unknown_total_has_its_own_name() -> None:
    spend = meter([machine("w0"), machine("w1", price=None)], [], [], at(500))
    assert spend.total.total_known_usd == Decimal("0.1")


def test_a_place_is_the_sum_of_its_machines() -> None:
    machines = [machine("w0"), machine("w1"), machine("w2", place="gcp/us-central1", price=None)]
    places = meter(machines, [], [], at(500)).places
    assert places["aws/us-east-1"].total_usd == Decimal("0.2")
    assert places["gcp/us-central1"].total_usd is None


def test_a_run_without_machines_costs_nothing() -> None:
    assert meter([], [], [], at(500)).total.total_usd == 0


def test_a_name_that_lived_twice_is_metered_twice() -> None:
    lives = [machine(ended=50), machine(started=60, ready=70, ended=100)]
    assert meter(lives, [receipt("a", 20, 50), receipt("b", 70, 90)], [], at(500)).machines[
        "w0"
    ].total_time == timedelta(seconds=90)


# Laws, over histories in which anything overlaps anything and clocks are wrong.

History = tuple[list[MachineTime], list[Receipt], list[LeaseTime], datetime]
NAMES, PLACES = st.sampled_from(["w0", "w1", "w2"]), st.sampled_from(["here", "there"])
SHARDS, GENERATIONS = st.sampled_from("abcd"), st.integers(1, 3)
MOMENT, MAYBE = st.integers(-20, 120), st.none() | st.integers(-20, 120)
MACHINE = st.builds(
    machine,
    NAMES,
    started=MOMENT,
    ready=MAYBE,
    ended=MAYBE,
    stopping=MAYBE,
    price=st.none() | st.decimals("0", "100", places=5).map(str),
    place=PLACES,
)
RECEIPT = st.builds(receipt, SHARDS, MOMENT, MOMENT, worker=NAMES, generation=GENERATIONS)
LEASE = st.builds(lease, SHARDS, MOMENT, MAYBE, worker=NAMES, generation=GENERATIONS)
HISTORY: st.SearchStrategy[History] = st.tuples(
    st.lists(MACHINE, max_size=3, unique_by=lambda m: m.name),
    st.lists(RECEIPT, max_size=4, unique_by=lambda r: r.shard),
    st.lists(LEASE, max_size=8, unique_by=lambda e: (e.shard, e.generation)),
    st.integers(0, 150).map(at),
)
SECOND = timedelta(seconds=1)


def life(m: MachineTime, now: datetime) -> int:
    return max(0, ((m.ended or now) - m.started) // SECOND)


@given(HISTORY)
def test_the_parts_of_a_machine_add_up_to_its_life(history: History) -> None:
    machines, _, _, now = history
    spend = meter(*history)
    assert {name: m.total_time / SECOND for name, m in spend.machines.items()} == {
        m.name: life(m, now) for m in machines
    }


@given(HISTORY)
def test_the_dollars_of_a_machine_are_the_price_of_its_life(history: History) -> None:
    machines, _, _, now = history
    spend = meter(*history)
    for m in machines:
        if m.usd_per_hour is not None:
            price = (life(m, now) * m.usd_per_hour / 3600).quantize(USD_GRAIN)
            assert spend.machines[m.name].total_usd == price


@given(HISTORY)
def test_machines_and_places_each_add_up_to_the_total(history: History) -> None:
    spend = meter(*history)
    for several in (spend.machines.values(), spend.places.values()):
        for part in PARTS:
            assert sum((m.time[part] for m in several), timedelta(0)) == spend.total.time[part]
            assert sum((m.known_usd[part] for m in several), Decimal(0)) == spend.total.known_usd[part]


@given(HISTORY)
def test_no_part_is_negative(history: History) -> None:
    for metered in meter(*history).machines.values():
        assert min(metered.time.values()) >= timedelta(0)
        assert min(metered.known_usd.values()) >= 0


@given(HISTORY, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(history: History, dice: Random) -> None:
    machines, receipts, leases, now = history
    shuffled = meter(
        dice.sample(machines, len(machines)),
        dice.sample(receipts, len(receipts)),
        dice.sample(leases, len(leases)),
        now,
    )
    assert shuffled == meter(*history)


@given(HISTORY)
def test_asking_every_second_what_it_was_gives_the_same(history: History) -> None:
    machines, _, _, now = history
    spend = meter(*history)
    for m in machines:
        seconds_of = Counter(part_of(m, history, m.started + i * SECOND) for i in range(life(m, now)))
        assert seconds(spend, m.name) == seconds_of


def part_of(m: MachineTime, history: History, moment: datetime) -> Part:
    """The definitions once more, one moment at a time."""
    machines, receipts, _, now = history
    verdict = find_unproductive_leases(*history)
    mine = [r for r in receipts if r.worker == m.name]
    lost = [e for e in verdict.lost if e.worker == m.name]
    open_ = [e for e in verdict.open if e.worker == m.name]
    first = min([r.started for r in mine] + [e.claimed for e in lost + open_], default=m.ended or now)
    ends = {other.name: other.ended or now for other in machines}
    last = max((min(r.finished, ends.get(r.worker, now)) for r in receipts), default=None)
    if any(r.started <= moment < r.finished for r in mine) or any(e.claimed <= moment for e in open_):
        return "useful"
    if m.stopping and m.stopping <= moment:
        return "teardown"
    if any(e.claimed <= moment < (e.ended or now) for e in lost):
        return "lost"
    if moment < (m.ready or first):
        return "cold_start"
    return "idle" if last and last <= moment and not verdict.open else "waiting"
