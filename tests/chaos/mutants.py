"""Does the suite notice a removed safeguard? The product in scratch copies, each with one safeguard switched off.

    python -m tests.chaos.mutants

Without the create-only receipt, receipts that somebody may have read are written over. Without leases, workers do each
other's shards. With a part that counts one row too many, a row is lost. Each must show, or the suite is blind.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT


@dataclass(frozen=True)
class Mutant:
    """`old` becomes `new` in one file; a run of `words` must then find what `found` says."""

    name: str
    file: str
    old: str
    new: str
    words: tuple[str, ...]
    found: str  # "bad": the checker's verdict; "losers": work done twice while nothing happens


MUTANTS = (
    Mutant(
        "receipts are written over",
        "tasks/stores/folder.py",
        "                os.link(temporary, final)\n",
        "                temporary.replace(final) if '/receipts/' in key else os.link(temporary, final)\n",
        ("--store", "folder", "--calm", "--kills", "80", "--zombies", "200"),
        "bad",
    ),
    Mutant(
        "leases hold nobody off",
        "tasks/protocol/lease.py",
        "        free = over or is_free(entry) or self.now - entry.modified > ttl + CLOCK_GRACE\n",
        "        free = True\n",
        ("--store", "folder", "--quiet", "--seed", "3"),
        "losers",
    ),
    Mutant(
        "a part is believed to reach further than it does",
        "tasks/worker/writing/commit.py",
        "            done=tally.done,\n",
        "            done=tally.done + 1,\n",
        ("--store", "folder", "--calm", "--kills", "150", "--zombies", "1"),
        "bad",
    ),
)


def caught(mutant: Mutant, folder: Path) -> str:
    """What the checker said of a mutant; raises where it noticed nothing."""
    copy = folder / re.sub(r"\W+", "-", mutant.name)
    for part in ("tasks", "tests", "launcher"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / mutant.file
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, f"{mutant.file} no longer holds what {mutant.name!r} changes"
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", "tests.chaos", *mutant.words]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    total = json.loads(done.stdout.strip().splitlines()[-1])
    seen = bool(total["bad"]) if mutant.found == "bad" else total["losers"] > total["rows"] // 200
    assert seen, f"the suite did not notice that {mutant.name}:\n{done.stdout}"
    return next(
        (text.strip() for text in done.stdout.splitlines() if text.startswith("  ")),
        done.stdout.splitlines()[0],
    )


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="embedfleet-mutants-") as folder:
        for mutant in MUTANTS:
            print(f"{mutant.name}: {caught(mutant, Path(folder))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
