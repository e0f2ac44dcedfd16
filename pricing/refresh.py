"""Refresh the price book: fetch prices from sources, validate them, and merge them into the current book.

A source that fails is reported with its reason, and its previous prices are kept with their dates. Rejected prices are
written next to the book. The caller passes the sources and the time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pricing.book import book_versions
from pricing.book.book_changes import CloudChanges, book_changes
from pricing.book.merge import merge, remove_withdrawn
from pricing.book.unmoved import flag_unmoved, seen_prices
from pricing.book.validate import Rejected, missing_gpus, reject_prices, split_by_offerings, validate_quotes
from pricing.gpu import canonical
from pricing.offer import Offer, Quote, as_quote
from pricing.sources.result import FetchedPrices, SourceUnavailable


@dataclass(frozen=True, slots=True)
class SourceResult:
    """What one source contributed to the new book."""

    name: str
    offers: int  # that passed validation
    changed: int  # of these, with another price than before
    new: int  # of these, not in the previous book
    jumps: tuple[str, ...]  # keys of offers with the flag "jump"
    rejected: int
    absent: tuple[
        tuple[str, str], ...
    ]  # (cloud, GPU) pairs that its clouds are known to rent and that it lacks
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """A source without usable prices, and what to do about it."""

    name: str
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """The new book and the result of each source. `path` is None if no source succeeded and nothing was written."""

    path: Path | None
    offers: tuple[Offer, ...]
    results: tuple[SourceResult, ...]
    failures: tuple[SourceFailure, ...]
    rejected: tuple[Rejected, ...]
    changes: tuple[CloudChanges, ...] = ()  # of the book as a whole, by cloud and purchase kind


def refresh(folder: Path, sources: Mapping[str, Callable[[], FetchedPrices]], now: datetime) -> RefreshResult:
    """Fetch from every source, then write the new book.

    If several sources have a price for one place on one day, the later source wins, so list the clouds' own sources
    after catalogs of many clouds.

    Raises:
        OSError: the folder cannot be written; the previous book is still current.
    """
    fetched: dict[str, FetchedPrices] = {}
    failures: list[SourceFailure] = []
    for name, ask in sources.items():
        try:
            fetched[name] = ask()
        except SourceUnavailable as error:
            failures.append(SourceFailure(name, error.reason, error.hint))
    if not fetched:
        return RefreshResult(
            path=None,
            offers=book_versions.current_offers(folder),
            results=(),
            failures=tuple(failures),
            rejected=(),
        )
    with book_versions.writing(folder):
        return _write_book(folder, fetched, failures, now)


def _write_book(
    folder: Path, fetched: Mapping[str, FetchedPrices], failures: list[SourceFailure], now: datetime
) -> RefreshResult:
    before = book_versions.current_offers(folder)
    offers = before
    results: list[SourceResult] = []
    rejected: list[Rejected] = []
    for name, answer in fetched.items():
        fresh, refused = _validated(answer, before, now)
        rejected += refused
        if not fresh:
            reason = f"it answered, but none of its {len(answer.quotes):,} rows is plausible"
            failures.append(SourceFailure(name, reason, "see the list of rejected prices, and report it"))
            continue
        clouds = frozenset(o.cloud for o in fresh)
        if answer.offerings is not None:
            offers, gone = remove_withdrawn(offers, clouds, answer.offerings)
            rejected += [
                r for o in gone for r in reject_prices(as_quote(o), f"no longer offered there, says {name}")
            ]
        offers = merge(offers, fresh)
        results.append(_source_result(name, fresh, len(refused), before, answer.notes))
    if not results:
        return RefreshResult(
            path=None, offers=before, results=(), failures=tuple(failures), rejected=tuple(rejected)
        )
    # New prices may show that old ones are wrong, such as a spot price that is now above on-demand.
    merged, refused = validate_quotes(map(as_quote, offers), canonical)
    rejected += refused
    merged = flag_unmoved(merged, seen_prices(book_versions.past_quotes(folder)))
    path = book_versions.write(folder, merge((), merged), rejected, now)
    return RefreshResult(
        path=path,
        offers=merged,
        results=tuple(results),
        failures=tuple(failures),
        rejected=tuple(rejected),
        changes=book_changes(before, merged),
    )


def _validated(
    answer: FetchedPrices, before: Sequence[Offer], now: datetime
) -> tuple[tuple[Offer, ...], list[Rejected]]:
    quotes, rejected = list(answer.quotes), list[Rejected]()
    if answer.offerings is None:
        quotes, rejected = _drop_unlisted_gcp_regions(quotes, before)
    fresh, refused = validate_quotes(
        quotes,
        canonical,
        offerings=answer.offerings,
        previous={o.key: o for o in before},
        today=now.date(),
    )
    return fresh, [*rejected, *refused]


def _drop_unlisted_gcp_regions(
    quotes: list[Quote], before: Sequence[Offer]
) -> tuple[list[Quote], list[Rejected]]:
    """Reject GCP list prices in regions that do not have the machine, by the zones of the previous book.

    Of 864 prices by type and region only 280 were real when the two were compared (July 2026), so a machine of the
    previous book is assumed to exist only in that book's regions. Rows with a zone come from a list of zones.
    """
    known = frozenset(
        (o.machine, o.region) for o in before if o.cloud == "gcp" and "region_unverified" not in o.flags
    )
    listed = [q for q in quotes if q.cloud == "gcp" and q.zone is None]
    kept, rejected = split_by_offerings(
        [replace(q, gpu=canonical(q.gpu) or q.gpu) for q in listed], known, lambda q: q.machine
    )
    return [*(q for q in quotes if q.cloud != "gcp" or q.zone is not None), *kept], rejected


def _source_result(
    name: str, fresh: Sequence[Offer], rejected: int, before: Sequence[Offer], notes: tuple[str, ...]
) -> SourceResult:
    prices = {o.key: o.usd_per_hour for o in before}
    return SourceResult(
        name=name,
        offers=len(fresh),
        changed=sum(1 for o in fresh if prices.get(o.key, o.usd_per_hour) != o.usd_per_hour),
        new=sum(1 for o in fresh if o.key not in prices),
        jumps=tuple(o.key for o in fresh if "jump" in o.flags),
        rejected=rejected,
        absent=missing_gpus(fresh, {o.cloud for o in fresh}),
        notes=notes,
    )
