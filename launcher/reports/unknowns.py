"""The sentences of a report on every figure that is unknown or only estimated, and why."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from launcher.format import money, plural, unreadable_text
from launcher.planning.saved.plan_reader import missing_figures, planned_figures
from launcher.reports.report import Report
from pricing.charges.billing_rules import billing_rule

NAMED_MACHINES = 5  # in one sentence
MORE_THAN_ROUNDING = Decimal("1.01")  # a record is of a moment before a machine's end was known


def unknown(report: Report) -> list[str]:
    """One sentence for each figure that the report does not know, or does not know exactly."""
    return [
        *_unreadable(report),
        *missing_figures(planned_figures(report.plan)),
        *_dollars(report),
        *_ends(report),
        *_spot_prices(report),
        *_billing(report),
        *_clocks(report),
        *_rates(report),
        *_rows(report),
    ]


def _unreadable(report: Report) -> Iterator[str]:
    if report.unreadable:
        yield (
            f"documents, chunks, tokens, bytes and useful time: at least, for {unreadable_text(report.unreadable)}"
        )


def _dollars(report: Report) -> Iterator[str]:
    if names := report.spend.unknown:
        yield f"dollars spent: no price per hour for {_names(names)}"
    elif any(m.usd_per_hour for m in report.machines if m.cloud == "local"):
        yield "dollars spent beyond machine time: disk, egress and requests are not metered"
    if report.recorded_usd is not None and report.recorded_usd > report.spend.known_usd * MORE_THAN_ROUNDING:
        yield (
            f"dollars spent: at least {money(report.recorded_usd)}, as launchers of the run recorded in its output; this "
            f"ledger knows of {money(report.spend.known_usd)}, and all figures of dollars and machine time are of these"
        )
    yield from (f"{other.kind}: {other.reason}" for other in report.spend.others if other.usd is None)
    yield from (f"not in the dollars: {words}" for words in report.unpriced)
    estimated = sorted({other.kind for other in report.spend.others if other.estimated})
    if estimated:
        yield f"{', '.join(estimated)}: estimated from the work done at list prices, not metered"


def _ends(report: Report) -> Iterator[str]:
    """Machines whose end was not reported, or not confirmed by the provider."""
    alive = tuple(m.name for m in report.machines if m.ended is None)
    if alive and report.shards_done >= report.shards:
        yield f"the end of {_names(alive)}: not reported, so metered until this report"
    unconfirmed = tuple(
        dict.fromkeys(m.name for m in report.machines if m.cloud != "local" and m.ended and not m.gone)
    )
    if unconfirmed:
        yield f"whether {_names(unconfirmed)} ended when the ledger says: the provider has not confirmed it"


def _spot_prices(report: Report) -> Iterator[str]:
    """Spot machines of which only the price at launch is known, by cloud."""
    names: dict[str, dict[str, None]] = {}
    for m in report.machines:
        if (
            m.purchase == "spot"
            and m.usd_per_hour is not None
            and not m.price_followed
            and m.started != m.ended
        ):
            names.setdefault(m.cloud, {})[m.name] = None
    why = {cloud: f"{cloud} publishes no price history" for cloud in names}
    why |= {"aws": "AWS's price history was not read"} if "aws" in names else {}
    for cloud, machines in sorted(names.items()):
        yield (
            f"spot prices of {_names(list(machines))} after launch: {why[cloud]}, so the price at launch is used"
        )


def _billing(report: Report) -> Iterator[str]:
    assumed = sorted({m.cloud for m in report.machines if billing_rule(m.cloud).assumed})
    if assumed:
        yield f"how {', '.join(assumed)} rounds time: assumed {billing_rule(assumed[0]).source}"


def _clocks(report: Report) -> Iterator[str]:
    for worker, error in sorted(report.clock_errors.items()):
        seconds = abs(error.total_seconds())
        yield f"the clock of {worker}: wrong by {seconds:.0f} s or more, so its work was moved by that"


def _rates(report: Report) -> Iterator[str]:
    if not report.tokens:
        yield "dollars per million tokens: no tokens were embedded yet"
    if not report.rates.seconds:
        yield "tokens per second: no machine of the run has begun"


def _rows(report: Report) -> Iterator[str]:
    if report.fruitless.open:
        yield f"work in progress: open leases, counted as useful until they are lost: {len(report.fruitless.open)}"
    for position, fault in report.done.faults:
        yield f"shard {position} was not embedded: {fault}"
    if report.cut_short:
        yield (
            f"how many rows are lost behind {plural(report.cut_short, 'damaged place')}: the files do not tell; "
            "each counts as one row"
        )
    if (unlisted := report.failed_rows - sum(row.rows for row in report.failures)) > 0:
        yield f"failed rows not listed here: {unlisted} of {report.failed_rows}"


def _names(names: Sequence[str]) -> str:
    rest = len(names) - NAMED_MACHINES
    return ", ".join(names[:NAMED_MACHINES]) + (f" and {rest} more" if rest > 0 else "")
