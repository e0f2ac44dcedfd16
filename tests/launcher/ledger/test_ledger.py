"""The facade: it opens a file, holds its parts, and imports neither SQLModel nor what SQLModel needs."""

import subprocess
import sys
from pathlib import Path

from launcher.ledger.ledger import Ledger
from tests.support.ledger_values import create_run
from tests.support.paths import ROOT


def test_import_of_the_ledger_loads_no_sqlmodel() -> None:
    code = "import sys, launcher.ledger.ledger; print(sys.modules.keys() & {'sqlmodel', 'sqlalchemy', 'pydantic'})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_ledger_is_usable_again_after_close(path: Path) -> None:
    with Ledger.open(path) as ledger:
        create_run(ledger)
    assert ledger.runs.find().id == "r1"
    ledger.close()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
