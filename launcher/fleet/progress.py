"""The figures that a user who watches a run sees after each look of the controller."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from launcher.fleet.policy import FleetView, MachineView
from launcher.fleet.run_context import RunContext
from launcher.fleet.states import ALIVE, Phase
from launcher.ledger.records import MachineState, RunProgress


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """A run at one moment, for `launch` and `resume` to show."""

    progress: RunProgress
    workers: int
    ready: int
    deaths: int
    spent: Decimal | None
    started: datetime
    tokens_before: int  # done before this launch, so they are no part of its speed
    draining: bool
    rented: bool = False
    coming: int = 0  # machines that were requested and are not there yet
    recovering: int = 0


def snapshot_of(
    context: RunContext, view: FleetView, *, started: datetime, tokens_before: int
) -> ProgressSnapshot:
    """The snapshot of what the controller has just observed."""
    machines = context.ledger.machines.of_run(context.run)
    alive = [m for m in machines if m.state in ALIVE]
    return ProgressSnapshot(
        progress=context.ledger.shards.progress(context.run),
        workers=len(alive),
        ready=sum(1 for m in alive if m.ready),
        deaths=sum(1 for m in machines if m.state == MachineState.LOST),
        spent=view.spent,
        started=started,
        tokens_before=tokens_before,
        draining=view.draining,
        rented=context.rented,
        coming=count_pending(view.workers, {m.name for m in alive if m.ready}),
        recovering=sum(1 for w in view.workers if w.state in ALIVE and w.phase == Phase.RECOVERING),
    )


def count_pending(workers: Sequence[MachineView], ready: Collection[str]) -> int:
    """Count machines that were requested and are not there yet; a ready worker proves that one is there."""
    return sum(w.state in ALIVE and w.phase == Phase.WAITING and w.name not in ready for w in workers)
