"""Commands that plan, launch and compare plans, and what plans rest on: prices, speeds and checks."""

import argparse
import os

from launcher.cli.options.shared import (
    Commands,
    add_cost,
    add_driving,
    add_json,
    add_planning,
    add_price_book,
    add_runs_folder,
)
from launcher.cli.options.types import (
    bench_seconds,
    count,
    deadlines,
    dollars,
    location,
    many,
    names,
    outage,
    path,
    positive,
    seconds_of,
    share,
    slowness,
    tag,
)

MEASURED_TEXT_TOKENS = 256  # `bench`: tokens of each synthetic text, by default
PRICE_ORDERS = ("gpu-hour", "machine-hour", "gpu", "cloud", "age")


def add_init(commands: Commands) -> None:
    """`init`."""
    init = commands.add_parser("init", help="look at a folder or a bucket, and write a job file for it")
    init.add_argument(
        "corpus",
        nargs="?",
        type=location,
        metavar="PATH",
        help="a folder, a file or a glob, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX (default: this folder)",
    )
    init.add_argument(
        "-o", "--output", type=path, default="job.yaml", metavar="FILE", help="default: job.yaml"
    )
    init.add_argument("-y", "--yes", action="store_true", help="ask nothing")
    init.add_argument("--force", action="store_true", help="replace FILE if it exists")
    add_json(init)


def add_plan(commands: Commands) -> None:
    """Add the command `plan`."""
    plan = commands.add_parser(
        "plan", help="what it will cost and how long it will take, before anything is spent"
    )
    plan.add_argument("job", type=path, metavar="JOB.yaml")
    add_planning(plan)
    plan.add_argument(
        "--all", action="store_true", help="print the whole plan on a terminal, too, and not one screen of it"
    )
    plan.add_argument(
        "--count-repeats",
        action="store_true",
        help="read the whole corpus once, and say how much of it is texts that occur before",
    )
    plan.add_argument("--html", type=path, metavar="FILE", help="write the plan as an HTML page to FILE")
    plan.add_argument(
        "-o", "--output", type=path, metavar="FILE", help="write the plan to FILE, to launch it"
    )
    add_runs_folder(plan)
    _add_json_or_markdown(plan)


def add_simulate(commands: Commands) -> None:
    """Add the command `simulate`."""
    simulate = commands.add_parser(
        "simulate", help="what a job would cost on recorded spot markets, and how often it would be late"
    )
    simulate.add_argument("job", type=path, nargs="?", metavar="JOB.yaml|PLAN.json")
    _add_market(simulate)
    simulate.add_argument(
        "--policy",
        type=names,
        default=("autopilot", "static", "on-demand"),
        metavar="A,B",
        help="autopilot, static, on-demand, greedy, uniform, uniform-each (default: the first three)",
    )
    simulate.add_argument(
        "--runs", type=count(100_000), default=100, dest="count", metavar="N", help="how many (default 100)"
    )
    simulate.add_argument(
        "--deadline", type=deadlines, metavar="4h,6h", help="one or several, instead of the job's"
    )
    simulate.add_argument("--budget", type=dollars, metavar="$X", help="instead of the job's")
    simulate.add_argument(
        "--seed", type=count(2**31), default=7, metavar="N", help="of all draws (default 7)"
    )
    simulate.add_argument(
        "--max-late",
        type=share,
        metavar="SHARE",
        help="exit with status 3 where the first policy is late more often",
    )
    simulate.add_argument(
        "--replay",
        metavar="RUN",
        help="instead: make a run's decisions again, and say which come out otherwise",
    )
    simulate.add_argument(
        "--html", type=path, metavar="FILE", help="write the result as an HTML page to FILE"
    )
    add_price_book(simulate)
    simulate.add_argument(
        "--runs-folder",
        type=path,
        default=os.environ.get("EMBEDFLEET_RUNS", "runs"),
        dest="runs",
        metavar="FOLDER",
        help="where runs and their measured speeds are kept (default $EMBEDFLEET_RUNS, else ./runs)",
    )
    add_json(simulate)
    simulate.set_defaults(on="cloud", probe=0.0, measure_loss=0.0, runs_option="--runs-folder")


def _add_market(simulate: argparse.ArgumentParser) -> None:
    """Add the options of `simulate` that say how the simulated clouds behave."""
    simulate.add_argument(
        "--traces",
        type=location,
        action="append",
        metavar="NAME|FILE",
        help="aws-l4-2025 (default), aws-v100-2023, synthetic, or a file of place, at, available; may be repeated",
    )
    simulate.add_argument(
        "--each",
        type=count(1_000_000),
        metavar="N",
        help="machines that a place gives while it is up, where traces only say whether it is",
    )
    simulate.add_argument(
        "--cold-start", type=seconds_of, metavar="10m", help="median time until a machine works"
    )
    simulate.add_argument(
        "--without",
        type=outage,
        action="append",
        default=[],
        metavar="'PLACE 2h-8h'",
        help="a place that has no machines between two times of the run; may be repeated",
    )
    simulate.add_argument(
        "--no-on-demand",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="of the time no machine can be had on demand, about an hour at once",
    )
    simulate.add_argument(
        "--slower", type=slowness, default=1.0, metavar="SHARE", help="true speed, of the planned one: 0.6"
    )


def add_launch(commands: Commands) -> None:
    """Add the command `launch`."""
    launch = commands.add_parser("launch", help="carry out a plan, or plan a job and carry that out")
    launch.add_argument("plan", type=path, metavar="PLAN.json|JOB.yaml")
    add_planning(launch)
    launch.add_argument(
        "--refresh",
        action="store_true",
        help="plan again before launching: the corpus, the model or prices changed",
    )
    launch.add_argument("--dry-run", action="store_true", help="print the tasks and every call; rent nothing")
    launch.add_argument(
        "--tag",
        type=tag,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a tag of the run, to find it by: embedfleet runs --tag KEY",
    )
    launch.add_argument("--note", metavar="TEXT", help="a note about the run, which `embedfleet runs` shows")
    add_cost(launch)
    add_driving(launch)
    add_runs_folder(launch)


def add_diff(commands: Commands) -> None:
    """Add the command `diff`."""
    diff = commands.add_parser("diff", help="what differs between two plans, and why one costs more")
    diff.add_argument("one", type=path, metavar="A.json")
    diff.add_argument("other", type=path, metavar="B.json")
    _add_json_or_markdown(diff)


def add_prices(commands: Commands) -> None:
    """Add the command `prices`."""
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


def add_speed(commands: Commands) -> None:
    """Add the command `speed`."""
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
    add_runs_folder(speed, "where runs and their measured speeds are kept")
    add_json(speed)


def add_size(commands: Commands) -> None:
    """Add the command `size`."""
    size = commands.add_parser("size", help="how large vectors become in vector stores, and what that costs")
    size.add_argument(
        "of",
        nargs="?",
        metavar="JOB|PLAN|RUN",
        help="a job file, a saved plan, a run or its output path; or give --vectors and --dims",
    )
    size.add_argument("--vectors", type=many, metavar="N", help="how many, such as 250000, 40M or 1B")
    size.add_argument("--dims", type=many, metavar="D", help="dimensions of a vector")
    size.add_argument(
        "--dtype",
        choices=["float32", "float16", "int8", "binary"],
        help="default: as the job says, or float32",
    )
    size.add_argument(
        "--links", type=many, metavar="M", help="links of an HNSW graph, M of the stores (default 16)"
    )
    size.add_argument(
        "--store", type=names, default=(), metavar="NAME[,NAME]", help="only these stores (default: all)"
    )
    add_runs_folder(size)
    add_json(size)


def add_bench(commands: Commands) -> None:
    """Add the command `bench`."""
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
        "--precision",
        metavar="P",
        help="of weights and activations: auto or fp8 (default the job's, or auto)",
    )
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
    add_runs_folder(bench, "where the measured speed is kept")
    add_json(bench)


def add_doctor(commands: Commands) -> None:
    """Add the command `doctor`."""
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
    add_runs_folder(doctor, "where runs are kept")
    add_json(doctor)


def _add_json_or_markdown(command: argparse.ArgumentParser) -> None:
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--md", action="store_true", help="print Markdown, for a pull request")
