"""The outcomes of all layouts on both major versions of transformers, as files and as the table of docs/models.md.

tests/golden/model-layouts-4.json and -5.json hold an outcome for each layout; `make models` writes them.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.support.model_layouts.layouts import LAYOUTS
from tests.support.paths import GOLDEN, ROOT

PAGE = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- the table is made by `make models` -->", "<!-- end of the table -->"
VERSIONS = {5: "transformers 5", 4: "transformers 4.57"}
ABSENT = "not in this version"
LONGEST = 150  # characters of an outcome in the table; the golden files hold it whole


def golden_file(version: int) -> Path:
    """The file with the outcomes on a major version of transformers."""
    return GOLDEN / f"model-layouts-{version}.json"


def recorded(version: int) -> dict[str, str]:
    """The outcomes as `make models` last wrote them."""
    found: dict[str, str] = json.loads(golden_file(version).read_text(encoding="utf-8"))
    return found


def table(outcomes: Mapping[int, Mapping[str, str]]) -> str:
    """The table: a row a layout, a column a version."""
    lines = [f"| layout | {' | '.join(VERSIONS.values())} |", f"|---|{'---|' * len(VERSIONS)}"]
    for name, layout in LAYOUTS.items():
        cells = [_short(outcomes[version].get(name, ABSENT)) for version in VERSIONS]
        shown = [cells[0], *("the same" if cell == cells[0] else cell for cell in cells[1:])]
        lines.append(f"| {' | '.join([layout.what, *shown])} |")
    return "\n".join(lines)


def page_with(table_text: str, page: str) -> str:
    """The page with this table between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table_text}\n\n{END}{after}"


def _short(outcome: str) -> str:
    one = outcome.replace("|", "/")
    return one if len(one) <= LONGEST else one[: LONGEST - 4].rsplit(" ", 1)[0] + " ..."
