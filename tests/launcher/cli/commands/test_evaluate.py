"""`embedfleet evaluate`: its document fits its schema, its screen names the answer, wrong files are two lines."""

import io
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from launcher.documents.evaluation import EvaluateDocument, EvaluatedRepresentation
from launcher.evaluation.known import known_evaluation
from launcher.reports.terminal.evaluate import evaluate_text
from scripts.schemas import FOLDER
from tasks.stores.open import open_store
from tests.support.cli_runs import in_process
from tests.support.vector_runs import run_of_dtype


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("evaluated")
    run_of_dtype(found, "float16")
    text = " ".join(f"1-4w{w}" for w in range(12))
    (found / "q.jsonl").write_text(json.dumps({"_id": "q", "text": text}) + "\n")
    (found / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1-4\t1\n")
    return found


def test_document_fits_its_schema(folder: Path) -> None:
    done = in_process(
        "evaluate", "out", "--queries", "q.jsonl", "--qrels", "qrels.tsv", "--json", folder=folder
    )
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    schema = json.loads((FOLDER / "evaluate.json").read_text())
    validator: Any = jsonschema.Draft202012Validator(schema)
    validator.validate(body)
    assert (body["representations"][0]["ndcg_at_10"], body["representations"][0]["dtype"]) == (1.0, "float16")


def test_next_plan_of_this_model_says_what_is_enough(folder: Path) -> None:
    words = ["evaluate", "out", "--queries", "q.jsonl", "--qrels", "qrels.tsv", "--dimensions", "16"]
    assert in_process(*words, folder=folder).returncode == 0
    job = "name: n\ncorpus: {path: in, text: text, id: id}\nmodel: hash\noutput: {path: out}\n"
    (folder / "job.yaml").write_text(job)
    planned = in_process("plan", "job.yaml", "--on", "local", folder=folder)
    assert planned.returncode == 0, planned.stderr
    said = " ".join(planned.stderr.split())
    assert re.search(r"evaluated on 1 query of run \S+: \w+ of \d+ dimensions keeps 99.0% of nDCG@10", said)
    assert re.search(r"output: \{dtype: \w+, dimensions: \d+\}", said)


def test_evaluation_of_another_model_is_not_taken(folder: Path) -> None:
    words = ["evaluate", "out", "--queries", "q.jsonl", "--qrels", "qrels.tsv"]
    assert in_process(*words, folder=folder).returncode == 0
    store = open_store(str(folder / "out"))
    [body] = [
        json.loads(path.read_text()) for path in (folder / "out" / "_embedfleet").glob("*/evaluation.json")
    ]
    assert known_evaluation(store, body["model"], body["model_fingerprint"]) is not None
    assert known_evaluation(store, "another", "sha256:" + "0" * 64) is None


@pytest.mark.parametrize(
    "change",
    [{"representations": []}, {"schema": "embedfleet/evaluate/9"}, {"queries": "many"}, {"keep": None}],
    ids=["empty", "another version", "wrong type", "null"],
)
def test_damaged_evaluation_does_not_stop_a_plan(folder: Path, change: dict[str, Any]) -> None:
    words = ["evaluate", "out", "--queries", "q.jsonl", "--qrels", "qrels.tsv"]
    assert in_process(*words, folder=folder).returncode == 0
    [path] = (folder / "out" / "_embedfleet").glob("*/evaluation.json")
    body = json.loads(path.read_text())
    for text in (json.dumps(body | change), "", "{", "[]"):
        path.write_text(text)
        found = known_evaluation(open_store(str(folder / "out")), body["model"], body["model_fingerprint"])
        assert found is None


def test_screen_names_the_cheapest(folder: Path) -> None:
    words = ["evaluate", "out", "--queries", "q.jsonl", "--qrels", "qrels.tsv", "--dimensions", "16"]
    done = in_process(*words, folder=folder)
    assert done.returncode == 0, done.stderr
    assert "cheapest to store that keeps 99 % of nDCG@10: " in done.stdout
    assert "binary 32 + 200 reranked" in done.stdout
    assert "1 query is few: " in done.stdout


def test_table_fits_into_80_characters() -> None:
    representation = EvaluatedRepresentation(
        name="binary 1024 + 200 reranked",
        dtype="binary",
        dimensions=1024,
        reranked=200,
        ndcg_at_10=0.98765,
        recall_at_10=0.98765,
        recall_at_100=0.98765,
        kept=0.98765,
        standard_error=0.0123,
        stored_bytes=4_224,
        index_bytes=1_128,
        saved=0.97,
    )
    found = EvaluateDocument(
        run="run-1",
        output="out",
        model="hash",
        model_fingerprint=None,
        prompt="",
        prompt_from="run",
        queries=9,
        queries_skipped=0,
        queries_cut=0,
        relevant=9,
        missing=0,
        documents=9,
        vectors=9,
        keep=0.99,
        representations=(representation,),
        cheapest_stored="binary 1024",
        cheapest_index="binary 1024",
        notes=(),
    )
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(evaluate_text(found))
    said = console.export_text()
    assert "\N{HORIZONTAL ELLIPSIS}" not in said
    for figure in ("0.9877", "98.8", "4,224", "1,128", "97"):
        assert figure in said.split()


def test_wrong_words_are_two_lines(folder: Path) -> None:
    for words in (
        ["--queries", "none.jsonl", "--qrels", "qrels.tsv"],
        ["--queries", "qrels.tsv", "--qrels", "qrels.tsv"],
        ["--queries", "q.jsonl", "--qrels", "qrels.tsv", "--keep", "2"],
        ["--queries", "q.jsonl", "--qrels", "qrels.tsv", "--dimensions", "64"],
        ["--queries", "q.jsonl", "--qrels", "qrels.tsv", "--dimensions", "some"],
    ):
        done = in_process("evaluate", "out", *words, folder=folder)
        assert (done.returncode, done.stderr.count("\n")) == (2, 2), done.stderr
