"""The command line: each command, its options, and the function that carries it out.

Imports argparse, the standard library and `option_types` alone, so that `--help`, a usage error and shell completion
cost nothing. A command's module is imported by its name when the command runs: see `COMMANDS`.
"""

import argparse
import os
from collections.abc import Callable
from typing import Protocol

from launcher.cli.option_types import (
    bench_seconds,
    dollars,
    location,
    names,
    path,
    positive,
    probe_seconds,
    since,
    variable,
)

MEASURED_TEXT_TOKENS = 256  # `bench`: tokens of each synthetic text, by default
Handler = Callable[[argparse.Namespace], int]  # carries a command out and returns the exit status

PRICE_ORDERS = ("gpu-hour", "machine-hour", "gpu", "cloud", "age")

# Each command and its Handler as "module:function".
COMMANDS = {
    "plan": "launcher.cli.plan:plan",
    "launch": "launcher.cli.launch:launch",
    "status": "launcher.cli.status:status",
    "report": "launcher.cli.report:report",
    "compare": "launcher.cli.compare:compare",
    "resume": "launcher.cli.resume:resume",
    "stop": "launcher.cli.stop:stop",
    "down": "launcher.cli.stop:down",
    "verify": "launcher.cli.verify:run",
    "prices": "launcher.cli.prices:run",
    "speed": "launcher.cli.speed:run",
    "bench": "launcher.cli.bench:run",
    "doctor": "launcher.cli.doctor:run",
    "finish": "launcher.cli.finish:run",
    "ledger": "launcher.cli.ledger:run",
    "diff": "launcher.cli.plan:diff",
}


class Commands(Protocol):
    """What `ArgumentParser.add_subparsers` returns."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser: ...  # noqa: A002 - argparse's name


def add_commands(commands: Commands) -> None:
    """Add every command to `commands`, in the order in which `--help` lists them."""
    _plan(commands)
    _launch(commands)
    _status(commands)
    _report(commands)
    _compare(commands)
    _resume(commands)
    _stop(commands)
    _down(commands)
    _verify(commands)
    _prices(commands)
    _speed(commands)
    _bench(commands)
    _doctor(commands)
    _finish(commands)
    _ledger(commands)
    _diff(commands)


# --- a function for each command


def _plan(commands: Commands) -> None:
    plan = commands.add_parser(
        "plan", help="what it will cost and how long it will take, before anything is spent"
    )
    plan.add_argument("job", type=path, metavar="JOB.yaml")
    _add_planning(plan)
    plan.add_argument("--html", type=path, metavar="FILE", help="write the plan as an HTML page to FILE")
    plan.add_argument(
        "-o", "--output", type=path, metavar="FILE", help="write the plan to FILE, to launch it"
    )
    _add_runs(plan)
    _add_json(plan)


def _launch(commands: Commands) -> None:
    launch = commands.add_parser("launch", help="carry out a plan, or plan a job and carry that out")
    launch.add_argument("plan", type=path, metavar="PLAN.json|JOB.yaml")
    _add_planning(launch)
    launch.add_argument("--refresh", action="store_true", help="plan again when the corpus changed")
    launch.add_argument("--dry-run", action="store_true", help="print the tasks and every call; rent nothing")
    _add_cost(launch)
    _add_driving(launch)
    _add_runs(launch)


def _status(commands: Commands) -> None:
    status = commands.add_parser("status", help="progress and cost of a run")
    _add_run(status)
    status.add_argument(
        "--watch", action="store_true", help="repeat until the run ends (with --json: one object a line)"
    )
    _add_json(status)


def _report(commands: Commands) -> None:
    report = commands.add_parser(
        "report", help="what a run did and cost, compared with its plan, and where every dollar went"
    )
    _add_run(report)
    report.add_argument(
        "--html", type=path, metavar="FILE", help="write the page to FILE (default: the run's folder)"
    )
    form = report.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print rows with the columns of FOCUS")
    form.add_argument("--md", action="store_true", help="print Markdown, for an issue or a wiki")
    report.add_argument("--all", action="store_true", help="all runs, one line each, and their total cost")
    report.add_argument(
        "--since",
        type=since,
        metavar="WHEN",
        help="like --all, for runs since a date, a time, or 7d or 12h ago",
    )
    report.add_argument(
        "--reconcile", type=path, nargs="+", metavar="FILE",
        help="compare with the bill: AWS CUR, FOCUS 1.x or GCP billing export, Parquet or CSV",
    )  # fmt: skip


def _compare(commands: Commands) -> None:
    compare = commands.add_parser("compare", help="two runs side by side, and why one cost more")
    compare.add_argument("one", metavar="RUN")
    compare.add_argument("other", metavar="RUN")
    _add_runs(compare)
    _add_json(compare)


def _resume(commands: Commands) -> None:
    resume = commands.add_parser("resume", help="continue a run, after any failure")
    _add_run(resume)
    resume.add_argument(
        "--budget", type=dollars, metavar="DOLLARS", help="in all, instead of every limit agreed before"
    )
    resume.add_argument(
        "--retry-failed",
        action="store_true",
        help="try again the shards that were set aside, and those with rows that the engine or a disk failed on",
    )
    _add_cost(resume)
    _add_book(resume)
    _add_driving(resume)


def _stop(commands: Commands) -> None:
    stop = commands.add_parser("stop", help="let machines finish the shards they hold, then end")
    _add_run(stop)


def _down(commands: Commands) -> None:
    down = commands.add_parser("down", help="cancel and remove everything that a run rented")
    _add_run(down)
    down.add_argument(
        "--verify", action="store_true", help="end nothing; ask SkyPilot and the clouds what is left"
    )
    _add_json(down)


def _verify(commands: Commands) -> None:
    verify = commands.add_parser("verify", help="check every receipt, file, id and vector of a run")
    _add_run(verify)
    verify.add_argument(
        "--seed", type=int, default=0, help="of the sample that is embedded again (default 0)"
    )
    verify.add_argument("--no-embed", action="store_true", help="do not embed a sample again")
    _add_json(verify)


def _prices(commands: Commands) -> None:
    prices = commands.add_parser(
        "prices", help="what GPUs cost on every cloud, how old each price is, and how to get new ones"
    )
    prices.add_argument(
        "--gpu", type=names, default=(), metavar="NAME[,NAME]", help="only these: L4,A100-80GB"
    )
    prices.add_argument("--cloud", type=names, default=(), metavar="NAME[,NAME]", help="only these: aws,gcp")
    prices.add_argument("--region", type=names, default=(), metavar="PATTERN", help="only these: 'us-*,eu-*'")
    kind = prices.add_mutually_exclusive_group()
    kind.add_argument("--spot", action="store_const", const=True, dest="spot", help="spot prices only")
    kind.add_argument("--on-demand", action="store_const", const=False, dest="spot", help="list prices only")
    prices.add_argument(
        "--sort", choices=PRICE_ORDERS, default=PRICE_ORDERS[0], help="default: gpu-hour, the cheapest first"
    )
    prices.add_argument(
        "--limit", type=positive, metavar="N", help="lines of the table, or offers of the JSON"
    )
    book = prices.add_mutually_exclusive_group()
    book.add_argument("--price-book", type=path, metavar="FILE.csv", help="read this price book instead")
    book.add_argument("--offline", action="store_true", help="read the snapshot that came with this version")
    prices.add_argument("--json", action="store_true", help="print JSON: every offer in the fields of a book")
    prices.set_defaults(spot=None, action=None)
    actions = prices.add_subparsers(dest="action", metavar="refresh")
    refresh = actions.add_parser("refresh", help="ask the price sources and save what they answer")
    refresh.add_argument(
        "--source",
        type=names,
        default=(),
        metavar="NAME[,NAME]",
        help="skypilot, aws, gcp, azure (default: all)",
    )
    # Its own default must not undo a --json that stands before the word refresh.
    refresh.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def _speed(commands: Commands) -> None:
    speed = commands.add_parser("speed", help="how fast a model is on each GPU, and whether it fits")
    speed.add_argument(
        "--model",
        required=True,
        type=location,
        metavar="M",
        help="a known name, a folder, or a shape: layers=24,hidden=1024,... (or the same as JSON)",
    )
    speed.add_argument(
        "--gpu", metavar="A,B", help="GPUs, or cpu for this machine's processors (default: all known GPUs)"
    )
    speed.add_argument(
        "--tokens", default="128,512", metavar="N,M", help="lengths of the texts (default 128,512)"
    )
    speed.add_argument(
        "--engine", metavar="E", help="vllm (the default for a GPU), torch, tei or sentence-transformers"
    )
    speed.add_argument(
        "--dtype", choices=["float32", "float16", "bfloat16"], help="default: what the engine would take"
    )
    _add_runs(speed, "where runs and their measured speeds are kept")
    _add_json(speed)


def _bench(commands: Commands) -> None:
    bench = commands.add_parser("bench", help="how fast this machine embeds, and where the time goes")
    bench.add_argument(
        "job", type=path, nargs="?", metavar="JOB.yaml", help="use the texts and the model of this job"
    )
    bench.add_argument(
        "--model", type=location, metavar="M", help="a folder, a hub id or hash, instead of a job's"
    )
    bench.add_argument(
        "--tokens", type=int, metavar="N", help=f"of each synthetic text (default {MEASURED_TEXT_TOKENS})"
    )
    bench.add_argument("--engine", metavar="E", help="auto, vllm, torch or hash (default the job's, or auto)")
    bench.add_argument(
        "--gpu", default="auto", metavar="NAME", help="record this machine's GPU under NAME (default auto)"
    )
    bench.add_argument(
        "--workers", type=int, metavar="N", help="default: the job's, or what suits the machine"
    )
    bench.add_argument(
        "--seconds",
        type=bench_seconds,
        default=60.0,
        metavar="S",
        help="half for the engine alone, half for whole workers (default 60)",
    )
    _add_runs(bench, "where the measured speed is kept")
    _add_json(bench)


def _doctor(commands: Commands) -> None:
    doctor = commands.add_parser("doctor", help="what would make a run fail: this machine, a job, a bucket")
    doctor.add_argument(
        "subject",
        nargs="?",
        type=location,
        metavar="JOB|PATH",
        help="a job file, a plan, or an output path such as s3://bucket/vectors, whose store is tried",
    )
    doctor.add_argument(
        "--orphans", action="store_true", help="find rented machines of runs that this ledger does not know"
    )
    _add_runs(doctor, "where runs are kept")
    _add_json(doctor)


def _finish(commands: Commands) -> None:
    finish = commands.add_parser(
        "finish", help="clean up a finished run: remove files that are proven to be of attempts that lost"
    )
    _add_run(finish)
    finish.add_argument("--dry-run", action="store_true", help="list what would be removed; remove nothing")
    _add_json(finish)


def _ledger(commands: Commands) -> None:
    ledger = commands.add_parser("ledger", help="rebuild the ledger from an output path")
    actions = ledger.add_subparsers(dest="action", required=True, metavar="ACTION")
    rebuild = actions.add_parser(
        "rebuild", help="record all runs of an output path, so that they can be resumed"
    )
    rebuild.add_argument(
        "output", type=location, metavar="OUTPUT", help="a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
    )
    _add_runs(rebuild)
    _add_json(rebuild)


def _diff(commands: Commands) -> None:
    diff = commands.add_parser("diff", help="what differs between two plans, and why one costs more")
    diff.add_argument("one", type=path, metavar="A.json")
    diff.add_argument("other", type=path, metavar="B.json")
    _add_json(diff)


# --- options that commands share


def _add_planning(command: argparse.ArgumentParser) -> None:
    command.add_argument("--on", choices=["local"], help="use this machine, not a cloud")
    _add_book(command)
    command.add_argument(
        "--probe",
        type=probe_seconds,
        default=6.0,
        metavar="SECONDS",
        help="how long to measure this machine (default 6)",
    )


def _add_book(command: argparse.ArgumentParser) -> None:
    book = command.add_mutually_exclusive_group()
    book.add_argument("--price-book", type=path, metavar="FILE.csv", help="read prices from this file alone")
    book.add_argument(
        "--offline",
        action="store_true",
        help="plan by the snapshot of prices that came with this version; take a plan's prices as they are",
    )


def _add_cost(command: argparse.ArgumentParser) -> None:
    command.add_argument("--yes", action="store_true", help="rent without asking; needs --max-cost")
    command.add_argument(
        "--max-cost",
        type=dollars,
        metavar="$X",
        help="never spend more on this run in all; refuse what may cost more (P90)",
    )
    command.add_argument(
        "--allow-unknown-price",
        action="store_true",
        help="rent machines without a known price although there is a limit; only known prices count",
    )


def _add_driving(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--detach", action="store_true", help="leave as soon as all machines have been requested"
    )
    command.add_argument(
        "--secret",
        type=variable,
        action="append",
        default=[],
        metavar="NAME",
        help="pass this environment variable to the machines, as a secret",
    )


def _add_run(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "run", nargs="?", metavar="RUN", help="its name or the beginning of it (default: the newest)"
    )
    _add_runs(command)


def _add_runs(command: argparse.ArgumentParser, what: str = "where runs and their ledger are kept") -> None:
    command.add_argument(
        "--runs",
        type=path,
        default=os.environ.get("EMBEDFLEET_RUNS", "runs"),  # text, so that its `~` is read, too
        metavar="FOLDER",
        help=f"{what} (default $EMBEDFLEET_RUNS, else ./runs)",
    )


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
