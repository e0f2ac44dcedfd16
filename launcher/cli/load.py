"""`embedfleet load`: load the vectors of a run into a vector store, exactly once."""

from argparse import Namespace
from contextlib import closing
from dataclasses import replace

from launcher.cli.console import say, show, steps
from launcher.cli.named_dataset import named_dataset
from launcher.cli.sink import sink_of_run
from launcher.errors import FailedRows, Problem
from launcher.jobs.job import JobSink
from launcher.loading.check import check_store
from launcher.loading.connect import connect
from launcher.loading.loader import LoadOptions, load
from launcher.loading.preview import preview
from launcher.reports.terminal.load import load_text, preview_text
from launcher.sinks.index import parse_index
from launcher.sinks.targets import parse_target


def run(arguments: Namespace) -> int:
    """Load, or say what a load would do; compare with --verify.

    Raises:
        Problem: the store refuses, or does not hold what the dataset does.
        FailedRows: all is loaded but some rows, which the store refuses.
    """
    to: str | None = arguments.to
    if to is not None:
        parse_target(to)  # before the dataset is read
    dataset = named_dataset(arguments)
    sink = sink_of_run(dataset.store, dataset.run) if to is None else JobSink(to)
    target = parse_target(sink.to)
    secret = arguments.secret or sink.secret
    options = LoadOptions(
        index=sink.index if arguments.index is None else parse_index(arguments.index),
        since=arguments.since,
        replace=arguments.replace,
        keep=sink.keep if arguments.keep is None else arguments.keep,
        parallel=arguments.parallel,
    )
    with closing(connect(target, secret)) as store:
        if arguments.dry_run:
            show(preview(dataset, target, store, options), preview_text, as_json=arguments.json)
            return 0
        with steps("loading rows") as step:
            found = load(dataset, target, store, options, step)
        if arguments.verify:
            found = replace(found, check=check_store(dataset, target, store, options.keep, step=say))
    show(found, load_text, as_json=arguments.json)
    if found.check is not None and found.check.faults:
        raise Problem(
            f"{target.shown} does not hold run {dataset.run}: {found.check.faults[0]}",
            hint=f"embedfleet load {dataset.run} --to ... --replace loads it anew",
        )
    if found.rows_refused:
        raise FailedRows(
            f"{target.shown} refused {found.rows_refused:,} rows of run {dataset.run}, and holds the others",
            hint="--verify --json names them; leave a column out with --keep, or change the rows, and --replace",
        )
    return 0
