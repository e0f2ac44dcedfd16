"""The machines of a run, from the intent to rent one to its end, and the lives of each.

A life is one stretch in which a machine ran and cost money: a spot machine may come back after a preemption, in
another place and at another price.
"""

import sqlite3
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Literal

from launcher.errors import Problem
from launcher.ledger.database import Database
from launcher.ledger.records import (
    LOCAL_SITE,
    MACHINE_MOVES,
    ColdStart,
    Life,
    LifeEnd,
    Machine,
    MachineState,
    ObservedPrice,
    Site,
)
from launcher.ledger.tables import LIFE, MACHINE, PRICE, fields_of, loaded, printable, utc_text

COLD_STARTS = """
    SELECT CASE WHEN json_valid(run.plan) THEN json_extract(run.plan, '$.work.model') END, life.cloud, machine.gpu,
        life.up, life.ready
    FROM life JOIN machine ON machine.name = life.machine JOIN run ON run.id = machine.run
    WHERE life.ready IS NOT NULL AND life.number = 0
    ORDER BY life.up DESC
"""
PRICE_VALUES = (
    "usd_per_hour",
    "life",
)  # what the later of two prices of one machine, moment and source replaces
BEGAN, READY = LIFE.columns["up"], LIFE.columns["ready"]
OF_RUN = "machine IN (SELECT name FROM machine WHERE run = ?)"
LIFE_ENDS = {
    MachineState.STOPPED: LifeEnd.STOPPED,
    MachineState.FAILED: LifeEnd.FAILED,
    MachineState.LOST: LifeEnd.LOST,
}


class Machines:
    """Record what is asked of providers and what they report. Recording the same again changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(
        self,
        run: str,
        name: str,
        slot: int,
        usd_per_hour: Decimal | None,
        now: datetime,
        *,
        place: str | None = None,
        gpu: str = "cpu",
        lot: int | None = None,
        site: Site = LOCAL_SITE,
    ) -> bool:
        """Record the intent to start a machine, before it is started; return False where the name is not new.

        The caller starts the machine only where this returned True, so asking twice starts one machine.
        `usd_per_hour` is of the whole machine, as planned. `lot`: the number of its machine group, from 0. `site`: where
        the machine is asked for; `place` is its short name, `site.place` by default.
        """
        row = {
            "name": name, "run": run, "slot": slot, "place": place or site.place, "gpu": gpu,
            "usd_per_hour": usd_per_hour, "state": MachineState.INTENDED, "intended": now, "lot": lot,
            **fields_of(site),
        }  # fmt: skip
        with self._database.writing() as connection:
            return MACHINE.insert(connection, row)

    def confirm(self, name: str, handle: str, now: datetime) -> None:
        """Record that the provider has the machine, under this name of its own: a process, or a job that waits.

        A local process costs from here on. A rented machine costs from `begin_life` on.

        Raises:
            Problem: the machine was confirmed with another handle before.
        """
        with self._database.writing() as connection:
            if _move(connection, name, MachineState.UP):
                connection.execute(
                    "UPDATE machine SET confirmed = ?, handle = ? WHERE name = ?",
                    (utc_text(now), handle, name),
                )
                return
            (known,) = connection.execute("SELECT handle FROM machine WHERE name = ?", (name,)).fetchone()
        if known != handle:
            raise Problem(
                f"machine {name} runs as {known} and was started again as {handle}",
                hint="two launchers share this run: stop one of them",
            )

    def mark_ready(self, name: str, at: datetime) -> None:
        """Record when its worker could embed. The first time counts, even when the machine has ended since."""
        self._record_moment(name, "ready", at)

    def mark_stopping(self, name: str, at: datetime) -> None:
        """Record when it was asked to stop; what follows is teardown. The first time counts."""
        self._record_moment(name, "stopping", at)

    def end(
        self, name: str, state: MachineState, at: datetime, reason: str, exit_code: int | None = None
    ) -> None:
        """Record the end of a machine and of its open life: neither costs anything from here on."""
        with self._database.writing() as connection:
            if _move(connection, name, state):
                connection.execute(
                    "UPDATE machine SET ended = ?, reason = ?, exit_code = ? WHERE name = ?",
                    (utc_text(at), printable(reason), exit_code, name),
                )
            _end_open_lives(connection, name, at, LIFE_ENDS[state])

    def of_run(self, run: str, states: Collection[MachineState] | None = None) -> list[Machine]:
        """Return the machines of a run, or those in some states, in the order in which they were intended."""
        where, parameters = "run = ?", [run]
        if states is not None:
            where += f" AND state IN ({', '.join('?' for _ in states)})"
            parameters += [state.value for state in states]
        with self._database.reading() as connection:
            return MACHINE.select(connection, where, parameters)

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
        """Record that the provider reports a machine as running: billing begins, here and at this price.

        Returns whether the life is new. `number` is how often the machine was recovered before (SkyPilot's recovery
        count), so that an observer who returns after a pause begins no life twice. An earlier life whose end was not
        observed ends now at the latest: it is closed as PREEMPTED without being `gone`, and the report says that its
        end is not known. The price is also kept as an observed price with source "launch". `asked` is when this life
        was asked for, where known.
        """
        row = {
            "machine": machine, "number": number, **fields_of(site), "usd_per_hour": usd_per_hour,
            "asked": asked, "up": up,
        }  # fmt: skip
        with self._database.writing() as connection:
            require_machine(connection, machine)
            if not LIFE.insert(connection, row):
                return False
            connection.execute(
                "UPDATE life SET ended = ?, how = ? WHERE machine = ? AND number < ? AND ended IS NULL",
                (utc_text(up), LifeEnd.PREEMPTED.value, machine, number),
            )
            if usd_per_hour is not None:
                price = ObservedPrice(
                    machine=machine, at=up, source="launch", usd_per_hour=usd_per_hour, life=number
                )
                PRICE.upsert(connection, fields_of(price), PRICE_VALUES)
            return True

    def end_life(self, machine: str, number: int, at: datetime, how: LifeEnd) -> None:
        """Record that a life ended, as far as is known: it costs nothing from here on. The first end counts."""
        with self._database.writing() as connection:
            key = (machine, number)
            query = "SELECT 1 FROM life WHERE machine = ? AND number = ?"
            if connection.execute(query, key).fetchone() is None:
                raise ValueError(f"machine {machine} has no life {number}")
            connection.execute(
                "UPDATE life SET ended = ?, how = ? WHERE machine = ? AND number = ? AND ended IS NULL",
                (utc_text(at), how.value, *key),
            )

    def mark_gone(self, machine: str, at: datetime) -> None:
        """Record that the provider confirmed that nothing of the machine is left. An open life ends now as LOST."""
        with self._database.writing() as connection:
            require_machine(connection, machine)
            _end_open_lives(connection, machine, at, LifeEnd.LOST)
            connection.execute(
                "UPDATE life SET gone = ? WHERE machine = ? AND gone IS NULL", (utc_text(at), machine)
            )

    def lives(self, run: str) -> list[Life]:
        """Return the lives of all machines of a run, in the order in which they began."""
        with self._database.reading() as connection:
            return LIFE.select(connection, OF_RUN, (run,), order="up, machine, number")

    def life(self, machine: str, number: int) -> Life | None:
        """Return one life of a machine; None: it is not known."""
        with self._database.reading() as connection:
            found = LIFE.select(connection, "machine = ? AND number = ?", (machine, number))
        return found[0] if found else None

    def cold_starts(self) -> list[ColdStart]:
        """Return how long machines of all runs took to become ready, from when they began to be paid, the newest first.

        Plans of the same model use them as their cold starts. How long a machine waited for its launch is not in them:
        plans reckon that by the size of their own fleet. Only first lives count: of a machine that came back, the
        provider reports when its program began, which is after its boot.
        """
        with self._database.reading() as connection:
            rows = [
                (model, cloud, gpu, loaded("life", BEGAN, up), loaded("life", READY, ready))
                for model, cloud, gpu, up, ready in connection.execute(COLD_STARTS)
            ]
        return [
            ColdStart(model, cloud, gpu, (ready - up).total_seconds())
            for model, cloud, gpu, up, ready in rows
            if isinstance(model, str) and ready > up  # equal: it was seen only when it was ready
        ]

    def _record_moment(self, name: str, column: Literal["ready", "stopping"], at: datetime) -> None:
        """Set `ready` or `stopping` of a machine, and of the life that ran at that time, where it is not set yet."""
        moment = utc_text(at)
        with self._database.writing() as connection:
            require_machine(connection, name)
            connection.execute(
                f"UPDATE machine SET {column} = ? WHERE name = ? AND {column} IS NULL",  # noqa: S608 # a name of our own
                (moment, name),
            )
            connection.execute(
                f"""
                UPDATE life SET {column} = ? WHERE machine = ? AND {column} IS NULL
                AND number = (SELECT max(number) FROM life WHERE machine = ? AND up <= ?)
                """,  # noqa: S608 # a name of our own
                (moment, name, name, moment),
            )


def require_machine(connection: sqlite3.Connection, name: str) -> None:
    """Raise ValueError where the machine is unknown."""
    if connection.execute("SELECT 1 FROM machine WHERE name = ?", (name,)).fetchone() is None:
        raise unknown_machine(name)


def unknown_machine(name: str) -> ValueError:
    """The error of a machine that the ledger does not have."""
    return ValueError(f"machine {name} was never intended")


def _move(connection: sqlite3.Connection, name: str, state: MachineState) -> bool:
    """Move a machine to a state and return True; return False where it is in that state already."""
    found = connection.execute("SELECT state FROM machine WHERE name = ?", (name,)).fetchone()
    if found is None:
        raise unknown_machine(name)
    before: MachineState = loaded("machine", MACHINE.columns["state"], found[0])
    if before == state:
        return False
    if (before, state) not in MACHINE_MOVES:
        raise ValueError(f"machine {name} is {before} and cannot become {state}")
    connection.execute("UPDATE machine SET state = ? WHERE name = ?", (state.value, name))
    return True


def _end_open_lives(connection: sqlite3.Connection, machine: str, at: datetime, how: LifeEnd) -> None:
    connection.execute(
        "UPDATE life SET ended = ?, how = ? WHERE machine = ? AND ended IS NULL",
        (utc_text(at), how.value, machine),
    )
