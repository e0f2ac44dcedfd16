"""A machine with several workers is attributed worker by worker; the waterfall explains any plan and any run exactly."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from launcher.costs.attribution import MICROSECOND
from launcher.costs.machine_time import MachineTime
from launcher.costs.metering import meter
from launcher.costs.spend import OtherCharge
from launcher.costs.waterfall import replaces_preempted, waterfall
from launcher.money import USD_GRAIN
from launcher.planning.saved_plan import SavedPlan
from tasks.protocol.receipt import Receipt
from tests.support import sample_plan

START = datetime(2026, 11, 2, 8, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def machine(name: str = "m", **more: Any) -> MachineTime:
    fields: dict[str, Any] = {
        "name": name, "place": "aws/x", "gpu": "L4", "usd_per_hour": Decimal("3.6"), "started": at(0),
        "ready": None, "ended": at(100), "state": "STOPPED", "cloud": "aws", "purchase": "on-demand",
    }  # fmt: skip
    return MachineTime(**fields | more)


def planned(partial: dict[str, Any]) -> SavedPlan:
    """The sample plan with these tokens, machine groups and items; any other item has no price."""
    body = sample_plan.plan()
    group = body["lots"][0]
    return sample_plan.saved(
        profile=body["profile"] | partial["profile"],
        lots=[group | given for given in partial["lots"]],
        totals=body["totals"]
        | {"items": dict.fromkeys(body["totals"]["items"]) | partial["totals"]["items"]},
    )


def receipt(worker: str, started: float, finished: float, tokens: int = 1_000) -> Receipt:
    return Receipt(
        run="r", shard=f"{worker}{started}", position=0, worker=worker, generation=1, nonce="n", key="k", digest="d",
        output_bytes=1, input_bytes=1, documents=1, chunks=1, tokens=tokens, tokens_cut=0, failed_rows=0,
        quarantine=None, started=at(started), finished=at(finished),
    )  # fmt: skip


def test_each_of_four_workers_is_a_quarter_of_the_machine() -> None:
    work = [receipt("m-0", 20, 100), receipt("m-1", 60, 100)]
    spend = meter([machine(workers=4)], work, [], at(500))
    parts = spend.machines["m"].time
    assert parts["useful"] == timedelta(seconds=30)  # 80 and 40 of the four workers' 400
    assert parts["cold_start"] == timedelta(seconds=70)


def test_a_cloud_bills_a_minute_at_least_and_started_seconds_whole() -> None:
    short, long = machine(ended=at(12)), machine("n", ended=at(70.2))
    spend = meter([short, long], [], [], at(500))
    assert [one.total_usd for one in spend.lives] == [Decimal("0.06"), Decimal("0.071")]
    assert spend.lives[0].time["teardown"] == timedelta(seconds=48)


def test_each_second_costs_the_price_of_that_second() -> None:
    dearer = machine(rates=((at(40), Decimal("7.2")), (at(90), Decimal("0.36"))))
    spend = meter([dearer], [], [], at(500))
    assert spend.total.total_usd == Decimal("0.04") + Decimal("0.1") + Decimal("0.001")


def test_a_machine_whose_price_is_known_from_later_on_is_known_in_part() -> None:
    spend = meter([machine(usd_per_hour=None, rates=((at(40), Decimal("3.6")),))], [], [], at(500))
    assert spend.total.total_usd is None
    assert spend.total.total_known_usd == Decimal("0.06")
    assert spend.unknown == ("m",)


def test_a_spot_machine_that_is_taken_within_the_hour_costs_nothing_on_ec2() -> None:
    taken = machine(purchase="spot", how="PREEMPTED")
    kept = machine("n", purchase="spot", how="STOPPED")
    spend = meter([taken, kept], [], [], at(500))
    assert [one.total_usd for one in spend.lives] == [0, Decimal("0.1")]
    assert spend.total.waived == Decimal("0.1")


def test_a_life_that_pays_for_another_is_told_from_a_first_start() -> None:
    lives = [
        machine("a", ended=at(50), how="PREEMPTED"),
        machine("a", started=at(60), number=1),
        machine("b", started=at(10)),
    ]
    assert replaces_preempted(lives) == [False, True, False]


def lived(
    name: str,
    started: float,
    length: float,
    workers: int,
    price: Decimal,
    changes: list[Decimal],
    lot: int | None,
) -> MachineTime:
    rates = tuple((at(started + n * length / 4), usd) for n, usd in enumerate(changes, 1))
    end = at(started + length)
    return machine(
        name, started=at(started), ended=end, workers=workers, usd_per_hour=price, rates=rates, lot=lot
    )


def other(kind: str, usd: Decimal | None) -> OtherCharge:
    return OtherCharge(kind, None, "", usd, None if usd else "unknown")


PRICE = st.decimals("0.01", "50", places=3)
LIVES = st.lists(
    st.builds(
        lived,
        st.sampled_from("abc"),
        st.floats(0, 500),
        st.floats(0, 900),
        st.integers(1, 8),
        PRICE,
        st.lists(PRICE, max_size=3),
        st.none() | st.integers(0, 2),
    ),
    max_size=5,
)
WORK = st.lists(
    st.builds(receipt, st.sampled_from(["a-0", "a-1", "b-0", "c-7r1"]), st.floats(0, 900), st.floats(0, 900)),
    max_size=6,
)
AMOUNT = st.none() | st.decimals("0", "100", places=4).map(str)
PLAN: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "profile": st.fixed_dictionaries({"tokens": st.integers(1, 10**7)}),
        "lots": st.lists(
            st.fixed_dictionaries(
                {
                    "tokens": st.integers(1, 10**6),
                    "tokens_per_second": st.floats(1, 1e5),
                    "usd_per_hour": st.decimals("0.01", "50", places=2).map(str),
                }
            ),
            min_size=1,
            max_size=3,
        ),
        "totals": st.fixed_dictionaries(
            {
                "items": st.fixed_dictionaries(
                    {"compute": st.decimals("0.0001", "100", places=4).map(str)}
                    | dict.fromkeys(("cold_start", "preemption", "idle_tail", "disk", "egress"), AMOUNT)
                )
            }
        ),
    }
)
OTHERS = st.lists(
    st.builds(
        other,
        st.sampled_from(["egress", "storage", "support"]),
        st.none() | st.decimals("0", "50", places=3),
    ),
    max_size=3,
)


@given(LIVES, WORK)
def test_the_parts_of_any_machine_are_its_billed_time_and_its_price(
    lives: list[MachineTime], work: list[Receipt]
) -> None:
    spend = meter(lives, work, [], at(5_000))
    for life, one in zip(lives, spend.lives, strict=True):
        lived = (life.ended or at(0)) - life.started
        least = max(60.0, lived.total_seconds()) if lived else 0.0
        assert least <= one.total_time.total_seconds() < least + 1
        cents = Decimal(0)
        changes = [(life.started, life.usd_per_hour or Decimal(0)), *life.rates]
        ends = [*(when for when, _ in life.rates), life.started + one.total_time]
        for (since, usd), until in zip(changes, ends, strict=True):
            cents += Decimal(max(timedelta(0), until - since) // MICROSECOND) * usd / 3_600_000_000
        if not life.rates or lived.total_seconds() >= 60:
            assert abs(one.total_known_usd - cents) <= USD_GRAIN


@given(PLAN, LIVES, WORK, OTHERS)
def test_the_waterfall_has_no_gap(
    plan: dict[str, Any], lives: list[MachineTime], work: list[Receipt], others: list[OtherCharge]
) -> None:
    spend = meter(lives, work, [], at(5_000), others)
    found = waterfall(planned(plan), spend, lives, work)
    assert found is not None
    assert (
        found.planned + sum((step.usd for step in found.steps), Decimal(0)) == found.actual == spend.known_usd
    )


@given(
    st.lists(
        st.builds(
            lived, st.sampled_from("abc"), st.floats(0, 500), st.floats(1, 900), st.integers(1, 8),
            st.just(Decimal("0.37")), st.just([]), st.just(0),
        ),
        min_size=1,
        max_size=5,
    ),
    WORK,
)  # fmt: skip
def test_what_rounding_leaves_is_no_change_of_prices(lives: list[MachineTime], work: list[Receipt]) -> None:
    lot = {"tokens": 10**6, "tokens_per_second": 3.7e3, "usd_per_hour": "0.37"}
    plan = {
        "profile": {"tokens": 10**6},
        "lots": [lot],
        "totals": {
            "items": {
                "compute": "0.00612345678987654321",
                "cold_start": None,
                "preemption": None,
                "idle_tail": None,
            }
        },
    }
    found = waterfall(planned(plan), meter(lives, work, [], at(5_000)), lives, work)
    assert found is not None
    assert found.steps
    assert "prices" not in {step.cause for step in found.steps}
