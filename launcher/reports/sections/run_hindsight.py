"""What a steered run saw of places and prices, from the ledger, for the least that it could have paid."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from launcher.costs.analysis.hindsight import PricePoint, RunSeen, hindsight_of
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.spend import Spend
from launcher.costs.usage.work_done import WorkDone
from launcher.documents.course import Hindsight
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from launcher.ledger.steering_records import AskAnswer
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.steering.envelope import place_of_kind
from tasks.protocol.messages.worker_names import machine_and_slot


def hindsight_of_run(
    ledger: Ledger,
    run: Run,
    plan: SavedPlan,
    spent: tuple[Sequence[MachineTime], Spend],
    done: WorkDone,
) -> Hindsight | None:
    """The least that a run could have paid; None where it is not steered, or not done. `spent`: lives, and their cost."""
    ended = done.last_finished()
    if plan.steering is None or ended is None:
        return None
    machines, spend = spent
    groups = {machine.name: machine.group for machine in machines}
    refused = defaultdict[int, list[datetime]](list)
    for ask in ledger.steering.asks(run.id):
        group = groups.get(ask.machine)
        if group is not None and ask.answered is not None and ask.answer == AskAnswer.NONE:
            refused[group].append(ask.answered)
    tokens = defaultdict[int, int](int)
    for worker, places in done.by_worker():
        group = groups.get(machine_and_slot(worker, groups.keys())[0])
        if group is not None:
            tokens[group] += int(done.tokens[places].sum())
    return hindsight_of(
        RunSeen(
            began=run.created,
            ended=ended,
            lives=machines,
            metered=spend.lives,
            tokens=tokens,
            refused=refused,
            prices=_prices(ledger, plan, run.created, ended),
            machines=plan.steering.envelope.machines,
        )
    )


def _prices(ledger: Ledger, plan: SavedPlan, began: datetime, ended: datetime) -> dict[int, list[PricePoint]]:
    """The prices that were read while the run lasted, by number of the machine group."""
    if plan.steering is None:
        return {}
    numbers = {
        (
            place_of_kind(kind.cloud, kind.region, kind.zone).infra,
            kind.instance_type,
            "spot" if kind.spot else "on-demand",
        ): number
        for number, kind in enumerate(plan.steering.envelope.kinds, start=len(plan.lots))
    }
    found = defaultdict[int, list[PricePoint]](list)
    for quote in ledger.steering.quotes({place for place, _, _ in numbers}, began, ended):
        number = numbers.get((quote.place, quote.instance_type, quote.purchase))
        if number is not None:
            found[number].append((quote.at, quote.usd_per_hour))
    return found
