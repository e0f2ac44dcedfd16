"""`embedfleet load`: load the vectors of a run into a vector store, exactly once; with --follow, while it goes on."""

import os
from argparse import Namespace
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from launcher.cli.commands.rented_load import rented_load, with_rented
from launcher.cli.console import say, show, steps
from launcher.cli.named_dataset import named_dataset, named_run
from launcher.cli.sink import sink_of_run
from launcher.errors import FailedRows, Problem, Usage
from launcher.jobs.job import JobSink
from launcher.loading.check import check_store
from launcher.loading.connect import connect
from launcher.loading.dataset_rows.committed import committed_files
from launcher.loading.documents import LoadDocument
from launcher.loading.follow import Follower
from launcher.loading.loader import LoadOptions, load
from launcher.loading.preview import preview
from launcher.reports.terminal.load import load_text, preview_text
from launcher.sinks.index import parse_index
from launcher.sinks.targets import parse_target
from launcher.vectors.read_dataset import open_dataset
from tasks.stores.base import Store

NICENESS = 10  # of a loader beside the launcher and its workers: embedding goes first


def run(arguments: Namespace) -> int:
    """Load, or say what a load would do; compare with --verify.

    Raises:
        Problem: the store refuses, or does not hold what the dataset does.
        FailedRows: all is loaded but some rows, which the store refuses.
    """
    if arguments.to is not None:
        parse_target(arguments.to)  # before anything is read
    if arguments.follow:
        return _follow(arguments)
    if arguments.on is not None and not arguments.dry_run:
        return rented_load(arguments, _sink)
    dataset = named_dataset(arguments)
    sink = _sink(arguments, dataset.store, dataset.run)
    target, options = parse_target(sink.to), _options(arguments, sink)
    with closing(connect(target, sink.secret)) as store:
        if arguments.dry_run:
            planned = preview(dataset, target, store, options)
            show(with_rented(planned, arguments), preview_text, as_json=arguments.json)
            return 0
        with steps("loading rows") as step:
            found = load(dataset, target, store, options, step)
        if arguments.verify:
            found = replace(found, check=check_store(dataset, target, store, options.keep, step=say))
    return _report(found, arguments)


def _sink(arguments: Namespace, store: Store, run: str) -> JobSink:
    """Where to, by which secret and with which index and columns: as the command line says, else as the job does."""
    sink = sink_of_run(store, run) if arguments.to is None else JobSink(arguments.to)
    return replace(
        sink,
        secret=arguments.secret or sink.secret,
        index=sink.index if arguments.index is None else parse_index(arguments.index),
        keep=sink.keep if arguments.keep is None else arguments.keep,
    )


def _options(arguments: Namespace, sink: JobSink) -> LoadOptions:
    return LoadOptions(
        index=sink.index,
        since=arguments.since,
        replace=arguments.replace,
        keep=sink.keep,
        parallel=arguments.parallel,
        load=arguments.share,
    )


def _follow(arguments: Namespace) -> int:
    """Load a run while it goes on, and end with it."""
    if arguments.since is not None or arguments.replace or arguments.dry_run:
        raise Usage(
            "--follow loads a run while it goes on, and decides by itself what it adds to",
            hint="leave --since, --replace and --dry-run out, or load the run when it is done",
        )
    output, name = named_run(arguments)
    committed = committed_files(output, name)
    sink = _sink(arguments, committed.store, name)
    target, options = parse_target(sink.to), _options(arguments, sink)
    if arguments.parent is not None:
        os.nice(NICENESS)
    follower = Follower(
        committed,
        target,
        lambda: connect(target, sink.secret),
        options,
        say,
        wanted=_wanted(arguments.parent),
    )
    found = follower.follow()
    if found is None:
        return 0
    if arguments.verify:
        with closing(connect(target, sink.secret)) as store:
            dataset = open_dataset(output, name)
            found = replace(found, check=check_store(dataset, target, store, options.keep, step=say))
    return _report(found, arguments)


def _wanted(parent: int | None) -> Callable[[], bool]:
    """Whether to go on: as long as the launcher that started it lives; without one, always."""
    return lambda: parent is None or os.getppid() == parent


def _report(found: LoadDocument, arguments: Namespace) -> int:
    """Print what was done.

    Raises:
        Problem: the store does not hold what the dataset does.
        FailedRows: it refused rows.
    """
    show(found, load_text, as_json=arguments.json)
    if found.check is not None and found.check.faults:
        raise Problem(
            f"{found.to} does not hold run {found.run}: {found.check.faults[0]}",
            hint=f"embedfleet load {found.run} --to ... --replace loads it anew",
        )
    if found.rows_refused:
        raise FailedRows(
            f"{found.to} refused {found.rows_refused:,} rows of run {found.run}, and holds the others",
            hint="--verify --json names them; leave a column out with --keep, or change the rows, and --replace",
        )
    return 0
