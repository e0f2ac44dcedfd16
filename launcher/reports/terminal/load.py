"""What `load` prints: what was loaded, what a load would do, and what a comparison found."""

from rich.text import Text

from launcher.format import count, hours_text, plain, plural, size
from launcher.index_sizes.size import Dollars, Hours
from launcher.loading.documents import LoadCheck, LoadDocument, LoadPreview, RentedLoadDocument, RentedPreview
from launcher.reports.plans.store_costs import amount_text, range_text
from launcher.sinks.targets import SERVICES

NOTHING = "nothing to load: --verify compares them, --replace loads it anew"


def load_text(found: LoadDocument) -> Text:
    """What was loaded, in a few lines."""
    done = f"{plural(found.rows_written, 'row')} of {plural(found.files_written, 'file')}"
    if found.rows_deleted:
        done += f", {plural(found.rows_deleted, 'row')} deleted"
    speed = "" if found.rows_per_second is None else f", {found.rows_per_second:,.0f} rows a second"
    held = f"{plain(found.to)} holds run {found.run}: {plural(found.rows - found.rows_refused, 'row')}"
    lines = [
        f"{held}, index {found.index}",
        f"{done} in {found.seconds:,.1f} s{speed}; {found.guarantee}",
    ]
    if found.action == "nothing":
        record = ", by its record" if found.check is None and found.store in SERVICES else ""
        lines = [f"{held}{record}", NOTHING if found.check is None else "nothing to load"]
    if found.read_as:
        lines.append(f"clients read it as {plain(found.read_as)}: the store has no aliases")
    if found.kept_as:
        lines.append(f"what it held before is {plain(found.kept_as)}: drop it when you need it no more")
    if found.rows_refused:
        lines.append(f"the store refused {plural(found.rows_refused, 'row')}, not in it")
    lines += [f"refused  {plain(row)}" for row in found.refused]
    lines += [f"note     {plain(note)}" for note in found.notes]
    text = Text("\n".join(lines))
    return text if found.check is None else text + Text("\n" + check_text(found.check))


def check_text(check: LoadCheck) -> str:
    """What a comparison found."""
    equal = check.fetched - len(check.different)
    itself = check.searched - len(check.not_first)
    recall = "?" if check.recall_at_10 is None else f"{check.recall_at_10:.3f}"
    own = (
        ""
        if check.exact_recall_at_10 is None
        else f"; its exact search beside ours {check.exact_recall_at_10:.3f}"
    )
    return (
        f"checked: {count(check.rows)} of {count(check.expected)} rows counted, {count(equal)} of {count(check.fetched)} "
        f"equal, {count(itself)} of {count(check.searched)} find themselves, recall@10 of the index {recall}{own}"
    )


def preview_text(found: LoadPreview) -> Text:
    """What a load would do."""
    if found.action == "nothing":
        return Text(f"{plain(found.to)} holds run {found.run}\n{NOTHING}")
    memory = found.build_memory_bytes
    built = "" if memory is None else f", built in {size(memory)} of memory"
    deleted = "" if not found.rows_to_delete else f", {plural(found.rows_to_delete, 'row')} to delete"
    lines = [
        f"{found.action} {plain(found.to)}: {plural(found.rows, 'row')} of {plural(found.files, 'file')}{deleted}",
        f"columns  {plain(', '.join(found.columns))}",
        f"index    {found.index}{built}",
        f"bytes    {_size(found.upload_bytes)} to send; in the store {_stored(found)}",
        f"takes    {_takes(found)}",
        f"costs    {_usd(found.usd)} to {_charged(found)}, {amount_text(found.usd_per_month)} a month for one copy",
        *_rented(found.rented),
        *(f"note     {plain(note)}" for note in found.notes),
        f"{found.guarantee}; nothing was written",
    ]
    return Text("\n".join(lines))


def _rented(found: RentedPreview | None) -> list[str]:
    if found is None:
        return []
    spent = "" if found.hours is None else f" for {_span(found.hours)} each"
    return [
        f"rents    {plural(found.machines, 'loader')}{spent}: {plain(found.machine)}; {_usd(found.usd)} in all"
    ]


def rented_text(found: RentedLoadDocument) -> Text:
    """What a load by rented machines did."""
    lost = sum(one.recoveries for one in found.loaders)
    again = f", {plural(lost, 'machine')} lost on the way" if lost else ""
    return Text(
        f"{plain(found.to)} holds run {found.run}\n"
        f"{plural(len(found.loaders), 'loader')}, {hours_text(found.hours)} in all{again}: {amount_text(found.usd)}, "
        "from when a machine was ready"
    )


def _charged(found: LoadPreview) -> str:
    return "load, by list prices" if found.service else "build the index"


def _stored(found: LoadPreview) -> str:
    if found.data_bytes is not None:
        return f"{_size(found.data_bytes)} of rows and {_size(found.index_bytes)} of index"
    return f"{_size(found.disk_bytes)} on disk and {_size(found.ram_bytes)} of memory"


def _takes(found: LoadPreview) -> str:
    core = found.build_core_hours
    build = "" if core is None else f"; the index takes one core of the store {_span(core)}"
    return f"{'?' if found.hours is None else _span(found.hours)}{build}"


def _span(hours: Hours) -> str:
    return f"{hours_text(hours.low)} to {hours_text(hours.high)}"


def _usd(usd: Dollars | None) -> str:
    return "?" if usd is None else range_text(usd.low, usd.high)


def _size(number: int | None) -> str:
    return "?" if number is None else size(number)
