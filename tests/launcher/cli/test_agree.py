"""What a run may cost: when `launch` and `resume` ask, what they refuse, and which of several limits holds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from launcher.cli.agree import Agreed, CostOptions, RunPlace, agree_to_cost, record_agreement
from launcher.costs.shared_spend import LifeSpend, SpendRecord
from launcher.errors import ConfirmationNeeded, Usage
from launcher.fleet.budget.agreement import agree, latest_agreement
from launcher.fleet.budget.spend_records import SpendRecords
from launcher.fleet.provisioning.launch_prices import launch_priced
from launcher.fleet.provisioning.provisioner import fleet_groups
from launcher.jobs.job import load
from launcher.ledger.ledger import Ledger
from launcher.planning.offers.price_check import OutdatedPlan
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.clock import utc
from tasks.protocol import manifest
from tasks.protocol.keys import receipt_key
from tasks.stores.folder import FolderStore
from tests.support import sample_plan
from tests.support.runs import header_of, shards_of

RUN = "reviews-1a2b3c4d"
BOOK = (
    "cloud,region,zone,instance_type,gpu,gpus,purchase,usd_per_hour,as_of\n"
    "aws,us-east-1,us-east-1a,g6.48xlarge,L4,8,spot,{usd},{day}\n"
)


def rented(budget: str | None = "150", p90: str | None = "131", created: datetime | None = None) -> SavedPlan:
    """A plan that rents; its machines see the folders of this laptop."""
    body = sample_plan.plan(created=(created or utc()).isoformat())
    body["work"]["corpus"] = "s3://b/in"
    body["work"]["job"]["limits"]["budget"] = budget
    body["totals"]["usd"]["p90"] = p90
    return plan_file.read_recorded(body)


def without_prices(budget: str | None) -> SavedPlan:
    body: dict[str, Any] = sample_plan.plan(created=utc().isoformat())
    body["work"]["job"]["limits"]["budget"] = budget
    body["totals"]["usd"] = dict.fromkeys(("p10", "p50", "p90"))
    for group in body["lots"]:
        group["usd_per_hour"] = None
        for place in group["places"]:
            place["usd_per_hour"] = None
    return plan_file.read_recorded(body)


@dataclass
class Desk:
    """One laptop, and the store of a run."""

    ledger: Ledger
    folder: Path
    said: list[str] = field(default_factory=list[str])

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.folder / "out")

    def create(self, plan: SavedPlan, event: str) -> None:
        self.ledger.runs.create(RUN, "reviews", json.dumps(plan_file.dump(plan)), "d", "s3://b/out", utc())
        self.ledger.runs.record_event(RUN, event, "it happened", utc())

    def agree(self, plan: SavedPlan, *, reopened: int = 0, **options: Any) -> Agreed:
        given: dict[str, Any] = {"yes": False, "max_cost": None, "offline": True}
        chosen = CostOptions(**(given | options))
        return agree_to_cost(
            self.ledger,
            plan,
            load(plan.work.job),
            RunPlace(store=self.store, output="s3://b/out", folder=self.folder),
            chosen,
            say=self.said.append,
            reopened=reopened,
            check_renting=lambda _plan: None,
        )

    def another_spent(self, usd: str) -> None:
        """A launcher elsewhere had a machine, which has ended."""
        life = LifeSpend(
            machine=f"{RUN}-l0m0-0", life="0", cloud="aws", usd=Decimal(usd), usd_per_hour=Decimal(2),
            started=utc(), ended=True,
        )  # fmt: skip
        record = SpendRecord(run=RUN, launcher="other", by="ann@b", at=utc(), lives=(life,))
        SpendRecords(self.store, RUN, "other").write(record)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield Desk(ledger, tmp_path)


def test_a_plan_from_a_bucket_is_asked_for(desk: Desk) -> None:
    """Whatever the store says was agreed: whoever wrote the plan there may have written that, too."""
    desk.create(rented(), "rebuilt")
    agree(desk.store, RUN, Decimal(10_000), "--max-cost", "eve@c", utc())
    with pytest.raises(ConfirmationNeeded, match="there is no terminal to ask on") as caught:
        desk.agree(rented())
    assert caught.value.hint == "--yes --max-cost $132"
    with pytest.raises(Usage, match="--yes needs a limit"):
        desk.agree(rented(), yes=True)
    agreed = desk.agree(rented(), yes=True, max_cost=Decimal(140))
    assert (agreed.limit, agreed.asked) == (Decimal(140), True)
    record_agreement(desk.ledger, desk.store, rented(), agreed)
    assert not desk.agree(rented()).asked  # from now on up to that, without a question


def test_a_run_of_this_laptop_goes_on_within_what_was_agreed(desk: Desk) -> None:
    desk.create(rented(), "launched")
    desk.another_spent("20")
    assert desk.agree(rented()).limit == 150
    assert desk.said == [f"$130.00 are left of the $150 that run {RUN} may cost"]


def test_without_a_limit_more_than_the_p90_is_asked_for(desk: Desk) -> None:
    desk.create(rented(budget=None), "launched")
    desk.agree(rented(budget=None))
    desk.another_spent("20")
    with pytest.raises(
        ConfirmationNeeded, match=r"going on rents 21 machines .* beside \$20\.00 that is spent"
    ):
        desk.agree(rented(budget=None))


def test_the_lowest_limit_holds_and_budget_replaces_all(desk: Desk) -> None:
    desk.create(rented(), "launched")
    agree(desk.store, RUN, Decimal(50), "--max-cost", "ann@b", utc())
    assert desk.agree(rented()).limit == 50
    desk.ledger.costs.set_budget(RUN, Decimal(40), utc())
    assert desk.agree(rented()).limit == 40
    agree(desk.store, RUN, Decimal(5000), "--budget", "ann@b", utc())
    assert desk.agree(rented()).limit == 40, "another laptop cannot agree for this one"
    raised = desk.agree(rented(), budget=Decimal(200))
    record_agreement(desk.ledger, desk.store, rented(), raised)
    found = latest_agreement(desk.store, RUN)
    assert found is not None
    assert (found.usd, found.source, desk.ledger.costs.budget(RUN)) == (200, "--budget", 200)


def test_what_others_spent_counts_for_max_cost_and_budget(desk: Desk) -> None:
    desk.create(rented(), "launched")
    desk.another_spent("100")
    with pytest.raises(ConfirmationNeeded, match=r"up to \$231\.00 \(P90\), of which \$100\.00 is spent"):
        desk.agree(rented(), max_cost=Decimal(200))
    with pytest.raises(Usage, match=r"the budget of \$90 is used up: \$100\.0000 spent"):
        desk.agree(rented(), budget=Decimal(90))


@pytest.mark.parametrize("flag", [{"max_cost": Decimal(500), "yes": True}, {"yes": False}])
def test_a_limit_without_prices_is_refused_before_renting(desk: Desk, flag: dict[str, Any]) -> None:
    with pytest.raises(
        ConfirmationNeeded, match=r"could not be held: no price is known for aws/us-east-1 g6\.48xl"
    ):
        desk.agree(without_prices("150"), **flag)
    if flag["yes"]:
        assert desk.agree(without_prices("150"), allow_unknown_price=True, **flag).limit == 150
        assert "holds for machines with a price alone" in desk.said[0]


def test_one_rule_for_max_cost_of_this_machine_too(desk: Desk) -> None:
    """A new local run was only capped before, a known one was refused."""
    body = sample_plan.local()
    body["totals"]["usd"] = {"p10": "1", "p50": "2", "p90": "3"}
    body["work"]["job"]["limits"]["budget"] = None
    plan = plan_file.read_recorded(body)
    assert desk.agree(plan, max_cost=Decimal(3)).limit == 3
    with pytest.raises(ConfirmationNeeded, match=r"costs up to \$3\.00"):
        desk.agree(plan, max_cost=Decimal("2.99"))


def test_a_budget_that_cannot_be_held_on_this_machine_is_said(desk: Desk) -> None:
    desk.agree(plan_file.read_recorded(sample_plan.local()))
    assert desk.said == [
        "the budget of $150 is not held: an hour of this machine has no price (local.usd_per_hour)"
    ]


def book(folder: Path, usd: str, day: datetime | None = None) -> Path:
    path = folder / "book.csv"
    path.write_text(BOOK.format(usd=usd, day=f"{day or utc():%Y-%m-%d}"))
    return path


def test_risen_prices_are_refused(desk: Desk, tmp_path: Path) -> None:
    flags: dict[str, Any] = {"yes": True, "max_cost": Decimal(140), "offline": False}
    with pytest.raises(
        OutdatedPlan, match=r"us-east-1a g6\.48xlarge was \$0\.297 an hour and is \$0\.40"
    ) as caught:
        desk.agree(rented(), price_book=book(tmp_path, "0.40"), **flags)
    assert "--refresh" in caught.value.hint
    desk.agree(rented(), price_book=book(tmp_path, "0.32"), **flags)  # by less than a tenth
    assert any("prices not checked" in line and "europe-north1" in line for line in desk.said)
    desk.agree(rented(), price_book=book(tmp_path, "0.10"), **flags)
    assert any("cheaper than planned" in line for line in desk.said)


STEERED_BOOK = (
    "cloud,region,zone,instance_type,gpu,gpus,purchase,usd_per_hour,as_of\n"
    "aws,us-east-1,us-east-1a,g6.xlarge,L4,1,spot,{usd},{day}\n"
    "aws,us-east-1,,g6.xlarge,L4,1,on-demand,{net},{day}\n"
)


def steered() -> SavedPlan:
    body = sample_plan.steered()
    body["created"] = utc().isoformat()
    body["work"]["corpus"] = "s3://b/in"
    return plan_file.read_recorded(body)


def test_a_kind_that_steering_may_rent_is_repriced(desk: Desk, tmp_path: Path) -> None:
    flags: dict[str, Any] = {"yes": True, "max_cost": Decimal(400), "offline": False}
    path = tmp_path / "steered.csv"
    path.write_text(STEERED_BOOK.format(usd="0.34", net="0.82", day=f"{utc():%Y-%m-%d}"))
    plan = steered()
    agreed = desk.agree(plan, price_book=path, **flags)
    assert agreed.prices == {0: Decimal("0.34"), 2: Decimal("0.82")}
    said = "\n".join(desk.said)
    assert "dearer than planned: aws/us-east-1 g6.xlarge spot was $0.3 an hour and is $0.34" in said
    assert "prices not checked" in said  # of the region that the book does not have
    desk.create(plan, "launched")
    record_agreement(desk.ledger, desk.store, plan, agreed)
    kept = launch_priced(desk.ledger, RUN, plan, fleet_groups(plan))
    assert [group.usd_per_hour for group in kept] == [Decimal("0.34"), Decimal("0.3"), Decimal("0.82")]


def test_a_net_that_makes_the_p90_untrue_is_refused(desk: Desk, tmp_path: Path) -> None:
    flags: dict[str, Any] = {"yes": True, "max_cost": Decimal(400), "offline": False}
    path = tmp_path / "steered.csv"
    path.write_text(STEERED_BOOK.format(usd="0.9", net="2.90", day=f"{utc():%Y-%m-%d}"))
    with pytest.raises(OutdatedPlan, match=r"its P90 with the safety net would be .* above \$268") as caught:
        desk.agree(steered(), price_book=path, **flags)
    assert "--refresh" in caught.value.hint


def test_old_plans_are_refused_and_old_prices_are_said(desk: Desk, tmp_path: Path) -> None:
    flags: dict[str, Any] = {"yes": True, "max_cost": Decimal(140), "offline": False}
    old = rented(created=utc() - timedelta(days=8))
    with pytest.raises(OutdatedPlan, match="the plan was made 8 days ago, and one that rents holds for 7"):
        desk.agree(old, price_book=book(tmp_path, "0.297"), **flags)
    desk.agree(rented(), price_book=book(tmp_path, "0.297", datetime(2026, 1, 1, tzinfo=UTC)), **flags)
    assert any("prices checked against old ones" in line for line in desk.said)
    desk.said.clear()
    assert desk.agree(old, yes=True, max_cost=Decimal(140)).asked
    assert desk.said == ["prices not checked (--offline): the plan's are taken as they are"]


def test_what_is_embedded_again_is_agreed_to_before_it_is_put_back(desk: Desk) -> None:
    body = sample_plan.local()
    body["totals"]["usd"] = dict.fromkeys(("p10", "p50", "p90"), "3")
    plan = plan_file.read_recorded(body)
    shards = shards_of(3)
    manifest.write(desk.store, header_of(desk.folder / "in", 3, run=plan.run), shards)
    for one in shards:
        desk.store.put(receipt_key(plan.run, one.slab, one.id), b"{}")
    little = Decimal("0.01")
    desk.agree(plan, max_cost=little)  # nothing is left to do
    for reopened, cost in ((1, "1.00"), (3, "3.00"), (99, "3.00")):
        with pytest.raises(ConfirmationNeeded, match=rf"costs up to \${cost} \(P90\)"):
            desk.agree(plan, max_cost=little, reopened=reopened)
