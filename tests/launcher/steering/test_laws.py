"""Laws of a look, in whatever situation, and of a run in whatever market."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from launcher.steering.decide import Verdict, decide
from launcher.steering.market import beliefs
from launcher.steering.rules.moves import LIFE_STARTS
from launcher.steering.situation import (
    Answer,
    AnswerKind,
    Belief,
    Kind,
    Limits,
    Machine,
    MachinePhase,
    PlaceKey,
    Quota,
    Situation,
)
from tests.launcher.steering.situations import (
    EAST,
    HOUR,
    KINDS,
    NOON,
    NORTH,
    ON_DEMAND,
    WEST,
    answer,
    kind,
    situation,
    working,
)

ASKED, COLD, WORKING = MachinePhase.ASKED, MachinePhase.COLD, MachinePhase.WORKING

machines = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(list(MachinePhase)), st.floats(0, 20_000), st.booleans()),
    max_size=16,
)
answers = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(list(AnswerKind)), st.floats(0, 600), st.integers(0, 8)),
    max_size=12,
)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    held = [
        Machine(f"m{n}", number, phase, seconds, leaving=leaving and phase != ASKED)
        for n, (number, phase, seconds, leaving) in enumerate(draw(machines))
    ]
    heard = sorted(draw(answers), key=lambda one: one[2])
    said = [answer(KINDS[n], what, minutes, 1, count) for n, what, minutes, count in heard]
    hours = draw(st.one_of(st.none(), st.floats(0.1, 30)))
    prices = draw(st.tuples(*[st.one_of(st.none(), st.floats(0.05, 2))] * 4))
    kinds = [replace(k, usd_per_hour=usd) for k, usd in zip(KINDS, prices, strict=True)]
    limits = draw(
        st.sampled_from(
            [
                Limits(machines=16),
                Limits(machines=16, probes=2),
                Limits(machines=16, on_demand=3, quotas=(Quota(frozenset({0, 1}), 6.0),)),
            ]
        )
    )
    budget = draw(st.one_of(st.none(), st.floats(1, 300)))
    return situation(
        held,
        now=NOON + 10 * HOUR,
        hours=None if hours is None else 10 + hours,
        kinds=kinds,
        tokens=draw(st.floats(1e5, 3e8)),
        budget=budget,
        spent=0.0 if budget is None else draw(st.floats(0, 1)) * budget,
        answers=said,
        limits=limits,
    )


def asked(verdict: Verdict) -> Counter[int]:
    return Counter({ask.kind: ask.count for ask in verdict.asks})


# Invariant 6 of docs/steering.md
@given(situations())
def test_same_situation_gives_the_same_verdict(found: Situation) -> None:
    assert decide(found) == decide(replace(found, machines=list(found.machines)))


@given(situations())
def test_no_order_depends_on_the_forecast(found: Situation) -> None:
    verdict, plain = decide(found), decide(found, with_forecast=False)
    assert (plain.asks, plain.releases) == (verdict.asks, verdict.releases)
    assert plain.course == replace(verdict.course, forecast=None)


# Invariant 3 of docs/steering.md
@given(situations())
def test_limits_and_quotas_hold_at_every_look(found: Situation) -> None:
    verdict, limits = decide(found), found.steering.limits
    released = {one.machine for one in verdict.releases}
    gone = {m.name for m in found.machines if m.name in released and m.phase == ASKED}
    held = Counter(m.kind for m in found.machines if m.name not in gone)
    after = held + asked(verdict)
    if verdict.asks:
        assert limits.machines is not None
        assert after.total() <= max(limits.machines + limits.probes, held.total())
        for number, count in asked(verdict).items():
            assert after[number] <= KINDS[number].cap
            if number == ON_DEMAND.number and limits.on_demand is not None:
                assert held[number] + count <= limits.on_demand
        for quota in limits.quotas:
            if any(number in quota.kinds for number in asked(verdict)):
                assert sum(after[number] for number in quota.kinds) <= quota.gpus


# Invariant 13 of docs/steering.md
@given(situations())
def test_unknown_price_is_never_asked(found: Situation) -> None:
    unknown = {k.number for k in found.kinds if k.usd_per_hour is None}
    assert not unknown & set(asked(decide(found)))


# Invariant 5 of docs/steering.md
@given(situations())
def test_machine_that_works_is_ended_by_choice_only_after_three_starts(found: Situation) -> None:
    verdict = decide(found)
    rest = {
        d.reason for d in verdict.course.decisions if d.what == "end" and "cheaper machine came" in d.reason
    }
    seen = {m.name: m for m in found.machines}
    for one in verdict.releases:
        machine = seen[one.machine]
        if one.drain and "no shard" not in one.why and one.why not in rest:
            assert machine.seconds >= LIFE_STARTS * KINDS[machine.kind].cold_start or _unknown(found, machine)


def _unknown(found: Situation, machine: Machine) -> bool:
    return any(k.number == machine.kind and k.usd_per_hour is None for k in found.kinds)


# Invariant 5 of docs/steering.md
@given(situations())
def test_no_machine_is_let_go_twice_and_every_decision_has_its_reason(found: Situation) -> None:
    verdict = decide(found)
    names = [one.machine for one in verdict.releases]
    assert len(names) == len(set(names))
    assert set(names) <= {m.name for m in found.machines}
    assert all(d.reason and d.count > 0 for d in verdict.course.decisions)
    asks, ends = (sum(d.count for d in verdict.course.decisions if (d.what in words)) for words in WORDS)
    assert asks == asked(verdict).total()
    assert ends == len(names)


WORDS = (("ask", "net", "canary", "probe"), ("end", "drain", "had none"))


# Invariant 2 of docs/steering.md
@given(situations())
def test_nothing_is_asked_for_beyond_the_budget(found: Situation) -> None:
    if found.budget is None:
        return
    verdict = decide(found)
    costs = {k.number: k for k in found.kinds}
    new = sum(
        count * (costs[number].usd_per_hour or 0) * (420 + 120 + 60) / 3_600
        for number, count in asked(verdict).items()
    )
    assert not new or found.spent + found.committed + new <= found.budget + 1e-9


# Invariant 12 of docs/steering.md
@given(st.integers(1, 16))
def test_machines_that_wait_in_one_place_do_not_block_another(waiting: int) -> None:
    asks = [Machine(f"a{n}", 0, ASKED, 300.0) for n in range(waiting)]
    none = [answer(EAST, AnswerKind.NONE, 2, waiting)]
    found = situation(asks, now=NOON + timedelta(minutes=3), hours=8, answers=none)
    verdict = decide(found)
    assert {one.machine for one in verdict.releases} == {m.name for m in asks}
    assert asked(verdict)[1] > 0
    assert not asked(verdict)[0]


# --- a run in a hostile market


@dataclass(slots=True)
class World:
    """A market that does its worst: spot comes and goes as `up` says, machines start at the P90 and work at the P10."""

    up: Sequence[Sequence[int]]  # machines that each spot place has, by spell
    spell: float  # seconds
    prices: Sequence[float]
    kinds: Sequence[Kind]
    tokens: float
    hours: float
    seconds: float = 0.0
    machines: dict[str, Machine] = field(default_factory=dict[str, Machine])
    known: dict[PlaceKey, Belief] = field(default_factory=dict[PlaceKey, Belief])
    answers: list[Answer] = field(default_factory=list[Answer])
    number: int = 0
    most: int = 0

    def has(self, k: Kind) -> int:
        if not k.spot:
            return k.cap
        row = self.up[k.number]
        return row[int(self.seconds // self.spell) % len(row)]

    def run(self, look: float = 60.0) -> float:
        """Seconds until the work is done, or the deadline and ten minutes."""
        while self.tokens > 0 and self.seconds < self.hours * 3_600 + 600:
            self.market()
            verdict = decide(self.situation())
            for one in verdict.releases:
                self.machines.pop(one.machine, None)
            for ask in verdict.asks:
                for _ in range(ask.count):
                    self.number += 1
                    self.machines[f"m{self.number}"] = Machine(f"m{self.number}", ask.kind, ASKED, 0.0)
            self.most = max(self.most, len(self.machines))
            rate = sum(950.0 for m in self.machines.values() if m.phase == WORKING)
            self.tokens -= rate * look
            self.seconds += look
            self.machines = {name: changed(m, seconds=m.seconds + look) for name, m in self.machines.items()}
        return self.seconds

    def situation(self) -> Situation:
        self.known = beliefs.learn(self.known, self.answers)
        self.answers = []
        return situation(
            list(self.machines.values()),
            hours=self.hours,
            now=NOON + timedelta(seconds=self.seconds),
            kinds=[replace(k, usd_per_hour=p) for k, p in zip(self.kinds, self.prices, strict=True)],
            tokens=self.tokens,
            beliefs=self.known,
        )

    def market(self) -> None:
        now = NOON + timedelta(seconds=self.seconds)
        for k in self.kinds:
            place, gpu, purchase = k.key
            mine = [m for m in self.machines.values() if m.kind == k.number]
            there = [m for m in mine if m.phase != ASKED]
            taken = there[self.has(k) :]
            for machine in taken:
                del self.machines[machine.name]
            came = [m for m in mine if m.phase == ASKED and m.seconds >= 60]
            room = max(0, self.has(k) - (len(there) - len(taken)))
            for machine in came[:room]:
                self.machines[machine.name] = changed(machine, phase=COLD, seconds=0.0)
            for machine in there[: self.has(k)]:
                if machine.phase == COLD and machine.seconds >= k.cold_start_p90:
                    self.machines[machine.name] = changed(machine, phase=WORKING)
            held = len(there) - len(taken) + len(came[:room])
            for what, count in (
                (AnswerKind.TAKEN, len(taken)),
                (AnswerKind.CAME, len(came[:room])),
                (AnswerKind.NONE, len(came[room:])),
            ):
                if count:
                    self.answers.append(Answer(place, gpu, purchase, now, what, count, held))


# Invariant 1 of docs/steering.md
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 16), min_size=1, max_size=20), min_size=3, max_size=3),
    st.sampled_from([120.0, 400.0, 1_500.0, 6_000.0]),
    st.tuples(*[st.floats(0.1, 1.2)] * 3),
    st.floats(1.1, 3.0),
)
# One spot machine is left, and the net's machines together would do the rest within their own cold start.
@example([[0], [16, 3, 14, 11, 1], [0]], 1_500.0, (1.0, 0.25, 1.0), 2.5)
def test_no_market_makes_a_run_late(
    up: list[list[int]], spell: float, prices: tuple[float, float, float], slack: float
) -> None:
    """On demand alone needs an hour and its start; the deadline is `slack` times that; spot does what it likes."""
    alone = 3_600.0 + 420 + 120 + 60
    world = World(
        up=up,
        spell=spell,
        prices=(*prices, 1.0),
        kinds=KINDS,
        tokens=16 * 950 * 3_600.0,
        hours=slack * alone / 3_600,
    )
    assert world.run() <= world.hours * 3_600
    assert world.most <= 16


def test_net_that_starts_is_not_ended_for_the_speed_that_it_will_have() -> None:
    """5M tokens are 312 s for 16 machines and 5,000 s for the one that works: those that come in 240 s come in time."""
    net = [Machine(f"n{number}", ON_DEMAND.number, COLD, 60.0) for number in range(15)]
    found = decide(situation([*working(WEST, 1), *net], hours=2.0, tokens=5e6))
    assert not found.releases
    # 3M tokens are 200 s for those that work.
    done = decide(situation([*working(WEST, 15), *net[:1]], hours=2.0, tokens=3e6))
    assert [one.machine for one in done.releases] == ["n0"]


def test_run_without_spot_is_kept_by_on_demand_alone() -> None:
    world = World(
        up=[[0]] * 3, spell=600, prices=(0.3, 0.3, 0.3, 1.0), kinds=KINDS, tokens=16 * 950 * 3_600.0, hours=2
    )
    assert world.run() <= 2 * 3_600


def test_spot_that_could_only_come_after_on_demand_has_started_is_not_waited_for() -> None:
    """The two cheap places had none for an hour. What comes after the net has started is too late."""
    now, work = NOON + 2 * HOUR, 16 * 3_600 * 1_000.0
    known = {
        k.key: Belief(up=False, seen=now, hours_down=1.0, refusals=6, refused=now - timedelta(minutes=1))
        for k in (EAST, WEST)
    }
    far = situation(now=now, hours=2 + 6, tokens=work, beliefs=known)
    near = situation(now=now, hours=2 + 4, tokens=work, beliefs=known)
    assert not asked(decide(far))[NORTH.number]
    assert asked(decide(near))[NORTH.number] > 0


def test_kinds_that_are_not_there_do_not_matter() -> None:
    more = [*KINDS, kind(9, "azure/nowhere", None)]
    assert asked(decide(situation())) == asked(decide(situation(kinds=more)))


def test_fleet_that_works_in_the_cheapest_place_is_left_alone() -> None:
    known = {EAST.key: Belief(up=True, seen=NOON, held=16)}
    verdict = decide(situation(working(EAST, 16), now=NOON + 2 * HOUR, beliefs=known))
    assert not verdict.asks
    assert not verdict.releases


def test_nothing_starts_where_machines_that_work_hold_all_shards() -> None:
    """The deadline is a minute away and the net would start: but no shard is left that another machine could take."""
    last = replace(situation(working(EAST, 4), hours=2.1, now=NOON + 2 * HOUR, tokens=4e5), shards_left=3)
    verdict = decide(last)
    assert not verdict.asks
    assert [one.why for one in verdict.releases] == ["no shard is left for it"]
    assert decide(replace(last, shards_left=40)).asks


def test_no_machine_makes_room_for_one_that_the_budget_does_not_cover() -> None:
    """$0.15 pay for the spot machine that starts, and not for a start on demand."""
    cold = Machine("m0-0", 0, MachinePhase.COLD, 100.0)
    poor = situation([cold], hours=750 / 3_600, tokens=1e5, budget=0.15, limits=Limits(machines=1))
    assert not decide(poor).releases
    rich = situation([cold], hours=750 / 3_600, tokens=1e5, budget=1.0, limits=Limits(machines=1))
    assert [one.machine for one in decide(rich).releases] == ["m0-0"]
