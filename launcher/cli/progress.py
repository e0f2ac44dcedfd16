"""What a person sees while something runs: one line of progress on a terminal, a line now and then elsewhere.

Everything here goes to stderr.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from decimal import Decimal
from typing import Any

from launcher.format import brief, duration, money, rate
from tasks.clock import utc

SELDOM = 5.0  # seconds between lines where there is no terminal


def say(text: str) -> None:
    """One line about what is being done."""
    with contextlib.suppress(BrokenPipeError):  # whoever reads our progress may leave; the work goes on
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - the edge


def line(glance: "Glance", price: Decimal | None) -> str:
    """Shards, tokens, rate, dollars, time left, workers."""
    p = glance.progress
    seconds = (utc() - glance.started).total_seconds()
    fresh = p.tokens - glance.tokens_before
    speed = fresh / seconds if fresh and seconds else None
    expected = p.tokens_expected
    known = speed and expected is not None and expected > p.tokens
    left = (expected - p.tokens) / speed if known and speed and expected is not None else None
    left = 0.0 if p.shards_done == p.shards else left
    what = "machine" if glance.rented else "worker"
    workers = f"{glance.ready} of {glance.workers} {what}s" if glance.workers else f"no {what}"
    parts = [
        f"{p.shards_done}/{p.shards} shards",
        f"{brief(p.tokens)} tokens",
        rate(speed) if speed else "starting",
        money(glance.spent) if price is not None else "$?",
        f"{duration(left)} left" if left is not None else "? left",
        workers,
    ]
    parts += [f"{glance.coming} on their way"] if glance.coming else []
    parts += [f"{glance.recovering} taken away"] if glance.recovering else []
    parts += [f"{glance.deaths} lost"] if glance.deaths else []
    parts += [f"{p.failed_rows} bad rows"] if p.failed_rows else []
    parts += ["draining"] if glance.draining else []
    return " · ".join(parts)


@contextlib.contextmanager
def screen(plan: dict[str, Any]) -> Generator[Callable[["Glance"], None], None, None]:
    """A watcher for `Drive`: a bar that is refreshed in place, or a line every few seconds."""
    price = plan["lots"][0]["usd_per_hour"]
    usd = None if price is None else Decimal(price)
    if not sys.stderr.isatty():
        last = [0.0, -1]

        def print_now(glance: "Glance") -> None:
            now, done = time.monotonic(), glance.progress.shards_done
            if now - last[0] >= SELDOM or done == glance.progress.shards != last[1]:
                last[:] = [now, done]
                say(line(glance, usd))

        yield print_now
        return
    from rich.console import Console  # noqa: PLC0415 - where there is no terminal it is not needed
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (BarColumn(24), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=None)

        def draw(glance: "Glance") -> None:
            p = glance.progress
            bar.update(task, total=p.shards, completed=p.shards_done, description=line(glance, usd))

        yield draw


def follow(
    bodies: Iterable[Mapping[str, Any]], render: Callable[[Mapping[str, Any]], Any], *, as_json: bool
) -> None:
    """Each body as it comes: refreshed in place on a terminal, one after another elsewhere, one object a line as JSON."""
    if as_json:
        for body in bodies:
            print(json.dumps(body), flush=True)  # noqa: T201 - the data
        return
    from rich.console import Console  # noqa: PLC0415 - JSON needs no terminal

    console = Console(width=None if sys.stdout.isatty() else 110)
    if not console.is_terminal:
        for body in bodies:
            console.print(render(body))
        return
    from rich.live import Live  # noqa: PLC0415

    with Live(console=console, auto_refresh=False) as live:
        for body in bodies:
            live.update(render(body), refresh=True)


@contextlib.contextmanager
def stepper(what: str) -> Generator[Callable[[int, int], None], None, None]:
    """A watcher of steps: (done, all)."""
    start = time.monotonic()
    terminal = sys.stderr.isatty()
    last = [start]

    def step(done: int, total: int) -> None:
        now = time.monotonic()
        if terminal and (now - last[0] > 0.2 or done == total):
            last[0] = now
            left = (now - start) / done * (total - done)
            end = "\n" if done == total else ""
            sys.stderr.write(f"\r\x1b[K{what}: {done:,}/{total:,}, {duration(left)} left{end}")
            sys.stderr.flush()

    yield step
