"""Two real launchers with ledgers of their own on one run: together they stop at the budget."""

from decimal import Decimal
from pathlib import Path

import pytest

from launcher.costs.run_costs import spent_so_far
from launcher.fleet.budget.agreement import latest_agreement
from launcher.ledger.ledger import Ledger
from tasks.clock import utc
from tasks.stores.folder import FolderStore
from tests.support.cli_runs import Launching, embedfleet, shards

pytestmark = pytest.mark.slow

LIMIT = 100
PER_SECOND = 10  # of two workers, as in `local`


@pytest.fixture
def laptop(tmp_path: Path) -> Launching:
    shards(tmp_path, 40)
    return Launching(
        tmp_path,
        local="{workers: 2, usd_per_hour: 36000}",
        limits=f"{{budget: ${LIMIT}}}",
    )


def spent(laptop: Launching, runs: str) -> Decimal:
    """By one ledger, which holds what it knows of other launchers as a charge."""
    with Ledger.open(laptop.folder / runs / "ledger.db") as ledger:
        usd = spent_so_far(ledger, laptop.run, utc())
    assert usd is not None
    return usd


def test_two_ledgers_share_one_budget_and_a_third_begins_with_what_they_spent(laptop: Launching) -> None:
    slow = {"EMBEDFLEET_HASH_SECONDS": "0.3"}
    one = laptop.start("launch", "plan.json", "--runs", "one", **slow)
    other = laptop.start("launch", "plan.json", "--runs", "other", **slow)
    assert (one.wait(90), other.wait(90)) == (5, 5), laptop.said(one) + laptop.said(other)
    assert "the budget of $100 is used up" in laptop.said(one)
    store = FolderStore(laptop.folder / "out")
    agreed = latest_agreement(store, laptop.run)
    assert agreed is not None
    assert agreed.usd == LIMIT

    # A laptop without any of their ledgers: nothing is left for it, and it says why.
    rebuilt = embedfleet(
        "ledger", "rebuild", str(laptop.folder / "out"), "--runs", "third", folder=laptop.folder
    )
    assert rebuilt.returncode == 0, rebuilt.stderr
    done = laptop.done()
    third = embedfleet("resume", "--runs", "third", folder=laptop.folder, **slow)
    assert third.returncode == 5, third.stderr
    assert laptop.done() == done
    total = spent(laptop, "third")
    # Each looks every five seconds at what the other wrote, and a worker takes some seconds to end.
    assert LIMIT * Decimal("0.9") <= total <= LIMIT + 2 * PER_SECOND * 10
    refused = embedfleet("resume", "--runs", "third", "--budget", str(int(total) - 20), folder=laptop.folder)
    assert refused.returncode == 2
    assert "is used up: $" in refused.stderr
    laptop.clean()
