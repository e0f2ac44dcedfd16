"""`launch --pilot --json`: the document says that the run goes on without this laptop."""

import json
from argparse import Namespace
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.cli.agree import Agreed
from launcher.cli.commands.pilot import send_pilot
from launcher.jobs import job as jobs
from launcher.ledger.ledger import Ledger
from tasks.stores.folder import FolderStore
from tests.launcher.pilot.test_hand_over import NOW, RUN, Sky, sky
from tests.support import sample_plan

__all__ = ["sky"]  # a fixture


@pytest.mark.parametrize("as_json", [True, False])
def test_a_run_that_is_handed_over_is_a_document(
    as_json: bool, sky: Sky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = sample_plan.plan()
    agreed = Agreed(limit=Decimal(50), source="--max-cost", asked=True, before=None)
    arguments = Namespace(secret=[], json=as_json)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create(RUN, "reviews", json.dumps(body), "digest", "s3://bucket/out", NOW)
        run, store = ledger.runs.find(RUN), FolderStore(tmp_path / "out")
        job = jobs.load(body["work"]["job"])
        assert send_pilot(ledger, store, run, job, agreed, arguments, tmp_path / "run") == 0
    printed = capsys.readouterr().out
    assert len(sky.launched) == 1
    if not as_json:
        assert printed == ""
        return
    shown = json.loads(printed)
    assert (shown["schema"], shown["outcome"], shown["run"]) == ("embedfleet/launch/1", "detached", RUN)
    assert shown["message"] == f"run {RUN} is driven by its pilot"
