"""`embedfleet simulate`: what policies would cost on recorded spot markets, and how often they would be late."""

import gc
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from launcher.cli.commands.plan import plan_options
from launcher.cli.console import say, show
from launcher.cli.open_ledger import existing_ledger
from launcher.documents.simulation import SimulatedMarket, SimulationDocument
from launcher.errors import Problem, Usage
from launcher.files import write
from launcher.jobs.parse import read_job
from launcher.planning import plan as plans
from launcher.planning import planner
from launcher.planning.saved.plan_file import plan_in
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.terminal.simulation import replay_text, simulation_text
from launcher.simulator.catalog import DEFAULT, find_traces
from launcher.simulator.plan_scenario import Changes, default_each, scenario_of
from launcher.simulator.replay import replay
from launcher.simulator.scenario import Outage
from launcher.simulator.simulate import POLICIES, Runs, simulate_market
from launcher.simulator.traces import TraceSet, with_machines
from tasks.clock import utc

GARBAGE_THRESHOLD = 50_000  # values beyond those that are freed, until cycles are looked for
LATE_CODE = 3  # of a simulation whose first policy is late more often than --max-late
ASSUMES = (
    "an ask is answered after a minute, and machines come up as fast as SkyPilot launches them",
    "a place that has fewer machines than are held takes some away, with half a shard in flight",
    "machines on demand can always be had, but for --no-on-demand and --without, and are never taken away",
    "dollars are those of the machines, with a minute of teardown each; no storage, egress or controller",
)


def simulate(arguments: Namespace) -> int:
    """Simulate, and print what came out; exit status 3 where --max-late is missed."""
    if arguments.replay is not None:
        return _replay(arguments)
    if arguments.job is None:
        raise Usage("no job to simulate", hint="embedfleet simulate JOB.yaml, a plan, or --replay RUN")
    policies = _policies(arguments.policy)
    traces = [find_traces(word, arguments.seed) for word in arguments.traces or [DEFAULT]]
    plans_by_deadline = _plans(arguments)
    # Runs make millions of values that live for a look and hold no cycles: looking for cycles takes a tenth of the time.
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    markets = list[SimulatedMarket]()
    for one in traces:
        for hours, plan in plans_by_deadline:
            markets.append(_market(arguments, plan, hours, one, policies))
    document = _document(arguments, plans_by_deadline[0][1], markets)
    if arguments.html:
        from launcher.reports.html.simulation import simulation_page  # noqa: PLC0415 - few want the page

        write(arguments.html, simulation_page(document))
        say(f"page written to {arguments.html}")
    show(document, simulation_text, as_json=arguments.json)
    return _gate(document, arguments.max_late)


def _replay(arguments: Namespace) -> int:
    """Make the decisions of a run again; exit status 1 where one comes out otherwise."""
    if arguments.job is not None:
        raise Usage(
            "--replay takes a run, and no job", hint=f"embedfleet simulate --replay {arguments.replay}"
        )
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.replay).id
        courses, decisions = ledger.steering.courses(run), ledger.steering.decisions(run)
    found = replay(run, courses, decisions)
    if not found.looks:
        raise Problem(
            f"run {run} has no decision that can be made again",
            hint="only steered runs have some; a ledger that was rebuilt has none",
        )
    show(found, replay_text, as_json=arguments.json)
    return 1 if found.different else 0


def _policies(words: Sequence[str]) -> Sequence[str]:
    for word in words:
        if word not in POLICIES:
            near = get_close_matches(word, POLICIES, n=1)
            guess = f"; did you mean {near[0]}?" if near else ""
            raise Usage(f"no policy {word!r}{guess}", hint=f"--policy takes {', '.join(POLICIES)}")
    return list(dict.fromkeys(words))


def _plans(arguments: Namespace) -> list[tuple[float | None, SavedPlan]]:
    """The plan for each deadline: of a saved plan always that plan, of a job one that is made for the deadline."""
    path: Path = arguments.job
    deadlines: Sequence[float | None] = arguments.deadline or [None]
    if path.suffix == ".json":
        plan = plan_in(path)
        return [(hours, plan) for hours in deadlines]
    job, base = read_job(path)
    options = replace(plan_options(arguments), on="cloud", loss_seconds=0.0)
    found = list[tuple[float | None, SavedPlan]]()
    for hours in deadlines:
        limits = job.limits if hours is None else replace(job.limits, deadline_hours=hours, deadline_at=None)
        if arguments.budget is not None:
            limits = replace(
                limits, budget=None
            )  # the plan need not keep it: the simulation shows what comes of it
        made = planner.make_plan(replace(job, limits=limits), base, options, utc(), say)
        found.append((hours, plans.saved_plan_of(made)))
    return found


def _market(
    arguments: Namespace, plan: SavedPlan, hours: float | None, traces: TraceSet, policies: Sequence[str]
) -> SimulatedMarket:
    scenario = scenario_of(
        plan,
        Changes(
            deadline_hours=hours,
            budget=arguments.budget,
            cold_start=arguments.cold_start,
            outages=tuple(Outage(*one) for one in arguments.without),
            no_on_demand=arguments.no_on_demand,
            slower=arguments.slower,
        ),
    )
    each: int | None = arguments.each
    if each is None and not traces.counts_machines:
        each = default_each(scenario)
    used = traces if each is None else with_machines(traces, each)
    _progress(traces, scenario.deadline / 3600, arguments.count)
    return simulate_market(scenario, used, Runs(policies, arguments.count, arguments.seed, each))


def _progress(traces: TraceSet, hours: float, runs: int) -> None:
    if sys.stderr.isatty():
        say(f"{runs} runs on {traces.name}, deadline {hours:g} h")


def _document(
    arguments: Namespace, plan: SavedPlan, markets: Sequence[SimulatedMarket]
) -> SimulationDocument:
    return SimulationDocument(
        job=str(plan.work.job["name"]),
        tokens=plan.profile.tokens,
        budget=arguments.budget,
        runs=arguments.count,
        seed=arguments.seed,
        cold_start_seconds=arguments.cold_start,
        no_on_demand=arguments.no_on_demand,
        slower=arguments.slower,
        without=[f"{place} {begin / 3600:g}h-{end / 3600:g}h" for place, begin, end in arguments.without],
        assumes=ASSUMES,
        markets=markets,
    )


def _gate(document: SimulationDocument, most: float | None) -> int:
    """The exit status: 3 where the first policy was late more often than agreed, anywhere."""
    if most is None:
        return 0
    for market in document.markets:
        first = market.policies[0]
        if first.late_share > most:
            say(
                f"{first.policy} was late in {first.late} of {first.runs} runs on {market.traces} with "
                f"{market.deadline_hours:g} h, more than --max-late {most:g}"
            )
            return LATE_CODE
    return 0
