"""`embedfleet finish` removes what a run left behind, and refuses a run that is not finished."""

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
    (out / "data" / "0123456789abcdef-feedfeedfeed.parquet").write_bytes(first)
    tried = embedfleet("finish", "--dry-run", folder=laptop.folder)
    assert f"1 files of {len(first):,} bytes that no receipt names would be removed" in " ".join(
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
