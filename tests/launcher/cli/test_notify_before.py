"""A webhook that cannot be used is refused before a run is made: the plan can be launched once it is right."""

from pathlib import Path

import pytest

from tests.support.cli_runs import in_process, records, write_job, write_plan
from tests.support.runs import write_jsonl


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
@pytest.mark.parametrize("address", ["", "http://user:secret@127.0.0.1:9/", "ftp://host/secret"])
def test_a_wrong_webhook_makes_no_run(tmp_path: Path, address: str, more: list[str]) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", records("d", [5, 5]))
    write_plan(write_job(tmp_path, local="{workers: 1}", notify="$HOOK"))
    found = in_process(
        "launch", tmp_path / "plan.json", "--runs", tmp_path / "runs", *more, folder=tmp_path, HOOK=address
    )
    assert found.returncode == 2
    assert "notify: " in found.stderr
    assert "secret" not in found.stderr + found.stdout
    assert not list(tmp_path.glob("out/*"))
    assert not (tmp_path / "runs").exists()
