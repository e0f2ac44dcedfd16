"""Rows that a real store refuses: all others are loaded, the refused ones are named, and the exit status is 6."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from launcher.cli.main import main
from tests.support.stores.vector_stores import VectorStores
from tests.support.vector_datasets import unit_vectors, write_dataset_of, write_vectors

pytestmark = pytest.mark.e2e
LONG = "x" * 70_000  # beyond what a text of Milvus holds


@pytest.mark.parametrize("kind", ["chroma", "milvus"])
def test_refused_rows_are_named_and_all_others_are_loaded(
    kind: str, stores: VectorStores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, to = str(tmp_path / "out"), stores.address(kind, tmp_path)
    vectors, ids = unit_vectors(100, 32, 1), [f"d{n}" for n in range(100)]
    if kind == "chroma":
        vectors[[17, 60]] = np.nan
    else:
        ids[17], ids[60] = f"{LONG}17", f"{LONG}60"
    files = [
        write_vectors(tmp_path / "out", "a", ids, vectors),
        write_vectors(tmp_path / "out", "b", ["e0"], vectors[:1]),
    ]
    write_dataset_of(tmp_path / "out", files)

    def command(*words: str) -> dict[str, Any]:
        assert main(["load", output, "--to", to, "--json", *words]) == 6
        return json.loads(capsys.readouterr().out)

    done = command("--verify")
    assert (done["rows"], done["rows_written"], done["rows_refused"]) == (101, 99, 2)
    shown = [ids[n] if len(ids[n]) < 100 else f"{'x' * 100}..." for n in (17, 60)]
    assert [row.split(":0: ")[0] for row in done["refused"]] == shown
    assert all(row.split(":0: ")[1] for row in done["refused"])
    assert (done["check"]["expected"], done["check"]["rows"], done["check"]["faults"]) == (99, 99, [])
    again = command("--verify")
    assert (again["action"], again["rows_refused"], again["refused"]) == ("nothing", 2, done["refused"])
    assert again["check"]["faults"] == []
    write_dataset_of(tmp_path / "out", files[:1], run="run-2")
    assert main(["load", output, "--to", to, "--since", "run-1"]) == 1
    assert "lacks 2 rows of run run-1, which the store refused" in capsys.readouterr().err
