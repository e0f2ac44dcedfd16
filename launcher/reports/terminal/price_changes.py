"""The table of what a refresh changed in the price book, by cloud and purchase kind."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import plain
from pricing.book.book_changes import CloudChanges

COUNTS = ("new", "gone", "dearer", "cheaper", "same", "not read")


def changes_table(changes: Sequence[CloudChanges]) -> RenderableType:
    """One line for each cloud and purchase kind of which a price was read; a sentence about the others."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("changed", "purchase"):
        table.add_column(name, no_wrap=True)
    for name in (*COUNTS, "median move", "oldest"):
        table.add_column(name, justify="right", no_wrap=True)
    read = [change for change in changes if _is_read(change)]
    for change in read:
        moved = "" if change.median_change is None else f"{change.median_change:+.1%}"
        counts = (change.added, change.removed, change.dearer, change.cheaper, change.same, change.not_read)
        oldest = "" if change.oldest is None else change.oldest.isoformat()
        table.add_row(
            plain(change.cloud), change.purchase, *(f"{n:,}" if n else "" for n in counts), moved, oldest
        )
    unread = sorted({c.cloud for c in changes} - {c.cloud for c in read})
    left = [Text(f"prices as before, with their dates: {', '.join(map(plain, unread))}", style="dim")]
    return Group(*([table] if read else []), *(left if unread else []))


def _is_read(change: CloudChanges) -> bool:
    return any((change.added, change.removed, change.dearer, change.cheaper, change.same))
