"""The logs of a run's workers: files of this machine, of rented machines by their backend, or what the store has.

Reads alone: nothing is started, and of rented machines nothing is asked but their logs.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import Problem
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.run_context import context_of
from launcher.fleet.scheduling.states import ALIVE
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Machine, Run

FOLLOW_SECONDS = 1.0  # between two looks at the files of this machine
FETCH_SECONDS = 15.0  # between two fetches of logs of rented machines
READ_BYTES = 2**20  # at a time


@dataclass(slots=True)
class WorkerLog:
    """The log of a worker or a rented machine, and how far it was read. Text before a line's end waits."""

    name: str
    path: Path
    position: int = 0
    pending: bytes = b""

    def lines(self, *, last: bool = False) -> Iterator[str]:
        """The lines since the last look; `last`: also one that does not end yet."""
        try:
            with self.path.open("rb") as file:
                if self.position > self.path.stat().st_size:  # it was fetched anew, and is shorter
                    self.position, self.pending = 0, b""
                file.seek(self.position)
                while chunk := file.read(READ_BYTES):
                    self.position += len(chunk)
                    *whole, self.pending = (self.pending + chunk).split(b"\n")
                    for line in whole:
                        yield line.decode("utf-8", "replace")
        except FileNotFoundError:
            return
        if last and self.pending:
            yield self.pending.decode("utf-8", "replace")
            self.pending = b""


def choose_machines(machines: Sequence[Machine], worker: str | None) -> list[Machine]:
    """The machines whose name is `worker` or has it between its hyphens, such as w0; all without one.

    Raises:
        Problem: none has such a name.
    """
    if worker is None:
        return list(machines)
    chosen = [one for one in machines if one.name == worker] or [
        one for one in machines if f"-{worker}-" in f"{one.name}-"
    ]
    if not chosen:
        names = ", ".join(one.name for one in machines[:6]) or "none yet"
        raise Problem(f"no worker {worker!r}", hint=f"name one of: {names}")
    return chosen


def run_logs(
    ledger: Ledger,
    run: Run,
    observer: StoreObserver | None,
    folder: Path,
    *,
    worker: str | None,
    follow: bool,
    say: Callable[[str], None],
) -> Iterator[tuple[str, str]]:
    """Lines of logs, each with the name of its worker; with `follow` until no machine of the run is up.

    Raises:
        Problem: no worker has the name.
    """
    chosen = choose_machines(ledger.machines.of_run(run.id), worker)
    logs = {one.name: WorkerLog(one.name, folder.absolute() / "logs" / f"{one.name}.log") for one in chosen}
    fetch = _fetcher(ledger, run, observer, folder, say) if any(_is_rented(one) for one in chosen) else None
    fetched = 0.0
    while True:
        if fetch is not None and (not fetched or time.monotonic() - fetched >= FETCH_SECONDS):
            fetch([one.name for one in chosen if _is_rented(one)])
            fetched = time.monotonic()
        up = {one.name for one in ledger.machines.of_run(run.id, set(ALIVE))}
        over = not follow or not up & logs.keys()
        for log in logs.values():
            for line in log.lines(last=over):
                yield log.name, line
        if over:
            break
        time.sleep(FOLLOW_SECONDS)
    silent = {log.name: log.path for log in logs.values() if not log.position}
    if silent and observer is not None:
        yield from _from_store(observer, silent)


def _is_rented(machine: Machine) -> bool:
    return machine.cloud != "local"


def _fetcher(
    ledger: Ledger, run: Run, observer: StoreObserver | None, folder: Path, say: Callable[[str], None]
) -> Callable[[Sequence[str]], None]:
    """What brings the logs of rented machines into their files; it says why it cannot, once."""
    refused: list[str] = []

    def fetch(names: Sequence[str]) -> None:
        if observer is None or refused:
            return
        backend = context_of(ledger, run, observer, folder).backend
        for name in names:
            try:
                backend.log_tail(name)
            except Problem as problem:
                refused.append(name)
                say(f"logs of rented machines cannot be fetched: {problem}; {problem.hint}")
                return

    return fetch


def _from_store(observer: StoreObserver, machines: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """What the last heartbeats of these machines say, of which no line is on this machine; their logs by name."""
    for health in observer.heartbeats.read():
        path = next((path for name, path in machines.items() if health.worker.startswith(name)), None)
        if path is not None:
            what = "its log is empty" if path.exists() else "no log is here"
            age = "?" if health.age is None else f"{health.age:,.0f}"
            error = f"; {health.error}" if health.error else ""
            yield (
                health.worker,
                f"{what}; its last heartbeat, {age} s ago: {health.state}, {health.tokens:,} tokens{error}",
            )
