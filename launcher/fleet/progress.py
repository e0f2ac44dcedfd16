"""The figures that a user who watches a run sees after each look of the controller."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from launcher.costs.run_costs import rates_of, spent_so_far
from launcher.costs.run_rates import RunRates
from launcher.fleet.run_context import RunContext
from launcher.fleet.scheduling.fleet_view import FleetView, MachineView
from launcher.fleet.scheduling.states import ALIVE, Phase
from launcher.ledger.records import MachineState, RunProgress

MEAN_SHARDS = 50  # shards that are done, before their mean says how many tokens another has


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """A run at one moment, for `launch` and `resume` to show."""

    progress: RunProgress
    workers: int
    ready: int
    deaths: int
    rates: RunRates
    known: Decimal | None  # dollars spent, as far as they are known
    draining: bool
    rented: bool = False
    coming: int = 0  # machines that were requested and are not there yet
    recovering: int = 0
    late_seconds: float | None = None  # after the deadline, as steering expects; below 0: before it


def tokens_left_of(progress: RunProgress, done: int, planned: int | None) -> float | None:
    """Tokens that are left; None: not known. `done`: shards on which nothing is left to do; `planned`: of the plan.

    What was expected is an estimate, and may be used up while shards are left. So each of them has the mean of all that
    was expected at least, and, once enough shards are done, the mean of those.
    """
    expected = progress.tokens_expected or planned
    if expected is None:
        return None
    left = max(0, progress.shards - done)
    each = expected / progress.shards if progress.shards else 0.0
    if progress.shards_done >= MEAN_SHARDS:
        each = max(each, progress.tokens / progress.shards_done)
    return max(0.0, expected - progress.tokens, left * each)


def snapshot_of(
    context: RunContext,
    view: FleetView,
    now: datetime,
    *,
    expected: int | None,
    late_seconds: float | None = None,
) -> ProgressSnapshot:
    """The snapshot of what the controller has just observed.

    `expected`: tokens of the run, where its shards do not say.
    """
    machines = context.ledger.machines.of_run(context.run)
    alive = [m for m in machines if m.state in ALIVE]
    return ProgressSnapshot(
        progress=context.ledger.shards.progress(context.run),
        workers=len(alive),
        ready=sum(1 for m in alive if m.ready),
        deaths=sum(1 for m in machines if m.state == MachineState.LOST),
        rates=rates_of(
            context.ledger,
            context.run,
            now,
            usd=spent_so_far(context.ledger, context.run, now),
            tokens_open=context.observer.tokens_open({m.name for m in alive}),
            expected=expected,
        ),
        known=view.spent,
        draining=view.draining,
        rented=context.rented,
        coming=count_pending(view.workers, {m.name for m in alive if m.ready}),
        recovering=sum(1 for w in view.workers if w.state in ALIVE and w.phase == Phase.RECOVERING),
        late_seconds=late_seconds,
    )


def count_pending(workers: Sequence[MachineView], ready: Collection[str]) -> int:
    """Count machines that were requested and are not there yet; a ready worker proves that one is there."""
    return sum(w.state in ALIVE and w.phase == Phase.WAITING and w.name not in ready for w in workers)
