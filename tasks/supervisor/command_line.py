"""The command that supervises a machine's workers, and what it makes of its options.

    python -m tasks.supervisor --store OUTPUT --run RUN [--name NAME] [--workers N] [options of tasks.worker]

Worker n is called NAME-n, then after restarts NAME-nr1, NAME-nr2 and so on: each process has a name, a heartbeat and
receipts of its own, also when the supervisor itself is started again under the same NAME.

Exit status 0: every shard is done, or told to end; 3: every worker says that a person must act; 1: the workers crash
without finishing a shard, and the run is not done.
"""

import argparse
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from uuid import uuid4

from tasks.errors import Problem
from tasks.metrics.exposition import render
from tasks.metrics.server import LOCALHOST, MetricsServer
from tasks.printable import log_in_utf8
from tasks.protocol import keys
from tasks.protocol.messages.exit_codes import MUST_ACT
from tasks.protocol.messages.worker_names import free_restarts
from tasks.stores.base import list_all
from tasks.stores.open import open_store
from tasks.supervisor.machine_metrics import HeartbeatsOfMachine, machine_metrics
from tasks.supervisor.restart_policy import FIRST_PAUSE_SECONDS, SlotEnd
from tasks.supervisor.supervisor import Supervisor, WorkerSlot
from tasks.worker.monitoring.machine_stats import visible_gpus

METRICS_VARIABLE = "EMBEDFLEET_METRICS"  # the launcher passes it to rented machines


def _slots(wanted: int | None, lives: dict[int, int]) -> list[WorkerSlot]:
    """A slot for each GPU, or `wanted` slots over the GPUs in turn."""
    gpus = visible_gpus()
    count = wanted or len(gpus) or 1
    return [WorkerSlot(n, gpus[n % len(gpus)] if gpus else None, lives.get(n, 0)) for n in range(count)]


def _command(arguments: argparse.Namespace, rest: list[str], slots: Sequence[WorkerSlot]) -> list[str]:
    """The command of every worker. Without a GPU the CPU cores are shared out."""
    command = [
        sys.executable,
        "-m",
        "tasks.worker",
        "--store",
        arguments.store,
        "--run",
        arguments.run,
        *rest,
    ]
    if slots[0].device is None and not any(word.partition("=")[0] == "--threads" for word in rest):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        command += ["--threads", str(max(1, cores // len(slots)))]
    return command


@contextlib.contextmanager
def _folder(chosen: Path | None) -> Generator[Path, None, None]:
    """The chosen folder, or a temporary one."""
    if chosen:
        yield chosen.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="embedfleet-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m tasks.supervisor",
        description="Supervise the workers of a machine: one for each GPU, restarted with backoff when it crashes.",
        epilog="Every other option is passed on to the workers: see python -m tasks.worker --help.",
        allow_abbrev=False,
    )
    parser.add_argument("--store", required=True, help="the job's output path")
    parser.add_argument("--run", required=True)
    parser.add_argument(
        "--name",
        default=f"{socket.gethostname()}-{uuid4().hex[:6]}",
        help="of this machine; worker n is NAME-n (default: the host's, and something random)",
    )
    parser.add_argument("--workers", type=int, help="how many (default: one a GPU, or one)")
    parser.add_argument("--scratch", type=Path, help="folder for the workers' files (default: a new one)")
    parser.add_argument(
        "--pause", type=float, default=FIRST_PAUSE_SECONDS, help="seconds from a first crash to the restart"
    )
    parser.add_argument(
        "--metrics",
        type=_address,
        default=os.environ.get(METRICS_VARIABLE),
        metavar="[HOST:]PORT",
        help=f"serve metrics for Prometheus at /metrics (HOST: 127.0.0.1, for an agent of this machine; default "
        f"${METRICS_VARIABLE})",
    )
    return parser.parse_known_args()


def _address(word: str) -> tuple[str, int]:
    host, _, port = word.rpartition(":")
    if not port.isdecimal():
        raise argparse.ArgumentTypeError(f"give a port, or HOST:PORT, not {word[:40]!r}")
    return host.strip("[]") or LOCALHOST, int(port)


@contextlib.contextmanager
def _metrics(supervisor: Supervisor, address: tuple[str, int] | None) -> Generator[None, None, None]:
    """Serve the metrics of the machine meanwhile, where that is asked for."""
    if address is None:
        yield
        return
    heartbeats = HeartbeatsOfMachine(supervisor.store, supervisor.run, supervisor.machine)
    server = MetricsServer(
        lambda: render(
            machine_metrics(supervisor.run, supervisor.machine, supervisor.slots, heartbeats.read())
        ),
        address[1],
        address[0],
    )
    supervisor.log(f"metrics: {server.url}")
    try:
        yield
    finally:
        server.close()


def main() -> int:
    """Supervise this machine's workers; the exit status."""
    log_in_utf8()
    arguments, rest = _arguments()
    if "://" not in arguments.store:
        arguments.store = str(Path(arguments.store).absolute())  # a worker has another working directory
    status, problem = 0, None
    try:
        store = open_store(arguments.store)
        known = list_all(store, keys.heartbeats_prefix(arguments.run, f"{arguments.name}-"))
        workers = [keys.worker_of(entry.key) for entry in known]
        slots = _slots(arguments.workers, free_restarts(workers, arguments.name))
        command = _command(arguments, rest, slots)
        with _folder(arguments.scratch) as scratch:
            supervisor = Supervisor(
                store=store,
                run=arguments.run,
                slots=slots,
                machine=arguments.name,
                command=command,
                scratch=scratch,
                pause=arguments.pause,
            )
            with _metrics(supervisor, arguments.metrics):
                status = supervisor.go()
        if status:
            problem = next(slot.problem() for slot in slots if slot.end != SlotEnd.DONE)
    except Problem as found:
        status, problem = MUST_ACT, found
    if problem:
        print(problem.two_lines(), file=sys.stderr, flush=True)  # noqa: T201 - its own stderr
    return status
