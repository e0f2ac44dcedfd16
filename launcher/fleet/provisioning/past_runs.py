"""What steered runs of this laptop saw of their places, read from the ledger: priors of a plan."""

from datetime import datetime

from launcher.fleet.provisioning.ask_history import answers_of
from launcher.ledger.ledger import Ledger
from launcher.steering.market import beliefs
from launcher.steering.market.priors import MOST_AGE, PastRun


def past_steered_runs(ledger: Ledger, now: datetime) -> list[PastRun]:
    """Runs that asked for machines lately, the newest last. Those that run still count with what they saw so far."""
    found: list[PastRun] = []
    for run in ledger.steering.runs_with_asks(now - MOST_AGE):
        answers = answers_of(
            ledger.steering.asks(run), ledger.machines.of_run(run), ledger.machines.lives(run)
        )
        if answers:
            found.append(PastRun(beliefs.learn({}, answers), answers[-1].at))
    return sorted(found, key=lambda one: one.ended)
