"""A finished run, made once and copied for each test, which may damage its copy."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.launcher.output.verification.damaged_run import DOCUMENTS, FILES, Finished, finish
from tests.support.runs import write_jsonl


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("verify")
    (folder / "in").mkdir()
    for file in range(FILES):
        rows: list[Any] = [
            {"id": f"{file}-{n}", "text": f"document {n} of file {file} has " + "many words " * n * 4}
            for n in range(DOCUMENTS)
        ]
        rows += [{"id": "bad-1"}, {"id": "bad-2", "text": " "}] if file == 2 else []
        write_jsonl(folder / "in" / f"{file}.jsonl", rows)
    return finish(folder, tokens=20, overlap=4)


@pytest.fixture
def run(original: Finished, tmp_path: Path) -> Finished:
    shutil.copytree(original.root, tmp_path / "out")
    return Finished(tmp_path / "out", original.header)
