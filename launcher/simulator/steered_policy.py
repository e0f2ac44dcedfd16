"""The product's steered policy in a simulation: its own `course`, fed with what a launcher would know. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.scheduling.policy import course
from launcher.fleet.scheduling.steered import KnownKinds
from launcher.planning.estimates.estimate import SHARD_SECONDS
from launcher.simulator.policies import Answered, MachineViews, Observation, fleet_view, moment, usd
from launcher.simulator.replayed_cloud import AnswerOf, PlaceAnswer, Stage, merged_answers
from launcher.simulator.scenario import FIRST_MINUTE, Scenario, groups_of
from launcher.steering.course import Course
from launcher.steering.market import beliefs
from launcher.steering.pace import MINUTE_NOISE
from launcher.steering.situation import (
    AUTOPILOT,
    Answer,
    AnswerKind,
    Belief,
    Limits,
    PlaceKey,
    Quote,
    Speed,
    Steering,
    WhenShort,
)

ANSWERS = {AnswerOf.CAME: AnswerKind.CAME, AnswerOf.NONE: AnswerKind.NONE, AnswerOf.TAKEN: AnswerKind.TAKEN}
NET_PATIENCE = 60.0  # seconds: the next look where the net is near
QUIET_SECONDS = 300.0  # until the next look where the course names none


@dataclass(slots=True)
class SteeredPolicy:
    """The product's policy with steering. It keeps beliefs as the ledger would."""

    scenario: Scenario
    policy: str = AUTOPILOT
    when_short: WhenShort = WhenShort.LATE
    with_forecast: bool = False  # of each course: no order depends on it
    groups: Sequence[FleetGroup] = field(init=False)
    views: MachineViews = field(init=False)
    known: dict[PlaceKey, Belief] = field(default_factory=dict[PlaceKey, Belief])
    _prices: Sequence[float] = ()
    _quoted: dict[int, Quote] = field(default_factory=dict[int, Quote])
    paces: dict[str, Speed] = field(default_factory=dict[str, Speed])
    kinds: KnownKinds = field(default_factory=KnownKinds)
    last: Course | None = None
    stopped: bool = False  # its budget ended the run: it drains to the end, as in a launcher

    def __post_init__(self) -> None:
        self.groups = groups_of(self.scenario.kinds)
        self.views = MachineViews(self.scenario)

    def decide(self, observation: Observation) -> Answered:
        """The orders of the product's `course`."""
        now = moment(observation.seconds)
        self.known = beliefs.learn(self.known, self._answers(observation.answers))
        view = fleet_view(
            self.views,
            self.groups,
            observation,
            steering=self.steering(observation),
            draining=self.stopped,
        )
        self.last = found = course(view, now, with_forecast=self.with_forecast, known=self.kinds)
        self.stopped = self.stopped or found.stop
        if found.next_look is not None:
            quiet = (found.next_look - now).total_seconds()
        else:
            near = found.margin_seconds is not None and found.margin_seconds < 3 * QUIET_SECONDS
            quiet = NET_PATIENCE if near else QUIET_SECONDS
        return Answered(found.orders, observation.seconds + quiet, self.stopped)

    def steering(self, observation: Observation) -> Steering:
        """What a launcher would know beyond the machines."""
        scenario = self.scenario
        return Steering(
            started=moment(0.0),
            deadline=moment(scenario.deadline),
            beliefs=self.known,
            quotes=self._quotes(observation),
            pace=self._pace(observation),
            limits=Limits(
                machines=scenario.machines, on_demand=scenario.most_on_demand, probes=scenario.probes
            ),
            launches_per_second=scenario.launches_per_second,
            policy=self.policy,
            when_short=self.when_short,
            obtainable=1 - scenario.no_on_demand,
            shard_seconds=SHARD_SECONDS,
        )

    def _quotes(self, observation: Observation) -> dict[int, Quote]:
        """The prices now, each with the moment since when it has been seen."""
        if self._prices != observation.prices:
            at, before = moment(observation.seconds), self._prices or [None] * len(observation.prices)
            changed = {
                number: Quote(usd(price), at)
                for number, (price, seen) in enumerate(zip(observation.prices, before, strict=True))
                if price != seen
            }
            self._prices, self._quoted = list(observation.prices), {**self._quoted, **changed}
        return self._quoted

    def _answers(self, answers: Sequence[PlaceAnswer]) -> list[Answer]:
        found = list[Answer]()
        for one in merged_answers(answers):
            kind = self.scenario.kinds[one.kind]
            found.append(
                Answer(
                    kind.place.infra,
                    kind.gpu,
                    kind.purchase,
                    moment(one.at),
                    ANSWERS[one.what],
                    count=one.count,
                    held=one.held,
                )
            )
        return found

    def _pace(self, observation: Observation) -> dict[str, Speed]:
        """The measured speed of each GPU type that worked for a minute; the more machines, the surer."""
        counts: dict[str, int] = {}
        for machine in observation.machines:
            if machine.stage == Stage.WORKING and observation.seconds - machine.worked_from >= FIRST_MINUTE:
                gpu = self.scenario.kinds[machine.kinds[0]].gpu
                counts[gpu] = counts.get(gpu, 0) + 1
        for gpu, count in counts.items():
            before = self.paces.get(gpu)
            if before is None or count > before.machines:
                spread = MINUTE_NOISE / count**0.5
                self.paces[gpu] = Speed(self.scenario.slower, spread, count)
        return dict(self.paces)
