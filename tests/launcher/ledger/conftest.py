"""Ledgers in a temporary folder: empty, with a run, with a machine."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.ledger.ledger import Ledger
from tests.support.ledger_values import NOON, create_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger of the test is, or will be."""
    return tmp_path / "runs" / "ledger.db"


@pytest.fixture
def empty_ledger(path: Path) -> Iterator[Ledger]:
    """A ledger without a run."""
    with Ledger.open(path) as ledger:
        yield ledger


@pytest.fixture
def ledger(empty_ledger: Ledger) -> Ledger:
    """A ledger with the run r1."""
    create_run(empty_ledger)
    return empty_ledger


@pytest.fixture
def fleet(ledger: Ledger) -> Ledger:
    """A ledger with the run r1 and one intended machine, r1-w0-1."""
    ledger.machines.intend("r1", "r1-w0-1", 0, Decimal("0.10"), NOON)
    return ledger
