"""`embedfleet finish` removes what a run left behind, and refuses a run that is not finished."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.support.cli_runs import Launching, embedfleet, shards


@pytest.fixture
def laptop(tmp_path: Path) -> Launching:
    shards(tmp_path, 3)
    return Launching(tmp_path)


def test_finish_removes_unnamed_files_and_the_run_still_verifies(laptop: Launching) -> None:
    assert embedfleet("launch", "plan.json", folder=laptop.folder).returncode == 0
    out = laptop.folder / "out"
    good = sorted(path.name for path in (out / "data").iterdir())
    first = (out / "data" / good[0]).read_bytes()
    lease = next(out.glob("_embedfleet/*/leases/*/*/000001"))
    overtaken = {"worker": "bob", "nonce": "feedfeedfeed0000", "claimed": "2026-01-01T00:00:00+00:00"}
    (lease.parent / "000000").write_text(json.dumps(overtaken))
    (out / "data" / f"{lease.parent.name}-feedfeedfeed.parquet").write_bytes(first)
    tried = embedfleet("finish", "--dry-run", folder=laptop.folder)
    assert f"1 file of {len(first):,} bytes that no receipt names would be removed" in " ".join(
        tried.stdout.split()
    )
    assert len(list((out / "data").iterdir())) == len(good) + 1
    assert embedfleet("finish", folder=laptop.folder).returncode == 0
    assert sorted(path.name for path in (out / "data").iterdir()) == good
    assert embedfleet("verify", folder=laptop.folder).returncode == 0


def test_finish_refuses_a_run_that_is_not_finished(laptop: Launching) -> None:
    assert embedfleet("launch", "plan.json", folder=laptop.folder).returncode == 0
    receipt = next((laptop.folder / "out" / "_embedfleet").glob("*/receipts/*/*.json"))
    receipt.unlink()
    (laptop.folder / "runs").rename(laptop.folder / "old")
    embedfleet("ledger", "rebuild", "out", folder=laptop.folder)
    said = embedfleet("finish", folder=laptop.folder)
    assert said.returncode == 1
    assert "1 of 3 shards have no receipt" in said.stderr


def test_finish_with_an_older_ledger_deletes_no_vectors(laptop: Launching) -> None:
    assert embedfleet("launch", "plan.json", folder=laptop.folder).returncode == 0
    good = sorted(path.name for path in (laptop.folder / "out" / "data").iterdir())
    with sqlite3.connect(laptop.folder / "runs" / "ledger.db") as ledger:
        ledger.execute("UPDATE shard SET key = 'data/other.parquet', nonce = 'other'")
    said = embedfleet("finish", "--json", folder=laptop.folder)
    assert said.returncode == 0
    assert json.loads(said.stdout)["files"] == len(good)
    assert sorted(path.name for path in (laptop.folder / "out" / "data").iterdir()) == good


def test_finish_keeps_a_users_table_and_names_it(laptop: Launching) -> None:
    assert embedfleet("launch", "plan.json", folder=laptop.folder).returncode == 0
    data = laptop.folder / "out" / "data"
    shutil.copy(next(data.iterdir()), data / "mine.parquet")
    (data / "b\nsmall: nothing to remove").touch()
    said = embedfleet("finish", folder=laptop.folder)
    assert said.returncode == 0
    assert "kept data/mine.parquet" in said.stdout
    assert "kept data/b\\nsmall: nothing to remove: its name" in said.stdout
    assert (data / "mine.parquet").exists()
