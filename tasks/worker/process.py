"""A worker process: claim a shard, embed it, write it, commit it, and again until all shards are done.

    python -m tasks.worker --store OUTPUT --run RUN --name NAME

Needs nothing but the store. SIGTERM finishes what is nearly done, commits what is embedded of the rest, gives the
leases back and ends; SIGUSR1 finishes the shard in hand and ends; a preemption notice of the cloud leaves more time,
which is used. Exit status 0: done, or told to end; 3: a person must act (the message says how); 4: the engine fails
whatever it is given; 5: the engine, or a read of the input, hung; else a crash.
"""

import argparse
import os
import platform
import random
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from tasks.clock import utc
from tasks.engines.base import Encoder
from tasks.engines.checks.engine_check import EngineBroken, check_rate
from tasks.engines.load import load_encoder
from tasks.engines.versions import versions
from tasks.errors import Problem
from tasks.formats.documents.readers import installed_versions
from tasks.models.fingerprint import is_pinned_commit, pinned
from tasks.printable import log_in_utf8, plain
from tasks.protocol import manifest
from tasks.protocol.messages import crash_marker
from tasks.protocol.messages.exit_codes import ENGINE_BROKEN, MUST_ACT
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.stores.base import Store
from tasks.stores.open import open_store
from tasks.worker.monitoring.heartbeat import HEARTBEAT_SECONDS, HeartbeatWriter
from tasks.worker.monitoring.preemption_notice import (
    CLOUDS,
    METADATA_ADDRESS,
    Cloud,
    MetadataService,
    NoticeWatcher,
    detect_cloud,
)
from tasks.worker.monitoring.signals import Signals, Stopped
from tasks.worker.monitoring.start_timer import StartTimer, before_process, process_seconds
from tasks.worker.worker import Worker
from tasks.worker.writing.scratch import make_scratch, writing_in


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tasks.worker", description=__doc__.partition("\n")[0] if __doc__ else None
    )
    parser.add_argument("--store", required=True, help="the job's output path")
    parser.add_argument("--run", required=True)
    parser.add_argument("--name", default=f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}")
    parser.add_argument("--engine", help="instead of the manifest's")
    parser.add_argument("--threads", type=int, help="CPU threads of the engine")
    parser.add_argument("--offset", type=int, help="position of the shard to begin at (default: anywhere)")
    parser.add_argument(
        "--scratch", type=Path, help="folder for files on their way to the store (default: a new one)"
    )
    parser.add_argument(
        "--cloud",
        choices=CLOUDS,
        default=detect_cloud(os.environ),
        help="whose notices of preemption to look for (default: $EMBEDFLEET_CLOUD, `auto` where SkyPilot started us)",
    )
    parser.add_argument(
        "--heartbeat", type=float, default=HEARTBEAT_SECONDS, help="seconds between signs of life"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None, encoder: Encoder | None = None) -> int:
    """Run one worker; the exit status.

    `words` are its command line; None: that of this process. `encoder` is the loaded model of the run, where this process
    has it already.
    """
    log_in_utf8()
    arguments = _arguments(words)
    signals = Signals()
    signals.listen()
    heartbeat: HeartbeatWriter | None = None
    try:
        store = open_store(arguments.store)
        header = manifest.read_header(store, arguments.run)
        manifest.check_corpus_reachable(header)
        heartbeat = _heartbeat(store, header.run, arguments)
        heartbeat.start()
        _work(store, header, heartbeat, arguments=arguments, signals=signals, encoder=encoder)
        signals.ignore_further()
    except Stopped:
        signals.ignore_further()
        _end(heartbeat, "stopped")
        return 0
    except Problem as problem:
        signals.ignore_further()
        print(problem.two_lines(), file=sys.stderr, flush=True)  # noqa: T201 - its own stderr
        _end(heartbeat, "failed", str(problem))
        return ENGINE_BROKEN if isinstance(problem, EngineBroken) else MUST_ACT
    _end(heartbeat, "done")
    return 0


def _end(heartbeat: HeartbeatWriter | None, state: str, error: str | None = None) -> None:
    if heartbeat is not None:  # None: the manifest could not be read, so there was none
        heartbeat.end(state, error)


def _heartbeat(store: Store, run: str, arguments: argparse.Namespace) -> HeartbeatWriter:
    """The heartbeat, not started: `main` holds it before the first write, so that it writes the last one in any case."""
    pulse = Heartbeat(
        run=run,
        worker=arguments.name,
        host=socket.gethostname(),
        pid=os.getpid(),
        started=utc(),
        place=crash_marker.this_place(),
    )
    return HeartbeatWriter(store, pulse, arguments.heartbeat)


def _work(
    store: Store,
    header: manifest.Header,
    heartbeat: HeartbeatWriter,
    *,
    arguments: argparse.Namespace,
    signals: Signals,
    encoder: Encoder | None,
) -> None:
    """Load the engine, unless it is given, and work until the run is done or the worker is told to end."""
    start = StartTimer()
    if encoder is None:
        encoder = _load(header, heartbeat, arguments, start)
    first_rate = check_rate(encoder)  # before anything is claimed
    start.begin("first_batch")
    pulse = heartbeat.heartbeat
    pulse.model_fingerprint = header.model_fingerprint
    pulse.engine, pulse.device, pulse.dtype = encoder.name, encoder.device, encoder.dtype
    pulse.dimensions = header.dimensions or encoder.dimensions
    read_by = installed_versions(header.readers)
    pulse.versions = {"python": platform.python_version()} | versions() | read_by
    pulse.ready = utc()
    shards = max(1, header.shards)
    offset = arguments.offset if arguments.offset is not None else random.randrange(shards)  # noqa: S311
    scratch = make_scratch(arguments.scratch)
    with writing_in(scratch):
        crash_marker.write_place(scratch)
    watcher = _watch_for_preemption(arguments.cloud, signals, heartbeat)
    try:
        Worker(
            store=store,
            header=header,
            name=arguments.name,
            offset=offset % shards,
            encoder=encoder,
            heartbeat=heartbeat,
            scratch=scratch,
            signals=signals,
            first_rate=first_rate,
            start=start,
        ).run()
    finally:
        signals.ignore_further()  # raised inside rmtree, `Stopped` makes it close a file twice
        if watcher:
            watcher.stop()
        shutil.rmtree(scratch, ignore_errors=True)


def _load(
    header: manifest.Header, heartbeat: HeartbeatWriter, arguments: argparse.Namespace, start: StartTimer
) -> Encoder:
    """Load the model of the run; the heartbeat tells which stages of that are over."""

    def tell(pulse: Heartbeat) -> None:
        pulse.cold_start = start.seconds()

    start.known = {**before_process(), "process": process_seconds()}
    heartbeat.update = tell
    if header.model_fingerprint is not None:
        start.begin("download" if is_pinned_commit(header.model, header.model_fingerprint) else "check")
    model = pinned(header.model, header.model_fingerprint)
    return load_encoder(
        arguments.engine or header.engine,
        model,
        arguments.threads,
        remote_code=header.remote_code,
        tokens=header.tokens,
        prompt=header.prompt,
        precision=header.precision,
        on_stage=start.begin,
    )


def _watch_for_preemption(
    cloud: Cloud | None, signals: Signals, heartbeat: HeartbeatWriter
) -> NoticeWatcher | None:
    """Watch for preemption notices, where the cloud is known."""
    if cloud is None:
        return None

    def say(text: str) -> None:
        print(plain(text), flush=True)  # noqa: T201 - the worker's log

    def warn(why: str, seconds: float) -> None:
        say(f"{why} in {seconds:.0f} s")
        signals.warn(why, seconds)

    def risk(why: str) -> None:
        say(why)
        heartbeat.heartbeat.notice = why

    watch = NoticeWatcher(
        cloud, warn, risk, MetadataService(os.environ.get("EMBEDFLEET_METADATA", METADATA_ADDRESS)), say=say
    )
    watch.start()
    return watch
