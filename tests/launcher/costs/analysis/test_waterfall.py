from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from launcher.costs.analysis.waterfall import replaces_preempted, waterfall
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.metering import meter
from launcher.costs.usage.spend import OtherCharge
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.protocol.receipt import Receipt
from tests.support import sample_plan
from tests.support.machine_lives import LIVES, WORK, at, cloud_machine, lived


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


def other(kind: str, usd: Decimal | None) -> OtherCharge:
    return OtherCharge(kind, None, "", usd, None if usd else "unknown")


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


def test_life_after_a_preemption_is_a_replacement() -> None:
    lives = [
        cloud_machine("a", ended=at(50), how="PREEMPTED"),
        cloud_machine("a", started=at(60), number=1),
        cloud_machine("b", started=at(10)),
    ]
    assert replaces_preempted(lives) == [False, True, False]


@given(PLAN, LIVES, WORK, OTHERS)
def test_steps_add_up_to_the_difference(
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
def test_rounding_is_not_a_change_of_prices(lives: list[MachineTime], work: list[Receipt]) -> None:
    group = {"tokens": 10**6, "tokens_per_second": 3.7e3, "usd_per_hour": "0.37"}
    plan = {
        "profile": {"tokens": 10**6},
        "lots": [group],
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
