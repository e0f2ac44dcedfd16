"""The progress of a run while `launch` or `resume` drives it: a bar on a terminal, a line now and then elsewhere.

Everything goes to stderr.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Generator
from datetime import datetime
from decimal import Decimal

from rich.progress import BarColumn, Progress, TextColumn

from launcher.cli.console import console, say
from launcher.fleet.progress import ProgressSnapshot
from launcher.format import compact, duration, money, rate
from launcher.planning.saved_plan import SavedPlan
from tasks.clock import utc

LINE_SECONDS = 5.0  # between two lines where there is no terminal


def line(snapshot: ProgressSnapshot, price: Decimal | None, now: datetime) -> str:
    """One line: shards, tokens, rate, dollars, time left, workers. `price` is the planned dollars per hour, if known."""
    p = snapshot.progress
    seconds = (now - snapshot.started).total_seconds()
    fresh = p.tokens - snapshot.tokens_before
    speed = fresh / seconds if fresh and seconds else None
    expected = p.tokens_expected
    known = speed and expected is not None and expected > p.tokens
    left = (expected - p.tokens) / speed if known and speed and expected is not None else None
    left = 0.0 if p.shards_done == p.shards else left
    what = "machine" if snapshot.rented else "worker"
    workers = f"{snapshot.ready} of {snapshot.workers} {what}s" if snapshot.workers else f"no {what}"
    parts = [
        f"{p.shards_done}/{p.shards} shards",
        f"{compact(p.tokens)} tokens",
        rate(speed) if speed else "starting",
        money(snapshot.spent) if price is not None else "$?",
        f"{duration(left)} left" if left is not None else "? left",
        workers,
    ]
    parts += [f"{snapshot.coming} pending"] if snapshot.coming else []
    parts += [f"{snapshot.recovering} recovering"] if snapshot.recovering else []
    parts += [f"{snapshot.deaths} lost"] if snapshot.deaths else []
    parts += [f"{p.failed_rows} bad rows"] if p.failed_rows else []
    parts += ["draining"] if snapshot.draining else []
    return " · ".join(parts)


@contextlib.contextmanager
def screen(plan: SavedPlan) -> Generator[Callable[[ProgressSnapshot], None], None, None]:
    """Yield a function that shows a snapshot: in a bar that is redrawn in place, or as a line every few seconds."""
    usd = plan.lots[0].usd_per_hour
    if not sys.stderr.isatty():
        last = [0.0, -1]

        def print_now(snapshot: ProgressSnapshot) -> None:
            now, done = time.monotonic(), snapshot.progress.shards_done
            if now - last[0] >= LINE_SECONDS or done == snapshot.progress.shards != last[1]:
                last[:] = [now, done]
                say(line(snapshot, usd, utc()))

        yield print_now
        return
    columns = (BarColumn(24), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console(sys.stderr)) as bar:
        task = bar.add_task("starting", total=None)

        def draw(snapshot: ProgressSnapshot) -> None:
            p = snapshot.progress
            bar.update(task, total=p.shards, completed=p.shards_done, description=line(snapshot, usd, utc()))

        yield draw
