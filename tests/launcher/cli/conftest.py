"""A run that is done, for commands that read one."""

from pathlib import Path

import pytest

from tests.support.cli_runs import in_process, records, write_job
from tests.support.runs import write_jsonl


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of five documents that is done."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "a.jsonl", records("d", [20] * 5))
    job = write_job(folder, local="{workers: 1}")
    assert in_process("launch", job, "--on", "local", "--probe", 0, folder=folder).returncode == 0
    return folder
