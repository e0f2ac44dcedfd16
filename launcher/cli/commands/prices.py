"""`embedfleet prices`: what GPUs cost in each place, and how old each price is; `prices refresh` gets new ones."""

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import partial

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.cli.console import output_width, say, show
from launcher.cli.documents import ChangedPrices, RefreshDocument, SilentSource, SourceAnswer
from launcher.errors import Problem, Usage
from launcher.format import plain, plural
from launcher.planning.offers.price_book import book_of
from launcher.reports.lists import price_list
from launcher.reports.lists.price_list import OfferFilter, PriceLine
from launcher.reports.terminal import prices as listing
from launcher.reports.terminal.price_changes import changes_table
from pricing import gpu
from pricing.book import book_versions
from pricing.book.book_versions import REJECTED, CurrentBook
from pricing.book.validate import EXPECTED
from pricing.offer import Offer
from pricing.refresh import RefreshResult, SourceResult, refresh
from pricing.sources import registry
from pricing.staleness import is_stale
from tasks.clock import utc

DEFAULT_ROWS = 20  # lines of offers where the height of the screen is unknown
OTHER_ROWS = 12  # lines of a screen for the header, the meaning of flags, the summary and the prompt
MAX_NAMES = 5  # in one sentence; the rest are counted


def run(arguments: Namespace) -> int:
    """Print prices, or refresh the price book."""
    return _refresh(arguments, utc()) if arguments.action else _list_prices(arguments, utc())


def _list_prices(arguments: Namespace, now: datetime) -> int:
    """Print the offers that match the filters, the cheapest first unless --sort says otherwise."""
    book = book_of(arguments.price_book, offline=arguments.offline)
    if book.trouble:
        say(f"using the snapshot's prices, as your own price book cannot be used: {book.trouble}")
    wanted = _wanted(arguments, book)
    offers = price_list.sort_offers(filter(wanted, book.offers), arguments.sort, now)
    if arguments.json and not offers:
        show([], str, as_json=True)
    if not offers:
        raise Problem(
            f"no {wanted} among {plural(len(book.offers), 'offer')}",
            hint=price_list.suggest_filters(book.offers, wanted),
        )
    if arguments.json:
        show(price_list.price_rows(offers[: arguments.limit], now), str, as_json=True)
        return 0
    best = (
        offers
        if wanted.gpus
        else price_list.sort_offers(price_list.cheapest_offers(offers), arguments.sort, now)
    )
    lines = price_list.group_places(best)
    limit = arguments.limit or listing.fitting(lines, now, output_width(sys.stdout), _rows())
    summary = _summary(lines, limit, offers, wanted)

    advice = "" if arguments.price_book else ": embedfleet prices refresh asks for new ones"

    def render(_: object) -> RenderableType:
        more = [Text(line) for line in (*summary, *_dates(book, advice, now))]
        return Group(listing.prices_table(lines[:limit], now), *more)

    show(None, render, as_json=False)
    return 0


def _wanted(arguments: Namespace, book: CurrentBook) -> OfferFilter:
    """The filters, with each name checked.

    Raises:
        Usage: a GPU or a cloud is unknown.
    """
    gpus: list[str] = []
    for name in arguments.gpu:
        try:
            gpus.append(gpu.gpu(name).name)
        except gpu.UnknownGpuError as error:
            known = ", ".join(sorted({o.gpu for o in book.offers}))
            raise Usage(f"--gpu: {error}", hint=f"name one of {known}") from error
    clouds = tuple(sorted({o.cloud for o in book.offers} | EXPECTED.keys()))
    return OfferFilter(
        tuple(gpus), _known("--cloud", arguments.cloud, clouds), arguments.region, arguments.spot
    )


def _known(option: str, names: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    """The names in lower case.

    Raises:
        Usage: one is not among `known`.
    """
    for name in names:
        if name.casefold() not in known:
            near = get_close_matches(name.casefold(), known, n=1)
            raise Usage(
                f"{option}: no {name!r}" + (f"; did you mean {near[0]}?" if near else ""),
                hint=f"name one of {', '.join(known)}",
            )
    return tuple(name.casefold() for name in names)


def _summary(
    lines: Sequence[PriceLine], limit: int, offers: Sequence[Offer], wanted: OfferFilter
) -> list[str]:
    """How many offers the table shows, and how to see the rest."""
    what = "lines from" if wanted.gpus else "GPUs, each at its cheapest usable of"
    parts = [f"{min(limit, len(lines))} of {len(lines):,} {what} {plural(len(offers), 'offer')}"]
    parts += [f"--limit {len(lines)}: all of them"] if len(lines) > limit else []
    parts += ["--json: every offer"] if wanted.gpus else ["--gpu NAME: one"]
    return ["; ".join(parts)]


def _dates(book: CurrentBook, advice: str, now: datetime) -> list[str]:
    """Which price book was used, its dates, and how many of its prices are stale."""
    name = "the snapshot of this version" if book.path is None else str(book.path)
    dates = [o.as_of for o in book.offers]
    old = sum(is_stale(o, now) for o in book.offers)
    dated = f"prices: {name}, seen {min(dates)} to {max(dates)}"
    return [dated, f"{old:,} of {len(dates):,} prices are stale{advice}"] if old else [dated]


def _refresh(arguments: Namespace, now: datetime) -> int:
    """Ask the price sources, save a new price book, and print what changed."""
    names = _known("--source", arguments.source, tuple(registry.SOURCES)) or tuple(registry.SOURCES)
    folder = book_versions.books_folder(os.environ)
    say(f"asking {', '.join(names)}")
    # Always in the order of SOURCES: later ones win, and a cloud's own prices go before those of a collection.
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
            f"no source of prices answered: {'; '.join(f'{s.name}: {s.reason}' for s in done.failures)}",
            hint="; ".join(dict.fromkeys(s.hint for s in done.failures)) or "name a source with --source",
        )
    show(_refreshed(done, now), lambda _: _refreshed_text(done, now), as_json=arguments.json)
    return 0


def _refreshed(done: RefreshResult, now: datetime) -> RefreshDocument:
    """The document of `prices refresh --json`."""
    return RefreshDocument(
        at=now.isoformat(),
        book=str(done.path),
        offers=len(done.offers),
        rejected=len(done.rejected),
        answered=[
            SourceAnswer(
                source=a.name,
                offers=a.offers,
                new=a.new,
                changed=a.changed,
                jumps=a.jumps,
                rejected=a.rejected,
                absent=[f"{cloud}/{gpu}" for cloud, gpu in a.absent],
                notes=a.notes,
            )
            for a in done.results
        ],
        silent=[SilentSource(source=s.name, reason=s.reason, hint=s.hint) for s in done.failures],
        changes=[
            ChangedPrices(
                cloud=c.cloud,
                purchase=c.purchase,
                added=c.added,
                removed=c.removed,
                dearer=c.dearer,
                cheaper=c.cheaper,
                same=c.same,
                not_read=c.not_read,
                median_change=c.median_change,
                oldest=None if c.oldest is None else c.oldest.isoformat(),
            )
            for c in done.changes
        ],
    )


def _refreshed_text(done: RefreshResult, now: datetime) -> RenderableType:
    """What each source answered, or why it did not, and where the new price book is."""
    assert done.path
    lines: list[Text] = []
    for answer in done.results:
        lines.append(
            Text(
                f"{answer.name}: {plural(answer.offers, 'offer')}, {answer.new:,} new, "
                f"{answer.changed:,} at another price, {answer.rejected:,} rejected"
            )
        )
        lines += [Text(f"  {plain(note)}", style="dim") for note in (*_suspicious(answer), *answer.notes)]
    for silent in done.failures:
        lines.append(Text(f"{silent.name}: no prices: {plain(silent.reason)}", style="yellow"))
        lines.append(Text(f"  try: {plain(silent.hint)}", style="dim"))
    old = sum(is_stale(offer, now) for offer in done.offers)
    last = [Text(f"book: {done.path}, {plural(len(done.offers), 'offer')}")]
    if old:
        last.append(
            Text(f"{old:,} of them are stale: no source that answered has a newer price", style="yellow")
        )
    if done.rejected:
        last.append(Text(f"rejected, with reasons: {done.path.with_suffix(REJECTED)}", style="dim"))
    return Group(*lines, changes_table(done.changes), *last)


def _suspicious(answer: SourceResult) -> list[str]:
    """What in an answer should be checked by a person."""
    found: list[str] = []
    if answer.jumps:
        found.append(f"changed a lot since the previous book (flag jump): {_first_names(answer.jumps)}")
    if answer.absent:
        found.append(
            f"expected, but not in the answer: {_first_names([f'{gpu} on {cloud}' for cloud, gpu in answer.absent])}"
        )
    return found


def _first_names(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _rows() -> int:
    """How many rows of the screen are for offers."""
    if not sys.stdout.isatty():
        return DEFAULT_ROWS
    return max(DEFAULT_ROWS // 2, shutil.get_terminal_size().lines - OTHER_ROWS)
