"""What launchers of a run recorded as spent and this ledger does not have, as charges for status and reports.

A ledger lacks it that was rebuilt from the output path, that is older than the run's last launch, or beside which another
laptop drove the run.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.costs.run_costs import ELSEWHERE, lives_so_far
from launcher.costs.shared_spend import (
    LOCAL,
    DatedRecord,
    Elsewhere,
    LifeKey,
    LifeSpend,
    recorded_usd,
    spent_elsewhere,
)
from launcher.errors import Problem
from launcher.fleet.budget.spend_records import SpendRecords
from launcher.fleet.monitoring.machine_tracker import DIED_UNSEEN
from launcher.format import plural
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Charge, MachineState
from tasks.stores.base import Store

NO_LAUNCHER = ""  # of which no record is left out
NOT_KNOWN = "elsewhere, not known"  # name of the charge for what is known to be missing in the other
JUST_NOW = timedelta(0)


def recorded_total(store: Store, run: str) -> Decimal:
    """What all launchers wrote down as spent.

    Raises:
        Problem: a record cannot be read.
    """
    return recorded_usd(SpendRecords(store, run, NO_LAUNCHER).read())


def recorded_lives(store: Store, run: str) -> dict[str, Sequence[LifeSpend]]:
    """The lives of each machine that cost something or may still do so, each as its highest record has it.

    Raises:
        Problem: a record cannot be read.
    """
    found: dict[LifeKey, LifeSpend] = {}
    for dated in SpendRecords(store, run, NO_LAUNCHER).read():
        for life in dated.record.lives:
            before = found.get(life.key, life)
            dearest = max(before, life, key=lambda one: one.usd)
            found[life.key] = replace(dearest, ended=before.ended or life.ended)
    lives = defaultdict[str, list[LifeSpend]](list)
    for life in found.values():
        if life.usd or not life.ended:
            lives[life.machine].append(life)
    return {machine: sorted(some, key=lambda one: one.started) for machine, some in lives.items()}


def note_recorded(ledger: Ledger, store: Store, run: str, now: datetime) -> None:
    """Write into the ledger what is recorded of machines that it does not have, up to when that was recorded.

    Raises:
        Problem: a record cannot be read.
    """
    try:
        records = [DatedRecord(one.record, JUST_NOW) for one in SpendRecords(store, run, NO_LAUNCHER).read()]
    except Problem as problem:
        _note_unknown(ledger, run, str(problem), now)
        raise
    own, doubtful = lives_so_far(ledger, run, now, None), doubtful_lives(ledger, run)
    found = spent_elsewhere(own, records, doubtful)
    followed = _followed_lives(ledger, run)
    more = _more_than_own(
        [one for one in own if one.key not in doubtful and one.key not in followed], records
    )
    found = replace(
        found, unknown_usd=found.unknown_usd + sum(more), unknown_lives=found.unknown_lives + len(more)
    )
    if not found.open:
        note_elsewhere(ledger, run, found, now)
    else:
        _note(ledger, run, _charge(found, now))
        reason = f"{plural(len(found.open), 'machine')} that other launchers recorded may have cost more since then"
        _note_unknown(ledger, run, reason, now)


def _followed_lives(ledger: Ledger, run: str) -> set[LifeKey]:
    """Lives of rented machines whose end their provider confirmed: their cost is no less right than a record's."""
    return {(life.machine, str(life.number)) for life in ledger.machines.lives(run) if life.gone is not None}


def _more_than_own(own: Sequence[LifeSpend], records: Sequence[DatedRecord]) -> list[Decimal]:
    """What lives cost beyond what this ledger knows, which may have seen the last heartbeat of one and not its end."""
    dearest = defaultdict[LifeKey, Decimal](Decimal)
    for life in (life for dated in records for life in dated.record.lives):
        dearest[life.key] = max(dearest[life.key], life.usd)
    return [dearest[life.key] - life.usd for life in own if dearest[life.key] > life.usd]


def note_elsewhere(ledger: Ledger, run: str, found: Elsewhere, now: datetime) -> None:
    """Write what only others know into the ledger as a charge, where all of it is known."""
    known = {one.name for one in ledger.costs.charges(run)}
    if NOT_KNOWN in known:
        ledger.costs.drop_charge(run, NOT_KNOWN)
    if found.unknown_lives or ELSEWHERE in known:
        _note(ledger, run, _charge(found, now))


def _charge(found: Elsewhere, now: datetime) -> Charge:
    return Charge(
        name=ELSEWHERE,
        kind=ELSEWHERE,
        at=now,
        quantity=float(found.unknown_lives),
        unit="machine lives",
        usd=found.unknown_usd,
        reason="machine time that launchers recorded, and this ledger does not have",
    )


def _note_unknown(ledger: Ledger, run: str, reason: str, now: datetime) -> None:
    """Without dollars, so that no total is taken for complete."""
    charge = Charge(name=NOT_KNOWN, kind=ELSEWHERE, at=now, quantity=None, unit="", usd=None, reason=reason)
    _note(ledger, run, charge)


def _note(ledger: Ledger, run: str, charge: Charge) -> None:
    """Write a charge that says something new; the moment of the first stays."""
    before = next((one for one in ledger.costs.charges(run) if one.name == charge.name), None)
    now = charge if before is None else replace(charge, at=before.at)
    if now != before:
        ledger.costs.record_charge(run, now)


def doubtful_lives(ledger: Ledger, run: str) -> set[LifeKey]:
    """Lives that ended because our backend did not know the machine: another laptop's may know it."""
    unseen = {
        m.name
        for m in ledger.machines.of_run(run, {MachineState.LOST})
        if m.cloud != LOCAL and m.reason == DIED_UNSEEN
    }
    if not unseen:
        return set()
    lives = ledger.machines.lives(run)
    gone = {(life.machine, str(life.number)) for life in lives if life.gone is not None}
    numbers = {life.machine: life.number for life in lives}
    return {(name, str(numbers.get(name, 0))) for name in unseen} - gone
