"""The progress of a run while `launch` or `resume` drives it: a bar on a terminal, a line now and then elsewhere.

Everything goes to stderr.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Generator
from math import floor

from rich.progress import BarColumn, Progress, TextColumn

from launcher.cli.console import console, say
from launcher.fleet.progress import ProgressSnapshot
from launcher.format import compact, duration, plural, rate, spent_text

LINE_SECONDS = 5.0  # between two lines where there is no terminal


def line(snapshot: ProgressSnapshot, width: int | None = None) -> str:
    """One line: percent, tokens, shards, speed, dollars, time left, workers, and how it stands to the deadline.

    `width`: columns that it may have; shards, speed and tokens are left out, in this order, where it is wider.
    """
    p, rates = snapshot.progress, snapshot.rates
    what = "machine" if snapshot.rented else "worker"
    workers = f"{snapshot.ready} of {plural(snapshot.workers, what)}" if snapshot.workers else f"no {what}"
    expected = (
        "" if rates.tokens_expected is None or rates.finished else f" of {compact(rates.tokens_expected)}"
    )
    tokens = f"{compact(rates.tokens_embedded)}{expected} tokens"
    shards = f"{p.shards_done} of {plural(p.shards, 'shard')}"
    speed = "starting" if rates.tokens_per_second is None else rate(rates.tokens_per_second)
    parts = [
        "? %" if rates.share is None else f"{floor(100 * rates.share)} %",
        tokens,
        shards,
        speed,
        spent_text(rates.usd, snapshot.known),
        f"{duration(rates.seconds_left)} left",
        workers,
    ]
    parts += [f"{snapshot.coming} pending"] if snapshot.coming else []
    parts += [f"{snapshot.recovering} recovering"] if snapshot.recovering else []
    parts += [f"{snapshot.deaths} lost"] if snapshot.deaths else []
    parts += [plural(p.failed_rows, "bad row")] if p.failed_rows else []
    if snapshot.late_seconds is not None and not rates.finished:
        by = duration(abs(snapshot.late_seconds))
        parts.append(f"late by {by}" if snapshot.late_seconds > 0 else f"{by} before the deadline")
    parts += ["draining"] if snapshot.draining else []
    for part in (shards, speed, tokens):
        if width is not None and len(" · ".join(parts)) > width:
            parts.remove(part)
    return " · ".join(parts)


@contextlib.contextmanager
def screen() -> Generator[Callable[[ProgressSnapshot], None], None, None]:
    """Yield a function that shows a snapshot: in a bar that is redrawn in place, or as a line every few seconds."""
    if not sys.stderr.isatty():
        last = [0.0, -1]

        def print_now(snapshot: ProgressSnapshot) -> None:
            now, done = time.monotonic(), snapshot.progress.shards_done
            if now - last[0] >= LINE_SECONDS or done == snapshot.progress.shards != last[1]:
                last[:] = [now, done]
                say(line(snapshot))

        yield print_now
        return
    columns = (BarColumn(24), TextColumn("{task.description}", markup=False))
    terminal = console(sys.stderr)
    with Progress(*columns, console=terminal) as bar:
        task = bar.add_task("starting", total=None)

        def draw(snapshot: ProgressSnapshot) -> None:
            share = snapshot.rates.share
            bar.update(
                task,
                total=None if share is None else 1.0,
                completed=share or 0.0,
                description=line(snapshot, terminal.width - 2),  # the bar gives way to the text
            )

        yield draw
