"""`load --on` before anything is rented: what it would cost, and what is refused; and a loader as a machine runs it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from launcher.cli.commands import rented_load
from launcher.cli.main import main
from launcher.loaders.rent import Bill
from launcher.loaders.task import LoaderSpec
from launcher.loading.documents import RentedLoadDocument
from scripts.schemas import FOLDER
from tests.support.vector_datasets import dataset_of

ON = ("--on", "aws/us-east-1")


@pytest.fixture
def output(tmp_path: Path) -> str:
    dataset_of(tmp_path / "out", 3, 20)
    return str(tmp_path / "out")


def test_preview_says_machines_hours_and_dollars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset_of(tmp_path / "large", 1, 6_000)  # enough for an index, whose hours are known
    words = [
        "load",
        str(tmp_path / "large"),
        "--to",
        str(tmp_path / "docs.lance"),
        *ON,
        "--loaders",
        "3",
        "--dry-run",
    ]
    assert main([*words, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads((FOLDER / "load-preview.json").read_text(encoding="utf-8")))
    rented = document["rented"]
    assert (rented["machines"], rented["usd_per_hour"]) == (3, "0.096")
    assert rented["machine"] == "m6i.large in aws/us-east-1, about $0.0960 an hour"
    assert rented["hours"]["high"] == document["hours"]["high"]
    assert rented["hours"]["low"] == pytest.approx(document["hours"]["low"] / 3)
    assert float(rented["usd"]["high"]) == pytest.approx(0.288 * rented["hours"]["high"])
    assert main(words) == 0
    assert "rents    3 loaders" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "said", "hint"),
    [
        (ON, 4, "there is no limit", "--max-cost $X"),
        (
            ("--on", "slurm/east/ondemand", "--max-cost", "5"),
            4,
            "the limit could not be held",
            "--usd-per-hour",
        ),
        ((*ON, "--max-cost", "5"), 4, "there is no terminal to ask on", "--yes"),
        (("--on", "aws//b", "--max-cost", "5"), 2, "names no place", "such as aws"),
        ((*ON, "--verify", "--max-cost", "5"), 2, "--verify compares from this machine", "afterwards"),
    ],
)
def test_mistakes_rent_nothing(
    words: tuple[str, ...],
    status: int,
    said: str,
    hint: str,
    output: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["load", output, "--to", str(tmp_path / "docs.lance"), *words]) == status
    found = " ".join(capsys.readouterr().err.split())
    assert said in found
    assert hint in found


def test_what_the_laptop_says_reaches_the_loaders(
    output: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[LoaderSpec, int, Bill]] = []

    def rent(spec: LoaderSpec, loaders: int, bill: Bill, _say: Any) -> RentedLoadDocument:
        asked.append((spec, loaders, bill))
        return RentedLoadDocument(
            run=spec.run, output=spec.output, to=spec.to, machine=str(spec.machine), loaders=(), hours=0.5,
            usd=Decimal("0.05"), complete=True,
        )  # fmt: skip

    monkeypatch.setattr(rented_load, "rent_loaders", rent)
    target = "postgresql://ann@db.example/search?table=docs"
    words = ("--max-cost", "5", "--yes", "--secret", "DB", "--pass", "AWS_PROFILE", "--replace", "--json")
    assert main(["load", output, "--to", target, *ON, *words]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads((FOLDER / "load-on.json").read_text(encoding="utf-8")))
    [(spec, loaders, bill)] = asked
    assert (spec.run, spec.to, spec.secret, spec.secrets, spec.replace) == (
        "run-1", target, "DB", ("AWS_PROFILE",), True,
    )  # fmt: skip
    assert (loaders, bill) == (2, Bill(Decimal(5), Decimal("0.096")))
    assert Path(spec.code["launcher"], "cli", "commands", "load.py").exists()


def test_loader_of_a_machine_shares_a_load(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "load",
        output,
        "--of",
        "run-1",
        "--to",
        str(tmp_path / "docs.lance"),
        "--share",
        "a" * 12,
        "--json",
    ]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["files_written"] == 3
    assert main([*words, "--replace"]) == 0
    assert json.loads(capsys.readouterr().out)["action"] == "nothing"  # that very load is complete
    assert list(Path(output, "_embedfleet", "run-1", "leases", f"load-{'a' * 12}").iterdir())
