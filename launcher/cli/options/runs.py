"""Commands about runs: their state, reports, end and files, and the ledger that holds them."""

from launcher.cli.options.shared import (
    Commands,
    add_cost,
    add_driving,
    add_json,
    add_price_book,
    add_run,
    add_runs_folder,
)
from launcher.cli.options.types import (
    deadline,
    dollars,
    listen,
    location,
    path,
    port,
    since,
    tag,
    variable,
)

STATES = ("planned", "running", "draining", "stopped", "done")


def add_runs(commands: Commands) -> None:
    """Add the command `runs`."""
    runs = commands.add_parser("runs", help="the runs of this laptop: list, tag, annotate and forget them")
    runs.add_argument("--state", choices=STATES, help="only runs in this state")
    runs.add_argument("--model", metavar="TEXT", help="only runs whose model contains this")
    runs.add_argument("--path", metavar="TEXT", help="only runs whose corpus or output contains this")
    runs.add_argument(
        "--tag", type=tag, action="append", default=[], metavar="KEY[=VALUE]", help="only runs with this tag"
    )
    runs.add_argument(
        "--since", type=since, metavar="WHEN", help="only runs since a date, a time, or 7d or 12h ago"
    )
    add_runs_folder(runs)
    add_json(runs)
    runs.set_defaults(action=None)
    actions = runs.add_subparsers(dest="action", metavar="note|tag|rm")
    note = actions.add_parser("note", help="write a note about a run")
    note.add_argument("run", metavar="RUN")
    note.add_argument("text", nargs="+", metavar="TEXT")
    tags = actions.add_parser("tag", help="set tags of a run; KEY= removes one")
    tags.add_argument("run", metavar="RUN")
    tags.add_argument("tags", type=tag, nargs="+", metavar="KEY=VALUE")
    remove = actions.add_parser("rm", help="remove a run that has ended from the ledger; its vectors stay")
    remove.add_argument("run", metavar="RUN")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    for action in (note, tags, remove):
        add_runs_folder(action, again=True)


def add_logs(commands: Commands) -> None:
    """Add the command `logs`."""
    logs = commands.add_parser("logs", help="what the workers of a run wrote, here or on rented machines")
    add_run(logs)
    logs.add_argument("--worker", metavar="W", help="only this one: its name, or a part of it, such as w0")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until no worker is up")


def add_status(commands: Commands) -> None:
    """Add the command `status`."""
    status = commands.add_parser("status", help="progress and cost of a run, also by its output path alone")
    add_run(status, "RUN|OUTPUT")
    status.add_argument(
        "--watch", action="store_true", help="repeat until the run ends (with --json: one object a line)"
    )
    status.add_argument(
        "--listen",
        type=listen,
        metavar="[HOST:]PORT",
        help="serve metrics for Prometheus at /metrics while watching (HOST: 127.0.0.1); implies --watch",
    )
    status.add_argument(
        "--textfile",
        type=path,
        metavar="FILE.prom",
        help="write metrics to this file, for node_exporter's textfile collector; with --watch again and again",
    )
    add_json(status)


def add_report(commands: Commands) -> None:
    """Add the command `report`."""
    report = commands.add_parser(
        "report", help="what a run did and cost, compared with its plan, and where every dollar went"
    )
    add_run(report, "RUN|OUTPUT")
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


def add_ui(commands: Commands) -> None:
    """Add the command `ui`."""
    page = commands.add_parser("ui", help="runs in the browser, renewed while they go on")
    page.add_argument(
        "run", nargs="?", metavar="RUN", help="its name or the beginning of it (default: the list of runs)"
    )
    page.add_argument("--port", type=port, default=0, metavar="N", help="of 127.0.0.1 (default: a free one)")
    page.add_argument("--no-open", action="store_false", dest="open", help="open no browser")
    add_runs_folder(page)


def add_compare(commands: Commands) -> None:
    """Add the command `compare`."""
    compare = commands.add_parser("compare", help="two runs side by side, and why one cost more")
    compare.add_argument("one", metavar="RUN")
    compare.add_argument("other", metavar="RUN")
    compare.add_argument(
        "--vectors",
        action="store_true",
        help="also how far their vectors are apart, by rows that both have: another model or engine",
    )
    add_runs_folder(compare)
    add_json(compare)


def add_resume(commands: Commands) -> None:
    """Add the command `resume`."""
    resume = commands.add_parser("resume", help="continue a run, after any failure")
    add_run(resume)
    resume.add_argument(
        "--budget", type=dollars, metavar="DOLLARS", help="in all, instead of every limit agreed before"
    )
    resume.add_argument(
        "--deadline",
        type=deadline,
        metavar="8h|DATE",
        help="from now, or a date and time, instead of every deadline before",
    )
    resume.add_argument(
        "--retry-failed",
        action="store_true",
        help="try again the shards that were set aside, and those with rows that the engine or a disk failed on",
    )
    add_cost(resume, "--max-cost or --budget")
    add_price_book(resume)
    add_driving(resume)


def add_pilot(commands: Commands) -> None:
    """Add the command `pilot`."""
    pilot = commands.add_parser("pilot", help="drive a run on the machine of its pilot: see launch --pilot")
    pilot.add_argument("output", type=location, metavar="OUTPUT", help="the output path of the run")
    pilot.add_argument("run", metavar="RUN", help="its whole name")
    pilot.add_argument(
        "--max-cost", type=dollars, required=True, metavar="$X", help="never spend more on this run in all"
    )
    pilot.add_argument(
        "--secret", type=variable, action="append", default=[], metavar="NAME",
        help="pass this environment variable to the machines, as a secret",
    )  # fmt: skip
    add_runs_folder(pilot)
    pilot.set_defaults(detach=False, json=False)


def add_stop(commands: Commands) -> None:
    """Add the command `stop`."""
    stop = commands.add_parser("stop", help="let machines finish the shards they hold, then end")
    add_run(stop)


def add_down(commands: Commands) -> None:
    """Add the command `down`."""
    down = commands.add_parser("down", help="cancel and remove everything that a run rented")
    add_run(down)
    down.add_argument(
        "--verify", action="store_true", help="end nothing; ask SkyPilot and the clouds what is left"
    )
    add_json(down)


def add_verify(commands: Commands) -> None:
    """Add the command `verify`."""
    verify = commands.add_parser("verify", help="check every receipt, file, id and vector of a run")
    add_run(verify)
    verify.add_argument(
        "--seed", type=int, default=0, help="of the sample that is embedded again (default 0)"
    )
    verify.add_argument("--no-embed", action="store_true", help="do not embed a sample again")
    add_json(verify)


def add_finish(commands: Commands) -> None:
    """Add the command `finish`."""
    finish = commands.add_parser(
        "finish", help="clean up a finished run: remove files that are proven to be of attempts that lost"
    )
    add_run(finish)
    finish.add_argument("--dry-run", action="store_true", help="list what would be removed; remove nothing")
    add_json(finish)


def add_ledger(commands: Commands) -> None:
    """Add the command `ledger`."""
    ledger = commands.add_parser("ledger", help="rebuild the ledger from an output path")
    actions = ledger.add_subparsers(dest="action", required=True, metavar="ACTION")
    rebuild = actions.add_parser(
        "rebuild", help="record all runs of an output path, so that they can be resumed"
    )
    rebuild.add_argument(
        "output", type=location, metavar="OUTPUT", help="a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
    )
    add_runs_folder(rebuild)
    add_json(rebuild)
