"""What the ledger remembers of money: the lives of machines, prices seen, other charges, budgets, notices sent.

The half of `Ledger` that whoever drives a fleet writes and whoever counts dollars reads. Everything may be said twice:
the same again changes nothing. It knows no clock: times come from the caller.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Table, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import Connection

from launcher.ledger.records import (
    BudgetLimit,
    Charge,
    ColdStart,
    Life,
    LifeEnd,
    MachineState,
    Notification,
    ObservedPrice,
    Site,
)
from launcher.ledger.tables import CHARGE, LIFE, LIMIT, MACHINE, NOTICE, PRICE

Kept = TypeVar("Kept", bound=Life | ObservedPrice | Charge | BudgetLimit | Notification)

STARTS = """
    SELECT json_extract(run.plan, '$.work.model'), life.cloud, machine.gpu,
        CASE WHEN life.asked IS NULL AND life.number = 0 THEN machine.intended ELSE life.asked END AS asked, life.ready
    FROM life JOIN machine ON machine.name = life.machine JOIN run ON run.id = machine.run
    WHERE life.ready IS NOT NULL AND (life.asked IS NOT NULL OR life.number = 0)
    ORDER BY life.up DESC
"""
ENDS = {
    MachineState.STOPPED: LifeEnd.STOPPED,
    MachineState.FAILED: LifeEnd.FAILED,
    MachineState.LOST: LifeEnd.LOST,
}


class Purse:
    """The ledger is one; it brings the transactions."""

    def writing(self) -> AbstractContextManager[Connection]:
        raise NotImplementedError

    def reading(self) -> AbstractContextManager[Connection]:
        raise NotImplementedError

    # Lives

    def begin_life(
        self,
        machine: str,
        number: int,
        up: datetime,
        site: Site,
        usd_per_hour: Decimal | None,
        *,
        asked: datetime | None = None,
    ) -> bool:
        """The provider says that it runs: billing begins, here and at this price. Whether the life is new.

        `number` is how often the machine was recovered before (SkyPilot's recovery count), so that whoever looks
        again, after any pause, opens no life twice. An earlier life that nobody saw end ends now, at the latest: it
        is closed here as PREEMPTED without being `gone`, and the report says that its end is not known.
        The price is also kept as seen, with source "launch". `asked`: when this life was asked for, where known.
        """
        row = {
            "machine": machine, "number": number, "cloud": site.cloud, "region": site.region, "zone": site.zone,
            "purchase": site.purchase, "instance_type": site.instance_type, "gpus": site.gpus,
            "disk_gb": site.disk_gb, "usd_per_hour": usd_per_hour, "asked": asked, "up": up,
        }  # fmt: skip
        with self.writing() as connection:
            _known(connection, machine)
            fresh = upsert(LIFE).values(row).on_conflict_do_nothing(index_elements=["machine", "number"])
            if connection.execute(fresh).rowcount != 1:
                return False
            earlier = (LIFE.c.machine == machine, LIFE.c.number < number, LIFE.c.ended.is_(None))
            connection.execute(update(LIFE).where(*earlier).values(ended=up, how=LifeEnd.PREEMPTED))
            if usd_per_hour is not None:
                _see(connection, ObservedPrice(machine, up, "launch", usd_per_hour, number))
            return True

    def end_life(self, machine: str, number: int, at: datetime, how: LifeEnd) -> None:
        """It does not run any more, as far as anybody can tell: it costs nothing from here on. The first end counts."""
        with self.writing() as connection:
            mine = (LIFE.c.machine == machine, LIFE.c.number == number)
            if connection.scalar(select(LIFE.c.number).where(*mine)) is None:
                raise ValueError(f"machine {machine} has no life {number}")
            connection.execute(update(LIFE).where(*mine, LIFE.c.ended.is_(None)).values(ended=at, how=how))

    def gone(self, machine: str, at: datetime) -> None:
        """The provider confirmed that no life of it is there any more. One that was open ends now as LOST."""
        mine = LIFE.c.machine == machine
        with self.writing() as connection:
            _known(connection, machine)
            connection.execute(
                update(LIFE).where(mine, LIFE.c.ended.is_(None)).values(ended=at, how=LifeEnd.LOST)
            )
            connection.execute(update(LIFE).where(mine, LIFE.c.gone.is_(None)).values(gone=at))

    def lives(self, run: str) -> list[Life]:
        """Of all its machines, in the order in which they came up."""
        return self._kept(Life, LIFE, _of(run, LIFE), order=(LIFE.c.up, LIFE.c.machine, LIFE.c.number))

    def starts(self) -> list[ColdStart]:
        """Of every run, the newest first: what plans of the same model take for their cold starts.

        Only where it is known when the life was asked for: with the machine, or as the provider said.
        """
        with self.reading() as connection:
            rows = connection.exec_driver_sql(STARTS).all()
        return [
            ColdStart(model, cloud, gpu, (_moment(ready) - _moment(asked)).total_seconds())
            for model, cloud, gpu, asked, ready in rows
            if model and ready >= asked
        ]

    # Prices

    def see_prices(self, seen: Iterable[ObservedPrice]) -> None:
        """What an hour of a whole machine costs from a moment on, until another price of it is seen.

        Of two of one machine, moment and source the later call counts.
        """
        with self.writing() as connection:
            for price in seen:
                _known(connection, price.machine)
                _see(connection, price)

    def prices(self, run: str) -> list[ObservedPrice]:
        """Of all its machines, the oldest first."""
        return self._kept(ObservedPrice, PRICE, _of(run, PRICE), order=(PRICE.c.at, PRICE.c.machine))

    # What is not for a machine's hours

    def charge(self, run: str, charge: Charge) -> None:
        """Write a charge down; under a name that is there already it is corrected."""
        if charge.usd is None and not charge.reason:
            raise ValueError(f"the charge {charge.name} has no dollars and no reason why")
        row = {"run": run} | {field.name: getattr(charge, field.name) for field in fields(charge)}
        statement = upsert(CHARGE).values(row)
        news = {name: statement.excluded[name] for name in row if name not in ("run", "name")}
        with self.writing() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["run", "name"], set_=news))

    def charges(self, run: str) -> list[Charge]:
        """The oldest first."""
        return self._kept(Charge, CHARGE, CHARGE.c.run == run, order=(CHARGE.c.at, CHARGE.c.name))

    # Budgets

    def set_budget(self, run: str, usd: Decimal, now: datetime) -> None:
        """A budget that goes before the job's, and before every earlier one."""
        with self.writing() as connection:
            statement = upsert(LIMIT).values({"run": run, "at": now, "usd": usd})
            news = {"usd": statement.excluded.usd}
            connection.execute(statement.on_conflict_do_update(index_elements=["run", "at"], set_=news))

    def budget(self, run: str) -> Decimal | None:
        """As it was set last; None: the job's holds."""
        limits = self._kept(BudgetLimit, LIMIT, LIMIT.c.run == run, order=(LIMIT.c.at.desc(),))
        return limits[0].usd if limits else None

    # Notices

    def intend_notice(self, run: str, kind: str, text: str, now: datetime) -> bool:
        """Whether the kind is new for this run. Call it before sending, and send only what is not `sent`."""
        row = {"run": run, "kind": kind, "at": now, "text": text, "tries": 0}
        statement = upsert(NOTICE).values(row).on_conflict_do_nothing(index_elements=["run", "kind"])
        with self.writing() as connection:
            return connection.execute(statement).rowcount == 1

    def tried_notice(self, run: str, kind: str, sent: datetime | None) -> None:
        """One more try to send it; `sent` None: it failed."""
        mine = (NOTICE.c.run == run, NOTICE.c.kind == kind)
        with self.writing() as connection:
            news = {"tries": NOTICE.c.tries + 1, "sent": sent}
            connection.execute(update(NOTICE).where(*mine, NOTICE.c.sent.is_(None)).values(news))

    def notices(self, run: str) -> list[Notification]:
        """The oldest first."""
        return self._kept(Notification, NOTICE, NOTICE.c.run == run, order=(NOTICE.c.at, NOTICE.c.kind))

    def _kept(
        self,
        kind: type[Kept],
        table: Table,
        *where: ColumnElement[bool],
        order: Sequence[ColumnElement[Any]] = (),
    ) -> list[Kept]:
        columns = [table.c[field.name] for field in fields(kind)]
        with self.reading() as connection:
            statement = select(*columns).where(*where).order_by(*order)
            return [kind(*row) for row in connection.execute(statement)]


def stamp_life(connection: Connection, machine: str, moment: str, at: datetime) -> None:
    """Write `ready` or `stopping` down at the life that ran then, where it has none yet."""
    ran = select(LIFE.c.number).where(LIFE.c.machine == machine, LIFE.c.up <= at)
    number = connection.scalar(ran.order_by(LIFE.c.number.desc()).limit(1))
    if number is not None:
        mine = (LIFE.c.machine == machine, LIFE.c.number == number, LIFE.c[moment].is_(None))
        connection.execute(update(LIFE).where(*mine).values({moment: at}))


def close_lives(connection: Connection, machine: str, state: MachineState, at: datetime) -> None:
    """The machine came to its end: so did the life that was open."""
    still = (LIFE.c.machine == machine, LIFE.c.ended.is_(None))
    connection.execute(update(LIFE).where(*still).values(ended=at, how=ENDS[state]))


def _moment(text: str) -> datetime:
    """As SQLModel writes it: UTC without saying so."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _see(connection: Connection, seen: ObservedPrice) -> None:
    row = {field.name: getattr(seen, field.name) for field in fields(seen)}
    statement = upsert(PRICE).values(row)
    news = {name: statement.excluded[name] for name in ("usd_per_hour", "life")}
    key = ["machine", "at", "source"]
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=news))


def _of(run: str, table: Table) -> ColumnElement[bool]:
    return table.c.machine.in_(select(MACHINE.c.name).where(MACHINE.c.run == run))


def _known(connection: Connection, machine: str) -> None:
    if connection.scalar(select(MACHINE.c.name).where(MACHINE.c.name == machine)) is None:
        raise ValueError(f"machine {machine} was never intended")
