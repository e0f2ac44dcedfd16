"""`embedfleet prices`: what GPUs cost, where, since when; and `prices refresh`, which asks the clouds again.

The shell around `pricelist` and the price book. `add` is called for every command line, so all else is imported later.
"""

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import partial
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.cli.console import show
from launcher.errors import Problem, Usage
from launcher.format import plain
from launcher.planning.price_book import book_of
from launcher.reports.terminal import prices as listing
from launcher.reports.terminal.prices import WIDTH, Line, Wanted
from pricing import book_versions, gpu
from pricing.book_versions import REJECTED, Book
from pricing.offer import Offer
from pricing.refresh import Answer, Refreshed, refresh
from pricing.sources import registry
from pricing.staleness import stale
from pricing.validate import EXPECTED
from tasks.clock import utc

ROWS = 20  # lines of offers where the height of the screen is not known
AROUND = 12  # lines of a screen for the header, the flags' meanings, the summary and the prompt
SHOWN = 5  # names in one sentence; the rest are counted


def run(arguments: Namespace) -> int:
    """Carry the command out; its exit status."""
    return _refresh(arguments, utc()) if arguments.action else _list(arguments, utc())


def _list(arguments: Namespace, now: datetime) -> int:
    book = book_of(arguments.price_book, offline=arguments.offline)
    if book.trouble:
        _say(f"the snapshot's prices, as your own book cannot be used: {book.trouble}")
    wanted = _wanted(arguments, book)
    offers = listing.ordered(filter(wanted, book.offers), arguments.sort, now)
    if arguments.json and not offers:
        show([], str, as_json=True)
    if not offers:
        raise Problem(
            f"no {wanted} among {len(book.offers):,} offers", hint=listing.nearest(book.offers, wanted)
        )
    if arguments.json:
        show(listing.to_json(offers[: arguments.limit], now), str, as_json=True)
        return 0
    best = offers if wanted.gpus else listing.ordered(listing.cheapest(offers), arguments.sort, now)
    lines = listing.lines(best)
    columns, rows = _screen()
    limit = arguments.limit or rows
    summary = _summary(lines, limit, offers, wanted)

    advice = "" if arguments.price_book else ": embedfleet prices refresh asks for new ones"

    def render(_: object) -> RenderableType:
        more = [Text(line) for line in (*summary, *_dates(book, advice, now))]
        return Group(listing.table(lines[:limit], now, columns), *more)

    show(None, render, as_json=False)
    return 0


def _wanted(arguments: Namespace, book: Book) -> Wanted:
    """The filters, with every name known.

    Raises:
        Usage: a GPU or a cloud that nobody has heard of.
    """
    gpus: list[str] = []
    for name in arguments.gpu:
        try:
            gpus.append(gpu.gpu(name).name)
        except gpu.UnknownGpuError as error:
            known = ", ".join(sorted({o.gpu for o in book.offers}))
            raise Usage(f"--gpu: {error}", hint=f"name one of {known}") from error
    clouds = tuple(sorted({o.cloud for o in book.offers} | EXPECTED.keys()))
    return Wanted(tuple(gpus), _known("--cloud", arguments.cloud, clouds), arguments.region, arguments.spot)


def _known(option: str, names: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name.casefold() not in known:
            near = get_close_matches(name.casefold(), known, n=1)
            raise Usage(
                f"{option}: no {name!r}" + (f"; did you mean {near[0]}?" if near else ""),
                hint=f"name one of {', '.join(known)}",
            )
    return tuple(name.casefold() for name in names)


def _summary(lines: Sequence[Line], limit: int, offers: Sequence[Offer], wanted: Wanted) -> list[str]:
    """What the table holds, and how to see the rest."""
    what = "lines from" if wanted.gpus else "GPUs, each at its cheapest of"
    told = [f"{min(limit, len(lines))} of {len(lines):,} {what} {len(offers):,} offers"]
    told += [f"--limit {len(lines)}: all of them"] if len(lines) > limit else []
    told += [] if wanted.gpus else ["--gpu NAME: one"]
    return ["; ".join([*told, "--json: every offer"])]


def _dates(book: Book, advice: str, now: datetime) -> list[str]:
    """Which book this is, and how much of it is too old."""
    name = "the snapshot of this version" if book.path is None else str(book.path)
    dates = [o.as_of for o in book.offers]
    old = sum(stale(o, now) for o in book.offers)
    seen = f"prices: {name}, seen {min(dates)} to {max(dates)}"
    return [seen, f"{old:,} of {len(dates):,} prices are stale{advice}"] if old else [seen]


def _refresh(arguments: Namespace, now: datetime) -> int:
    names = _known("--source", arguments.source, tuple(registry.SOURCES)) or tuple(registry.SOURCES)
    folder = book_versions.place(os.environ)
    _say(f"asking {', '.join(names)}")
    # In the order of SOURCES, whatever the order asked for: the clouds' own word stands over a collection's.
    asked = {name: partial(fetch, now) for name, fetch in registry.SOURCES.items() if name in names}
    try:
        done = refresh(folder, asked, now)
    except OSError as error:
        raise Problem(
            f"cannot write the price book into {folder}: {error.strerror}",
            hint="free some space, or set EMBEDFLEET_PRICES to another folder",
        ) from error
    if done.path is None:
        raise Problem(
            f"no source of prices answered: {'; '.join(f'{s.name}: {s.reason}' for s in done.silent)}",
            hint=next((s.hint for s in done.silent), "name a source with --source"),
        )
    show(_refreshed(done, now), lambda _: _told(done), as_json=arguments.json)
    return 0


def _refreshed(done: Refreshed, now: datetime) -> dict[str, Any]:
    return {
        "schema": "embedfleet/prices-refresh/1",
        "at": now.isoformat(),
        "book": str(done.path),
        "offers": len(done.offers),
        "rejected": len(done.rejected),
        "answered": [
            {
                "source": a.name,
                "offers": a.offers,
                "new": a.new,
                "changed": a.changed,
                "jumps": a.jumps,
                "rejected": a.rejected,
                "absent": [f"{cloud}/{gpu}" for cloud, gpu in a.absent],
                "notes": a.notes,
            }
            for a in done.answers
        ],
        "silent": [{"source": s.name, "reason": s.reason, "hint": s.hint} for s in done.silent],
    }


def _told(done: Refreshed) -> RenderableType:
    """What answered, what did not and why, and where it all is."""
    assert done.path
    told: list[Text] = []
    for answer in done.answers:
        told.append(
            Text(
                f"{answer.name}: {answer.offers:,} offers, {answer.new:,} new, {answer.changed:,} at another price, "
                f"{answer.rejected:,} rejected"
            )
        )
        told += [Text(f"  {plain(note)}", style="dim") for note in (*_odd(answer), *answer.notes)]
    for silent in done.silent:
        told.append(Text(f"{silent.name}: no prices: {plain(silent.reason)}", style="yellow"))
        told.append(Text(f"  try: {plain(silent.hint)}", style="dim"))
    told.append(Text(f"book: {done.path}, {len(done.offers):,} offers"))
    if done.rejected:
        told.append(Text(f"rejected, with reasons: {done.path.with_suffix(REJECTED)}", style="dim"))
    return Group(*told)


def _odd(answer: Answer) -> list[str]:
    """What is to be looked at in an answer."""
    odd: list[str] = []
    if answer.jumps:
        odd.append(f"moved far since the book before (flag jump): {_few(answer.jumps)}")
    if answer.absent:
        odd.append(
            f"expected, and not in the answer: {_few([f'{gpu} on {cloud}' for cloud, gpu in answer.absent])}"
        )
    return odd


def _few(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _screen() -> tuple[int, int]:
    """How wide the output is, and how many lines of offers it holds beside all else."""
    if not sys.stdout.isatty():
        return WIDTH, ROWS
    columns, rows = shutil.get_terminal_size((WIDTH, ROWS + AROUND))
    return columns, max(ROWS // 2, rows - AROUND)


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - progress is no data
