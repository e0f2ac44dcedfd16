from datetime import timedelta

from launcher.costs.usage.clock_skew import clock_offsets, correct_clocks
from launcher.costs.usage.work_done import moment
from tests.support.machine_lives import at, lease, machine, receipt


def test_work_within_the_life_is_not_moved() -> None:
    assert clock_offsets([machine()], [receipt("a", 10, 90)], [], at(500)) == {}


def test_work_before_the_life_is_moved_to_its_start() -> None:
    offsets = clock_offsets([machine()], [receipt("a", -3_600, -3_540)], [], at(500))
    assert offsets == {"w0": timedelta(seconds=3_600)}


def test_work_after_the_life_is_moved_to_its_end() -> None:
    offsets = clock_offsets([machine()], [receipt("a", 3_600, 3_660)], [], at(500))
    assert offsets == {"w0": timedelta(seconds=100 - 3_660)}


def test_a_minute_of_skew_is_tolerated() -> None:
    assert clock_offsets([machine()], [receipt("a", -60, 0)], [], at(500)) == {}


def test_work_longer_than_the_life_is_not_moved() -> None:
    assert clock_offsets([machine()], [receipt("a", -3_600, 3_600)], [], at(500)) == {}


def test_receipts_and_claims_are_moved_by_the_offset_of_their_worker() -> None:
    work = [receipt("a", -3_600, -3_540), receipt("b", 10, 90, worker="w1")]
    leases = [lease("a", -3_600, 60)]
    done, held, offsets = correct_clocks([machine(), machine("w1")], work, leases, at(500))
    times = [
        (moment(started), moment(finished)) for started, finished in done.rows(done.started, done.finished)
    ]
    assert times == [(at(0), at(60)), (at(10), at(90))]
    assert [(e.claimed, e.ended) for e in held] == [(at(0), at(60))]
    assert set(offsets) == {"w0"}
