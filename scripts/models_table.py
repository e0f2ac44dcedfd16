"""Compare every layout of a model with sentence-transformers and record it: `python -m scripts.models_table`.

Writes the column of the installed major version of transformers (tests/golden/model-layouts-N.json), then the table of
docs/models.md from the columns of both versions. `make models` runs it on both.
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


def main() -> int:
    """Record one column; 1 when a layout is neither equal nor refused."""
    version = int(transformers.__version__.partition(".")[0])
    found: dict[str, str] = {}
    for name, layout in LAYOUTS.items():
        if layout.since > version:
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
    sys.exit(main())
