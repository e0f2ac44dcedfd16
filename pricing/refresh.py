"""Ask the price sources, and turn what they answer and the price book before into the next one.

What did not answer is told with its reason, and its prices stay as they were, with their dates. What was not believed
is listed beside the book. Knows neither the sources nor the clock: both are given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pricing import book_versions
from pricing.gpu import canonical
from pricing.merge import merge, retire
from pricing.offer import Offer, Quote, as_quote
from pricing.sources.result import Fetched, Unanswered
from pricing.validate import Rejected, absent, gate, placed, refuse


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one source that gave prices."""

    name: str
    offers: int  # that passed the gate
    changed: int  # of these, at another price than before
    new: int  # of these, not in the book before
    jumps: tuple[str, ...]  # the keys of those whose price moved beyond the bound
    rejected: int
    absent: tuple[tuple[str, str], ...]  # (cloud, GPU) that its clouds are known to rent, and it did not have
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Silence:
    """A source that gave none, and what to do about it."""

    name: str
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The new book, and how it came about. `path` is None when nothing answered, and nothing was written."""

    path: Path | None
    offers: tuple[Offer, ...]
    answers: tuple[Answer, ...]
    silent: tuple[Silence, ...]
    rejected: tuple[Rejected, ...]


def refresh(folder: Path, sources: Mapping[str, Callable[[], Fetched]], now: datetime) -> Refreshed:
    """Ask every source, then write the book.

    Where several answer for one place on one day the later of them stands, so the clouds' own come after a collection.

    Raises:
        OSError: the folder cannot be written; the book before is still in force.
    """
    fetched: dict[str, Fetched] = {}
    silent: list[Silence] = []
    for name, ask in sources.items():
        try:
            fetched[name] = ask()
        except Unanswered as unanswered:
            silent.append(Silence(name, unanswered.reason, unanswered.hint))
    if not fetched:
        return Refreshed(None, book_versions.current(folder), (), tuple(silent), ())
    with book_versions.writing(folder):
        return _write(folder, fetched, silent, now)


def _write(folder: Path, fetched: Mapping[str, Fetched], silent: list[Silence], now: datetime) -> Refreshed:
    before = book_versions.current(folder)
    offers = before
    answers: list[Answer] = []
    rejected: list[Rejected] = []
    for name, answer in fetched.items():
        fresh, refused = _judge(answer, before, now)
        rejected += refused
        if not fresh:
            reason = f"it answered, and none of its {len(answer.quotes):,} rows could be believed"
            silent.append(Silence(name, reason, "see the list of what was rejected, and report it"))
            continue
        clouds = frozenset(o.cloud for o in fresh)
        if answer.offerings is not None:
            offers, gone = retire(offers, clouds, answer.offerings)
            rejected += [
                r for o in gone for r in refuse(as_quote(o), f"no longer offered there, says {name}")
            ]
        offers = merge(offers, fresh)
        answers.append(_answer(name, fresh, len(refused), before, answer.notes))
    if not answers:
        return Refreshed(None, before, (), tuple(silent), tuple(rejected))
    # New prices may give old ones away: a spot price that is now above on-demand is none.
    whole, refused = gate(map(as_quote, offers), canonical)
    rejected += refused
    path = book_versions.write(folder, merge((), whole), rejected, now)
    return Refreshed(path, whole, tuple(answers), tuple(silent), tuple(rejected))


def _judge(
    answer: Fetched, before: Sequence[Offer], now: datetime
) -> tuple[tuple[Offer, ...], list[Rejected]]:
    quotes, rejected = list(answer.quotes), list[Rejected]()
    if answer.offerings is None:
        quotes, rejected = _really(quotes, before)
    fresh, refused = gate(
        quotes,
        canonical,
        offerings=answer.offerings,
        previous={o.key: o for o in before},
        today=now.date(),
    )
    return fresh, [*rejected, *refused]


def _really(quotes: list[Quote], before: Sequence[Offer]) -> tuple[list[Quote], list[Rejected]]:
    """GCP's price list without the places where its machines are not, by the zones as they were last listed.

    Of 864 prices by type and region only 280 were real when the two were compared (July 2026), so a machine that the
    book before knows is believed to be where that book has it. Rows with a zone come from a list of zones.
    """
    known = frozenset(
        (o.machine, o.region) for o in before if o.cloud == "gcp" and "region_unverified" not in o.flags
    )
    listed = [q for q in quotes if q.cloud == "gcp" and q.zone is None]
    kept, rejected = placed(
        [replace(q, gpu=canonical(q.gpu) or q.gpu) for q in listed], known, lambda q: q.machine
    )
    return [*(q for q in quotes if q.cloud != "gcp" or q.zone is not None), *kept], rejected


def _answer(
    name: str, fresh: Sequence[Offer], rejected: int, before: Sequence[Offer], notes: tuple[str, ...]
) -> Answer:
    prices = {o.key: o.usd_per_hour for o in before}
    return Answer(
        name=name,
        offers=len(fresh),
        changed=sum(1 for o in fresh if prices.get(o.key, o.usd_per_hour) != o.usd_per_hour),
        new=sum(1 for o in fresh if o.key not in prices),
        jumps=tuple(o.key for o in fresh if "jump" in o.flags),
        rejected=rejected,
        absent=absent(fresh, {o.cloud for o in fresh}),
        notes=notes,
    )
