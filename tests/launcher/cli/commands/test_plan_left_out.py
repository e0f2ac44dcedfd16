"""What a corpus path names and is not read is in the plan: on the terminal, on the page and as JSON."""

import json
from pathlib import Path

from tests.support.cli_runs import in_process, write_job


def test_what_is_left_out_is_in_every_form_of_the_plan(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.jsonl").write_text('{"id": 1, "text": "one"}\n')
    (source / "gone.jsonl").symlink_to("nowhere.jsonl")
    for name in ("b.xlsx", "c.xlsx"):
        (source / name).write_text("x")
    job = write_job(tmp_path)
    words = ("plan", job, "--on", "local", "--offline", "--probe", "0", "--runs", "runs")
    shown = in_process(*words, "--html", "plan.html", folder=tmp_path)
    said = "3 files left out: 1 dead link (gone.jsonl), 2 .xlsx (b.xlsx, c.xlsx)"
    assert shown.returncode == 0, shown.stderr
    assert said in " ".join(shown.stdout.split())
    assert said in (tmp_path / "plan.html").read_text()
    plan = json.loads(in_process(*words, "--json", folder=tmp_path).stdout)
    assert plan["profile"]["left_out"] == [
        {"kind": "dead link", "files": 1, "examples": ["gone.jsonl"]},
        {"kind": ".xlsx", "files": 2, "examples": ["b.xlsx", "c.xlsx"]},
    ]


def test_documents_beside_tables_are_left_out_and_named(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.jsonl").write_text('{"id": 1, "text": "one"}\n')
    for name in ("README.md", "LICENSE", "notes.html"):
        (source / name).write_text("x")
    job = write_job(tmp_path)
    words = ("plan", job, "--on", "local", "--offline", "--probe", "0", "--runs", "runs")
    found = in_process(*words, "--json", folder=tmp_path)
    plan = json.loads(found.stdout)
    assert [(one["kind"], one["examples"]) for one in plan["profile"]["left_out"]] == [
        (".html beside tables", ["notes.html"]),
        (".md about the others", ["README.md"]),
        ("without an ending", ["LICENSE"]),
    ]
    assert plan["profile"]["documents"] == 1
    assert "corpus.unit: file reads them, too" in found.stderr
