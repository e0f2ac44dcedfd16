from launcher.costs.usage.lease_outcomes import find_unproductive_leases
from tests.support.machine_lives import at, lease, machine, receipt


def test_unobserved_end_is_the_next_claim_of_the_shard() -> None:
    leases = [lease("a", 20, None), lease("a", 50, None, worker="w1", generation=2)]
    unproductive = find_unproductive_leases(
        [machine(ended=None), machine("w1", ended=None)], [], leases, at(100)
    )
    assert [(e.worker, e.ended) for e in unproductive.lost] == [("w0", at(50))]
    assert [(e.worker, e.ended) for e in unproductive.open] == [("w1", at(100))]


def test_lease_is_lost_when_another_worker_finished_the_shard() -> None:
    unproductive = find_unproductive_leases(
        [machine(ended=None)], [receipt("a", 40, 70, worker="w1")], [lease("a", 20, None)], at(100)
    )
    assert [e.ended for e in unproductive.lost] == [at(70)]


def test_lease_with_a_receipt_is_productive() -> None:
    unproductive = find_unproductive_leases(
        [machine()], [receipt("a", 10, 40)], [lease("a", 10, 40)], at(100)
    )
    assert (unproductive.lost, unproductive.open) == ((), ())
