"""Numbers, money, times and foreign text as people read them. Rounding happens here and nowhere else."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from math import floor, log10

from tasks.printable import plain as plain  # noqa: PLC0414 - foreign text is shown by way of this module, too

# Objects of the store in words, by the folder under that of their run.
KINDS_BY_FOLDER = {
    "receipts": "receipt",
    "workers": "heartbeat",
    "leases": "lease",
    "parts": "part",
    "manifest": "slab",
}
CENT, SMALL = Decimal("0.01"), Decimal("0.0001")


def money(amount: Decimal | None) -> str:
    """Dollars: cents from $1 on, four decimals below; a small amount is never shown as zero, unknown is `?`."""
    if amount is None:
        return "?"
    sign, size = "-" if amount < 0 else "", abs(amount)
    if size >= 1 or not size:
        return f"{sign}${size.quantize(CENT, ROUND_HALF_EVEN):,f}"
    if size < SMALL:
        return f"{sign}${size.quantize(Decimal((0, (1,), size.adjusted() - 1)), ROUND_HALF_EVEN):f}"
    digits = f"{size.quantize(SMALL, ROUND_HALF_EVEN):f}"
    return f"{sign}${digits.removesuffix('00')}"


def count(n: float | None) -> str:
    """A whole number with thousands separators; unknown is `?`."""
    return "?" if n is None else f"{round(n):,}"


def plural(n: float | None, word: str) -> str:
    """A count with its noun: `1 machine`, `12 machines`, `2 queries`; unknown is `? machines`."""
    if n == 1:
        return f"{count(n)} {word}"
    many = f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else f"{word}s"
    return f"{count(n)} {many}"


def verb(n: float | None, one: str, many: str) -> str:
    """The form of a verb that goes with a count: `1 file is missing`, `2 files are missing`."""
    return one if n == 1 else many


def some_of(names: Sequence[str], most: int) -> str:
    """Names, each once, such as `L4, H100 and 3 more`: `most` of them by name."""
    found = list(dict.fromkeys(names))
    shown = ", ".join(found[:most])
    return shown if len(found) <= most else f"{shown} and {len(found) - most} more"


def at_least(cut_short: int) -> str:
    """What stands before a number of failed rows: some places hide further rows, whose number is unknown."""
    return "at least " if cut_short else ""


def unreadable_text(keys: Collection[str]) -> str:
    """How many objects of the store cannot be read, and which is the first: `1 receipt cannot be read: KEY`."""
    kinds = {KINDS_BY_FOLDER.get(key.split("/")[2], "object") for key in keys}
    what = plural(len(keys), kinds.pop() if len(kinds) == 1 else "object")
    return f"{what} cannot be read{', the first is' if len(keys) > 1 else ':'} {min(keys)}"


def compact(n: float) -> str:
    """A short number: `950`, `12k`, `3.2M`."""
    for power, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(n) >= 0.9995 * power:
            return f"{n / power:.{0 if abs(n) >= 99.95 * power else 1}f}{letter}".replace(".0", "")
    return f"{n:,.{0 if abs(n) >= 9.95 else 1}f}".removesuffix(".0")


def axis_dollars(usd: float) -> str:
    """Dollars for the tick of an axis, to three digits: `$1.5k`, `$20`, `$0.625`, `$0.0015`."""
    return f"${compact(usd)}" if usd >= 1000 else f"${Decimal(f'{usd:.3g}'):f}"


def rate(tokens_per_second: float | None) -> str:
    """Tokens per second, without decimals from 10 on; unknown is `?`."""
    if tokens_per_second is None:
        return "?"
    return f"{tokens_per_second:,.{0 if tokens_per_second >= 10 else 1}f} tok/s"


def duration(seconds: float | None) -> str:
    """A duration in its two largest units: `2 h 14 min`, `3 min 5 s`, `0.4 s`; unknown is `?`."""
    if seconds is None:
        return "?"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 9.95:
        return f"{seconds:.{1 if seconds >= 0.095 else 2}f} s" if seconds else "0 s"
    if round(seconds) < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return _two(minutes, "min", rest, "s")
    minutes = round(seconds / 60)
    if minutes < 2880:
        return _two(*_hours(minutes))
    return _two(round(minutes / 60) // 24, "d", round(minutes / 60) % 24, "h")


def size(amount: float | None) -> str:
    """Bytes in decimal units, as clouds charge for them; unknown is `?`."""
    if amount is None:
        return "?"
    if amount < 1000:
        return f"{amount:.0f} B"
    power = min(5, floor(log10(amount) / 3))
    if round(amount / 1000**power, 1) >= 1000 and power < 5:
        power += 1
    return f"{amount / 1000**power:.1f} {'kMGTP'[power - 1]}B"


def utc_time(moment: datetime) -> str:
    """A UTC time, to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def percent(part: float, whole: float) -> str:
    """A share in percent, to a tenth; empty if the whole is 0."""
    return f"{100 * part / whole:.1f} %" if whole else ""


def share_text(share: float) -> str:
    """A share as a whole percent: `41 %`. What is not nothing or all is never shown as `0 %` or `100 %`."""
    whole = round(100 * share)
    if whole == 0 and share > 0:
        return "under 1 %"
    if whole == 100 and share < 1:
        return "over 99 %"
    return f"{whole} %"


def least_money(usd: Decimal | None, unpriced: Mapping[str, Decimal | None]) -> str:
    """Dollars, where items of it have no price from the least to the most that it costs: `$12.50 - 14.20`.

    `unpriced` names these items, and may say the most that each costs. Without a bound of one: `≥ $12.50`.
    """
    if usd is None or not unpriced:
        return money(usd)
    bounds = list(unpriced.values())
    known = [bound for bound in bounds if bound is not None]
    least, most = money(usd), money(usd + sum(known, Decimal(0)))
    if len(known) < len(bounds) or least == most:
        return f"≥ {least}"
    return f"{least} - {most.removeprefix('$')}"


def spent_text(usd: Decimal | None, known: Decimal | None = None) -> str:
    """Dollars in a sentence: `$1.20`, unknown is `$?`, and of an amount known in part `$? (known: $1.20)`."""
    if usd is not None:
        return money(usd)
    return f"$? (known: {money(known)})" if known else "$?"


def signed_money(usd: Decimal) -> str:
    """A difference of dollars, with its sign."""
    return f"{'+' if usd > 0 else ''}{money(usd)}"


def relative_change(planned: float | Decimal | None, actual: float | Decimal | None) -> str:
    """The relative difference of a run from its plan: `+4.0 %`, or `12 x` from a factor of 10 on."""
    if planned is None or actual is None or not planned:
        return ""
    ratio = float(actual) / float(planned)
    if ratio >= 10:
        return f"{ratio:,.0f} x"
    return f"{(ratio - 1) * 100:+.1f} %"


def hours_text(hours: float | None) -> str:
    """Hours, as `duration` shows them."""
    return duration(None if hours is None else hours * 3600)


def _hours(minutes: int) -> tuple[int, str, int, str]:
    return minutes // 60, "h", minutes % 60, "min"


def _two(much: int, unit: str, less: int, smaller: str) -> str:
    return " ".join(f"{n} {u}" for n, u in ((much, unit), (less, smaller)) if n)
