"""The deadline of a run: the one set last with `resume --deadline`, else the job's, counted from the launch."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from launcher.errors import Infeasible, Usage
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.format import duration
from launcher.jobs.job import Job, deadline_of
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from launcher.planning.estimates.estimate import SHARD_SECONDS


def current_deadline(ledger: Ledger, run: Run, job: Job) -> datetime | None:
    """When the run is to be done; None: it has no deadline."""
    return ledger.steering.deadline(run.id) or deadline_of(job, run.created)


def late_by(ledger: Ledger, run: str, deadline: datetime | None) -> timedelta | None:
    """How long after its deadline the last shard of a finished run was done; None: in time, or no deadline."""
    finished = ledger.shards.progress(run).last_finished
    if deadline is None or finished is None or finished <= deadline:
        return None
    return finished - deadline


def soonest_shard(groups: Sequence[FleetGroup]) -> timedelta:
    """How long a machine that is asked for now takes to do its first shard, at the slow end; 0 for this machine."""
    starts = [g.cold_start if g.cold_start_p90 is None else g.cold_start_p90 for g in groups if g.rented]
    return timedelta(seconds=min(starts) + SHARD_SECONDS) if starts else timedelta(0)


def check_deadline(moment: datetime, now: datetime, soonest: timedelta) -> None:
    """Refuse a new deadline that nothing can keep. `soonest`: until a machine that is asked for now has done a shard.

    Raises:
        Usage: it is in the past.
        Infeasible: no machine could do anything until then.
    """
    if moment <= now:
        ago = duration((now - moment).total_seconds())
        raise Usage(
            f"--deadline {moment:%Y-%m-%d %H:%M} UTC is in the past: it was {ago} ago",
            hint="give a later moment, or a duration from now on such as 6h",
        )
    if moment - now < soonest:
        left, least = duration((moment - now).total_seconds()), duration(soonest.total_seconds())
        raise Infeasible(
            f"--deadline leaves {left}, and a machine that is asked for now has done its first shard after {least} (P90)",
            hint=f"soonest {least}",
        )
