"""Compare every layout of a model with sentence-transformers and record it: `python -m scripts.models_table [NAME...]`.

Writes the column of the installed major version of transformers (tests/golden/model-layouts-N.json), then the table of
docs/models.md from the columns of both versions. With names only these layouts are computed again. `make models` runs it
on both versions.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import transformers

from tests.support.model_layouts.comparison import EQUAL, outcome
from tests.support.model_layouts.folders import write_json
from tests.support.model_layouts.layouts import LAYOUTS
from tests.support.model_layouts.table import PAGE, VERSIONS, golden_file, page_with, recorded, table

FAILED = ("differs", "crash")


def main(names: list[str]) -> int:
    """Record one column; 1 when a layout is neither equal nor refused."""
    version = int(transformers.__version__.partition(".")[0])
    before = recorded(version) if names else {}
    found: dict[str, str] = {}
    for name, layout in LAYOUTS.items():
        if layout.since > version:
            continue
        if names and name not in names:
            found[name] = before[name]
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                found[name] = outcome(layout, Path(folder) / "model")
            except Exception as error:  # noqa: BLE001 - any: it is what the table is there to show
                found[name] = f"crash: {type(error).__name__}: {error}"
        print(f"{name}: {found[name]}", flush=True)
    write_json(golden_file(version), found, indent=1)
    if all(golden_file(one).exists() for one in VERSIONS):
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(page_with(table({one: recorded(one) for one in VERSIONS}), page), encoding="utf-8")
    kinds = Counter(said.partition(":")[0] for said in found.values())
    print(
        f"transformers {transformers.__version__}: {kinds[EQUAL]} equal, {kinds['refused']} refused, {dict(kinds)}"
    )
    return 1 if any(kinds[kind] for kind in FAILED) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
