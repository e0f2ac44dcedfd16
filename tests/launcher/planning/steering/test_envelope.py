"""What a steered launch may rent: kinds in order of price, within quotas and limits."""

from dataclasses import replace
from decimal import Decimal

from launcher.planning.estimates.estimate import NO_CHARGES, Candidate
from launcher.planning.optimizer.search import Requirements
from launcher.planning.saved.steering_plan import Envelope, SharedQuota
from launcher.planning.steering.envelope import MAX_KINDS, envelope_of, machines_needed
from launcher.throughput.spread import Spread
from tests.support.candidates import candidate, candidates, sure

WORK = Requirements(tokens=sure(36e6), charges=NO_CHARGES)  # ten machine-hours of the plain candidate


def envelope(
    found: list[Candidate], requirements: Requirements = WORK, *, policy: str = "autopilot", **changes: int
) -> Envelope | None:
    return envelope_of(
        found,
        requirements,
        policy="on-demand" if policy == "on-demand" else "autopilot",
        planned_machines=changes.get("planned", 4),
        on_demand=changes.get("on_demand"),
    )


def spot(**changes: object) -> Candidate:
    return candidate(spot=True, **{"usd_per_hour": Decimal("0.3"), **changes})


def names(found: Envelope | None) -> list[tuple[str, bool]]:
    return [] if found is None else [(kind.region, kind.spot) for kind in found.kinds]


def obtainable(found: list[Candidate], gpus: int = 16, **changes: object) -> Requirements:
    return replace(WORK, obtainable=dict.fromkeys((one.group for one in found), gpus), **changes)  # type: ignore[arg-type]


def test_kinds_are_in_order_of_dollars_a_token() -> None:
    market = [
        candidate(region="us-east4"),
        spot(region="us-west1", usd_per_hour=Decimal("0.5")),
        spot(region="us-central1"),
    ]
    found = envelope(market, obtainable(market))
    assert names(found) == [("us-central1", True), ("us-west1", True), ("us-east4", False)]
    assert found is not None
    assert found.kinds[0].usd_per_million_tokens == Decimal("0.083333")


def test_spot_that_is_dearer_than_on_demand_is_left_out() -> None:
    market = [candidate(region="us-east4"), spot(region="us-west1", usd_per_hour=Decimal("1.01"))]
    assert names(envelope(market, obtainable(market))) == [("us-east4", False)]


def test_of_each_place_the_machine_size_that_is_the_cheapest_a_token_counts() -> None:
    small = spot(instance_type="small")
    large = spot(instance_type="large", gpus=4.0, tokens_per_second=sure(4_000), usd_per_hour=Decimal("1.1"))
    found = envelope([small, large], obtainable([small, large]))
    assert found is not None
    assert [(kind.instance_type, kind.machines, kind.workers) for kind in found.kinds] == [("large", 4, 4)]


def test_few_machines_are_large_enough_for_the_deadline() -> None:
    """Ten machine-hours of the small size in three hours by two machines: the dearer large size alone does that."""
    small = spot(instance_type="small")
    large = spot(instance_type="large", gpus=4.0, tokens_per_second=sure(4_000), usd_per_hour=Decimal("1.3"))
    for machines, chosen in ((2, "large"), (16, "small")):
        found = envelope([small, large], obtainable([small, large], machines=machines, deadline_hours=3.0))
        assert found is not None
        assert [kind.instance_type for kind in found.kinds] == [chosen]


def test_zones_that_cannot_be_asked_for_by_name_are_one_place() -> None:
    zones = [
        spot(cloud="aws", region="us-east-1", zone=zone, usd_per_hour=Decimal(usd))
        for zone, usd in (("use1-az1", "0.4"), ("use1-az2", "0.3"))
    ]
    found = envelope(zones, obtainable(zones))
    assert found is not None
    assert [kind.usd_per_hour for kind in found.kinds] == [Decimal("0.3")]


def test_what_has_no_price_is_never_in_it() -> None:
    assert envelope([spot(usd_per_hour=None)], WORK) is None
    assert envelope([candidate(cloud="local", region="local")], WORK) is None


def test_a_place_without_a_price_of_egress_is_left_out_where_others_have_one() -> None:
    far = candidate(region="us-west1", usd_per_hour=Decimal("0.1"), egress_usd_per_token=None)
    bounded = candidate(region="us-west4", usd_per_hour=Decimal("0.1"), egress_missing=Decimal("1e-9"))
    near = candidate(region="us-east4")
    market = [far, bounded, near]
    assert names(envelope(market, obtainable(market))) == [("us-east4", False)]
    assert names(envelope([far], obtainable([far]))) == [
        ("us-west1", False)
    ]  # the job does not say where texts are


def test_a_place_without_a_price_of_egress_counts_at_the_most_where_the_plan_is_in_such_a_place() -> None:
    """The way of `far` is unknown and counts as that of `near`; at that it is still the cheapest."""
    near = spot(region="us-east4", egress_usd_per_token=Decimal("2e-8"))
    far = spot(region="us-west1", usd_per_hour=Decimal("0.1"), egress_usd_per_token=None)
    market = [near, far]
    found = envelope_of(
        market,
        obtainable(market),
        policy="autopilot",
        planned_machines=4,
        on_demand=None,
        unpriced_egress=True,
    )
    assert names(found) == [("us-west1", True), ("us-east4", True)]
    assert found is not None
    assert [kind.egress_usd_per_million_tokens for kind in found.kinds] == [Decimal("0.02"), Decimal("0.02")]
    assert found.kinds[0].usd_per_million_tokens == Decimal("0.047778")


def test_egress_is_in_the_dollars_a_token() -> None:
    """The machine is the cheaper one, and with its egress the dearer one."""
    far = candidate(region="us-west1", usd_per_hour=Decimal("0.9"), egress_usd_per_token=Decimal("1e-7"))
    near = candidate(region="us-east4")
    found = envelope([far, near], obtainable([far, near]))
    assert names(found) == [("us-east4", False), ("us-west1", False)]


def test_on_demand_alone_where_the_policy_says_so() -> None:
    market = [candidate(region="us-east4"), spot()]
    assert names(envelope(market, obtainable(market), policy="on-demand")) == [("us-east4", False)]


def test_no_net_where_the_job_wants_none() -> None:
    market = [candidate(region="us-east4"), spot()]
    found = envelope(market, obtainable(market), on_demand=0)
    assert found is not None
    assert (names(found), found.on_demand) == ([("us-central1", True)], 0)


def test_machines_are_those_of_the_job_else_twice_what_is_needed() -> None:
    market = [candidate(region="us-east4"), spot()]
    plenty = obtainable(market, 1_000)
    free = envelope(market, plenty, planned=4)
    assert free is not None
    assert (free.machines, free.on_demand) == (8, 8)
    tight = replace(
        plenty, deadline_hours=2.0
    )  # 10 machine-hours in 2 h less the start and a shard: six machines
    assert machines_needed(market[0], tight) == 6
    needed = envelope(market, tight, planned=4)
    assert needed is not None
    assert needed.machines == 12
    limited = envelope(market, replace(tight, machines=5), planned=4, on_demand=3)
    assert limited is not None
    assert (limited.machines, limited.on_demand) == (5, 3)


def test_no_number_of_machines_makes_a_deadline_shorter_than_a_start() -> None:
    slow = candidate(cold_start=Spread(300, 400, 900))
    assert machines_needed(slow, replace(WORK, deadline_hours=0.26)) is None
    assert machines_needed(slow, WORK) is None


def test_quotas_bound_kinds_alone_and_together() -> None:
    large = spot(
        region="us-west1", gpus=4.0, tokens_per_second=sure(4_000), usd_per_hour=Decimal(1), zone="us-west1-a"
    )
    small = spot(region="us-west1", zone="us-west1-b")
    market = [large, small]
    found = envelope(market, obtainable(market, 100, quota={large.group: 10}))
    assert found is not None
    assert [kind.machines for kind in found.kinds] == [2, 10]
    assert found.quotas == (SharedQuota((0, 1), 10.0),)
    assert envelope(market, obtainable(market, 100, quota={large.group: 0})) is None


def test_vcpus_bound_as_gpus_of_the_kind_with_the_most_of_them() -> None:
    aws = {"cloud": "aws", "region": "us-east-1"}
    market = [
        spot(**aws, instance_type="g6.xlarge", vcpus=4, zone="us-east-1a"),
        spot(**aws, instance_type="g6.2xlarge", vcpus=8, zone="us-east-1b"),
        spot(**aws, instance_type="g6.4xlarge", vcpus=None, zone="us-east-1c"),
    ]
    found = envelope(market, obtainable(market, 100, vcpus={("aws", "us-east-1", "G", True): 64}))
    assert found is not None
    assert [(kind.instance_type, kind.machines) for kind in found.kinds] == [
        ("g6.xlarge", 16),
        ("g6.2xlarge", 8),
    ]
    assert found.quotas == (SharedQuota((0, 1), 8.0),)


def test_machines_that_share_a_quota_are_counted_once() -> None:
    """48 vCPUs on demand are 12 machines of four, of whichever GPU; spot has no quota here."""
    aws = {"cloud": "aws", "region": "us-east-1", "vcpus": 4}
    market = [
        spot(**aws, instance_type="g6.xlarge"),
        *(
            candidate(**aws, gpu=gpu, instance_type=f"{kind}.xlarge")
            for gpu, kind in (("L4", "g6"), ("T4", "g4dn"), ("A10G", "g5"))
        ),
    ]
    wanted = obtainable(market, 100, machines=40, vcpus={("aws", "us-east-1", "G", False): 48})
    found = envelope(market, wanted)
    assert found is not None
    assert [kind.machines for kind in found.kinds if not kind.spot] == [12, 12, 12]
    assert (found.machines, found.on_demand) == (40, 12)


def test_a_large_market_is_cut_and_keeps_its_net() -> None:
    market = candidates(7, 3_000, regions=400)
    found = envelope(market, obtainable(market))
    assert found is not None
    assert len(found.kinds) == MAX_KINDS
    assert sum(not kind.spot for kind in found.kinds) >= 20
    order = [kind.usd_per_million_tokens for kind in found.kinds]
    assert order == sorted(order)
