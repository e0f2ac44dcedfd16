"""Tables of a terminal screen: words to the left, figures to the right."""

from rich.table import Table

LEFT_COLUMNS = ("service", "state")  # besides the first


def figures_table(*columns: str) -> Table:
    """A table whose first column names the rows; the others hold figures, but for those of LEFT_COLUMNS."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for place, column in enumerate(columns):
        left = place == 0 or column in LEFT_COLUMNS
        table.add_column(column, justify="left" if left else "right", no_wrap=not place, overflow="ellipsis")
    return table
