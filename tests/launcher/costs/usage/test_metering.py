from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from launcher.costs.usage.lease_outcomes import find_unproductive_leases
from launcher.costs.usage.machine_time import LeaseTime, MachineTime
from launcher.costs.usage.metering import meter
from launcher.costs.usage.spend import PARTS, Part, Spend
from launcher.money import USD_GRAIN
from tasks.protocol.receipt import Receipt
from tests.support.machine_lives import at, lease, machine, receipt


def seconds(spend: Spend, name: str = "w0") -> dict[Part, float]:
    """Seconds of each part of a machine that has any."""
    return {part: time.total_seconds() for part, time in spend.machines[name].time.items() if time}


def test_life_is_cold_start_then_useful_and_waiting_then_idle() -> None:
    receipts = [receipt("a", 10, 40), receipt("b", 45, 80)]
    spend = meter([machine()], receipts, [lease("a", 10, 40), lease("b", 45, 80)], at(500))
    assert seconds(spend) == {"cold_start": 10, "useful": 65, "waiting": 5, "idle": 20}


def test_lease_without_own_receipt_is_lost() -> None:
    machines = [machine("w0"), machine("w1", ended=60)]
    leases = [lease("a", 20, 60, worker="w1"), lease("a", 70, 90, generation=2)]
    spend = meter(machines, [receipt("a", 70, 90, generation=2)], leases, at(500))
    assert seconds(spend, "w1") == {"cold_start": 10, "waiting": 10, "lost": 40}


def test_receipt_of_another_generation_leaves_lease_lost() -> None:
    leases = [lease("a", 10, 30), lease("a", 40, 60, generation=2)]
    spend = meter([machine()], [receipt("a", 40, 60, generation=2)], leases, at(500))
    assert seconds(spend)["lost"] == 20


def test_machine_never_ready_is_all_cold_start() -> None:
    assert seconds(meter([machine(ready=None)], [], [], at(500))) == {"cold_start": 100}


def test_machine_is_ready_when_it_works() -> None:
    spend = meter([machine(ready=None)], [receipt("a", 30, 100)], [], at(500))
    assert seconds(spend) == {"cold_start": 30, "useful": 70}


def test_running_machine_is_metered_until_now() -> None:
    assert meter([machine(ended=None)], [], [], at(50)).total.total_time == timedelta(seconds=50)


def test_idle_starts_at_the_last_receipt_of_the_run() -> None:
    receipts = [receipt("a", 10, 40), receipt("b", 10, 70, worker="w1")]
    spend = meter([machine("w0"), machine("w1")], receipts, [], at(500))
    assert seconds(spend) == {"cold_start": 10, "useful": 30, "waiting": 30, "idle": 30}


def test_nothing_is_idle_while_a_lease_is_open() -> None:
    machines = [machine(ended=None), machine("w1", ended=None)]
    spend = meter(machines, [receipt("a", 10, 40)], [lease("b", 40, None, worker="w1")], at(100))
    assert seconds(spend) == {"cold_start": 10, "useful": 30, "waiting": 60}


def test_nothing_is_idle_while_shards_are_left() -> None:
    """Leases are not read at each look, so none may be open although machines work."""
    machines = [machine(ended=None)]
    spend = meter(machines, [receipt("a", 10, 40)], [], at(100), settled=False)
    assert seconds(spend) == {"cold_start": 10, "useful": 30, "waiting": 60}


def test_open_lease_is_useful() -> None:
    spend = meter([machine(ended=None)], [], [lease("a", 20, None)], at(100))
    assert seconds(spend) == {"cold_start": 10, "waiting": 10, "useful": 80}


def test_open_lease_is_lost_when_its_machine_ends() -> None:
    spend = meter([machine(ended=60)], [], [lease("a", 20, None)], at(100))
    assert seconds(spend) == {"cold_start": 10, "waiting": 10, "lost": 40}


def test_teardown_starts_at_the_request_to_stop() -> None:
    spend = meter([machine(stopping=85)], [receipt("a", 10, 70)], [], at(500))
    assert seconds(spend) == {"cold_start": 10, "useful": 60, "idle": 15, "teardown": 15}


def test_work_after_the_request_to_stop_is_useful() -> None:
    spend = meter([machine(stopping=40)], [receipt("a", 10, 70)], [], at(500))
    assert seconds(spend) == {"cold_start": 10, "useful": 60, "teardown": 30}


def test_wrong_clock_adds_no_time() -> None:
    spend = meter([machine()], [receipt("a", -9_000, 20), receipt("b", 90, 9_000)], [], at(500))
    assert seconds(spend) == {"useful": 30, "waiting": 70}


def test_receipt_that_ends_before_it_starts_is_no_time() -> None:
    assert "useful" not in seconds(meter([machine()], [receipt("a", 50, 40)], [], at(500)))


def test_machine_costs_its_seconds_times_its_price() -> None:
    assert meter([machine(price="3.6")], [], [], at(500)).total.total_usd == Decimal("0.1")


def test_cost_is_rounded_to_the_grain() -> None:
    total = meter([machine(price="0.71")], [], [], at(500)).total.total_usd
    assert total == Decimal("0.019722222222")


def test_machine_without_price_makes_total_unknown() -> None:
    spend = meter([machine("w0"), machine("w1", price=None)], [], [], at(500))
    assert spend.total.total_usd is None
    assert spend.unknown == ("w1",)


def test_unknown_total_has_a_known_part() -> None:
    spend = meter([machine("w0"), machine("w1", price=None)], [], [], at(500))
    assert spend.total.total_known_usd == Decimal("0.1")


def test_place_is_the_sum_of_its_machines() -> None:
    machines = [machine("w0"), machine("w1"), machine("w2", place="gcp/us-central1", price=None)]
    places = meter(machines, [], [], at(500)).places
    assert places["aws/us-east-1"].total_usd == Decimal("0.2")
    assert places["gcp/us-central1"].total_usd is None


def test_run_without_machines_costs_nothing() -> None:
    assert meter([], [], [], at(500)).total.total_usd == 0


def test_both_lives_of_a_machine_are_metered() -> None:
    lives = [machine(ended=50), machine(started=60, ready=70, ended=100)]
    assert meter(lives, [receipt("a", 20, 50), receipt("b", 70, 90)], [], at(500)).machines[
        "w0"
    ].total_time == timedelta(seconds=90)


# Properties of any history, also with overlapping spans and wrong clocks.

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
def test_parts_add_up_to_the_life(history: History) -> None:
    machines, _, _, now = history
    spend = meter(*history)
    assert {name: m.total_time / SECOND for name, m in spend.machines.items()} == {
        m.name: life(m, now) for m in machines
    }


@given(HISTORY)
def test_usd_is_the_price_of_the_life(history: History) -> None:
    machines, _, _, now = history
    spend = meter(*history)
    for m in machines:
        if m.usd_per_hour is not None:
            price = (life(m, now) * m.usd_per_hour / 3600).quantize(USD_GRAIN)
            assert spend.machines[m.name].total_usd == price


@given(HISTORY)
def test_machines_and_places_add_up_to_the_total(history: History) -> None:
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
def test_order_of_rows_does_not_matter(history: History, dice: Random) -> None:
    machines, receipts, leases, now = history
    shuffled = meter(
        dice.sample(machines, len(machines)),
        dice.sample(receipts, len(receipts)),
        dice.sample(leases, len(leases)),
        now,
    )
    assert shuffled == meter(*history)


@given(HISTORY)
def test_each_second_has_the_part_of_its_definition(history: History) -> None:
    machines, _, _, now = history
    spend = meter(*history)
    for m in machines:
        seconds_of = Counter(part_of(m, history, m.started + i * SECOND) for i in range(life(m, now)))
        assert seconds(spend, m.name) == seconds_of


def part_of(m: MachineTime, history: History, moment: datetime) -> Part:
    """The definition of the parts, for one moment."""
    machines, receipts, _, now = history
    unproductive = find_unproductive_leases(*history)
    mine = [r for r in receipts if r.worker == m.name]
    lost = [e for e in unproductive.lost if e.worker == m.name]
    open_ = [e for e in unproductive.open if e.worker == m.name]
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
    return "idle" if last and last <= moment and not unproductive.open else "waiting"
