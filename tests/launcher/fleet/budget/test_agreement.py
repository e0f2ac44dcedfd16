"""Agreed amounts in the store: the last one counts, whoever writes at the same moment, and damage is no limit of 0."""

import threading
from decimal import Decimal

import pytest

from launcher.errors import Problem
from launcher.fleet.budget.agreement import agree, latest_agreement
from tasks.protocol.keys import agreement_key
from tasks.stores.memory import MemoryStore
from tests.support.runs import NOON


def test_without_one_there_is_no_limit() -> None:
    assert latest_agreement(MemoryStore(), "run") is None


def test_the_last_one_counts_and_all_stay() -> None:
    store = MemoryStore()
    for usd in ("50", "80", "20.50"):
        agree(store, "run", Decimal(usd), "--budget", "ann@a", NOON)
    found = latest_agreement(store, "run")
    assert found is not None
    assert (found.usd, found.by, found.explicit) == (Decimal("20.50"), "ann@a", True)
    assert len(store.blobs) == 3
    assert latest_agreement(store, "ru") is None


def test_two_laptops_at_once_lose_none() -> None:
    store = MemoryStore()
    threads = [
        threading.Thread(target=agree, args=(store, "run", Decimal(n), "--budget", "ann@a", NOON))
        for n in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(store.blobs) == [agreement_key("run", n) for n in range(1, 9)]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"\xff", b"[1]", b'{"schema": "embedfleet/agreement/2", "usd": "5"}']
    + [
        f'{{"schema": "embedfleet/agreement/1", "usd": {usd}, "source": "--budget", "by": "a",'
        f' "at": "2026-03-01T12:00:00+00:00", "nonce": "n"}}'.encode()
        for usd in ('"0"', '"-5"', '"NaN"', '"1e400"', "null", '"five"')
    ],
)
def test_what_cannot_be_read_stops_the_run_and_can_be_replaced(body: bytes) -> None:
    store = MemoryStore()
    agree(store, "run", Decimal(50), "--budget", "ann@a", NOON)
    store.put(agreement_key("run", 2), body)
    with pytest.raises(
        Problem, match=r"what run run may cost cannot be read: .*agreed-000002\.json"
    ) as caught:
        latest_agreement(store, "run")
    assert "--budget DOLLARS" in caught.value.hint
    agree(store, "run", Decimal(70), "--budget", "ann@a", NOON)
    found = latest_agreement(store, "run")
    assert found is not None
    assert found.usd == 70
