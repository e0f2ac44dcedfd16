"""What a saved plan says about the speeds of its run, for `throughput.calibration`."""

from launcher.planning.saved.saved_plan import SavedPlan
from launcher.throughput.calibration import RunSetup


def run_setup_of(plan: SavedPlan) -> RunSetup:
    """Model, engine and lengths of the plan, and the machines of its first group."""
    first = plan.lots[0]
    return RunSetup(
        model=plan.work.model,
        engine=plan.work.engine,
        lengths=plan.profile.lengths,
        gpu=first.gpu,
        workers=first.workers or 1,
        precision=plan.work.job.get("precision"),
    )
