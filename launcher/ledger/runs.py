"""The runs of a ledger, the states they may take, and the events that happened to them."""

from datetime import datetime
from difflib import get_close_matches
from typing import LiteralString

from launcher.errors import Problem
from launcher.format import plural, verb
from launcher.ledger.database import Database
from launcher.ledger.records import RUN_MOVES, Run, RunEvent, RunState
from launcher.ledger.tables import EVENT, RUN, loaded, printable, utc_text

OF_MACHINES: tuple[LiteralString, ...] = (
    "DELETE FROM price WHERE machine IN (SELECT name FROM machine WHERE run = ?)",
    "DELETE FROM life WHERE machine IN (SELECT name FROM machine WHERE run = ?)",
)
# Every table with rows about a run, those that refer to others first.
OF_RUN: tuple[LiteralString, ...] = (
    "DELETE FROM charge WHERE run = ?",
    "DELETE FROM machine WHERE run = ?",
    "DELETE FROM lease WHERE run = ?",
    "DELETE FROM shard WHERE run = ?",
    "DELETE FROM progress WHERE run = ?",
    'DELETE FROM "limit" WHERE run = ?',
    "DELETE FROM notice WHERE run = ?",
    "DELETE FROM outcome WHERE run = ?",
    "DELETE FROM event WHERE run = ?",
    "DELETE FROM note WHERE run = ?",
    "DELETE FROM tag WHERE run = ?",
    "DELETE FROM ask WHERE run = ?",
    "DELETE FROM course WHERE run = ?",
    "DELETE FROM decision WHERE run = ?",
    "DELETE FROM deadline WHERE run = ?",
    "DELETE FROM run WHERE id = ?",
)


class Runs:
    """Create, find and change runs. Times come from the caller."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        id: str,  # noqa: A002 # the name of the column
        name: str,
        plan: str,
        plan_digest: str,
        output: str,
        created: datetime,
        place: str = "local",
    ) -> bool:
        """Create a run and return True; return False where the same id exists with the same plan.

        Raises:
            Problem: the id exists with another plan.
        """
        row = {
            "id": id, "name": name, "plan": plan, "plan_digest": plan_digest, "output": output,
            "place": place, "state": RunState.PLANNED, "created": created, "changed": created,
        }  # fmt: skip
        with self._database.writing() as connection:
            if RUN.insert(connection, row):
                return True
            (known,) = connection.execute("SELECT plan_digest FROM run WHERE id = ?", (id,)).fetchone()
        if known != plan_digest:
            raise Problem(
                f"run {id} exists with another plan: its digest is {known[:12]}, not {plan_digest[:12]}",
                hint=f"embedfleet resume {id}, or give the new run another name",
            )
        return False

    def get(self, id: str) -> Run | None:  # noqa: A002 # the name of the column
        """Return the run of this id, or None."""
        with self._database.reading() as connection:
            return next(iter(RUN.select(connection, "id = ?", (id,))), None)

    def all(self) -> list[Run]:
        """Return all runs, the newest first."""
        with self._database.reading() as connection:
            return RUN.select(connection, "true", order="created DESC, rowid DESC")

    def find(self, prefix: str | None = None) -> Run:
        """Return the run whose id begins with `prefix`; without one, the newest run.

        Raises:
            Problem: no run or more than one begins so.
        """
        # Names first, so that a damaged row of another run is not in the way.
        with self._database.reading() as connection:
            rows = connection.execute("SELECT id FROM run ORDER BY created DESC, rowid DESC").fetchall()
        ids = [str(name) for (name,) in rows]
        if not ids:
            raise Problem("there is no run in this ledger yet", hint="embedfleet launch JOB.yaml")
        if prefix is None:
            matches = ids[:1]
        else:
            exact = [name for name in ids if name == prefix]
            matches = exact or [name for name in ids if name.startswith(prefix)]
        found = self.get(matches[0]) if len(matches) == 1 else None
        if found is not None:
            return found
        if matches:
            names = ", ".join(matches[:3])
            raise Problem(
                f"{plural(len(matches), 'run')} {verb(len(matches), 'begins', 'begin')} with '{prefix}'",
                hint=f"write more of one of: {names}",
            )
        near = get_close_matches(prefix or "", ids, n=3, cutoff=0.5) or ids[:3]
        raise Problem(f"no run of {len(ids)} begins with '{prefix}'", hint=f"name one of: {', '.join(near)}")

    def set_state(self, id: str, state: RunState, now: datetime) -> None:  # noqa: A002 # the name of the column
        """Move a run to a state; setting its present state again changes nothing.

        Raises:
            Problem: the run is unknown, or RUN_MOVES has no such move.
        """
        with self._database.writing() as connection:
            found = connection.execute("SELECT state FROM run WHERE id = ?", (id,)).fetchone()
            if found is None:
                raise unknown_run(id)
            before: RunState = loaded("run", RUN.columns["state"], found[0])
            if state == before:
                return
            if (before, state) not in RUN_MOVES:
                raise Problem(
                    f"run {id} is {before} and cannot become {state}", hint=f"embedfleet status {id}"
                )
            connection.execute(
                "UPDATE run SET state = ?, changed = ? WHERE id = ?", (state.value, utc_text(now), id)
            )

    def remove(self, id: str) -> None:  # noqa: A002 # the name of the column
        """Remove a run that has ended, and all rows about it. Measured speeds stay; so does its output.

        Raises:
            Problem: the run is unknown, or goes on.
        """
        with self._database.writing() as connection:
            found = connection.execute("SELECT state FROM run WHERE id = ?", (id,)).fetchone()
            if found is None:
                raise unknown_run(id)
            alive = connection.execute(
                "SELECT count(*) FROM machine WHERE run = ? AND state IN ('INTENDED', 'UP')", (id,)
            ).fetchone()[0]
            state: RunState = loaded("run", RUN.columns["state"], found[0])
            if state in (RunState.RUNNING, RunState.DRAINING) or alive:
                raise Problem(
                    f"run {id} is {state.lower()}, with {alive} machines or workers that may be up",
                    hint=f"embedfleet down {id}, then the same again",
                )
            for statement in OF_MACHINES:
                connection.execute(statement, (id,))
            for statement in OF_RUN:
                connection.execute(statement, (id,))

    def record_event(self, run: str, kind: str, text: str, now: datetime) -> None:
        """Append an event to the history of a run."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO event (run, kind, text, at) VALUES (?, ?, ?, ?)",
                (run, kind, printable(text), utc_text(now)),
            )

    def events(self, run: str, after: int = 0) -> list[RunEvent]:
        """Return the events of a run whose id is greater than `after`, in order."""
        with self._database.reading() as connection:
            return EVENT.select(connection, "run = ? AND id > ?", (run, after), order="id")


def unknown_run(run: str) -> Problem:
    """The error of a run that the ledger does not have."""
    return Problem(f"run {run} is not in this ledger", hint="embedfleet status shows those that are")
