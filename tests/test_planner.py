"""What a plan is made of: models that are there, and no more than there is to do."""

from pathlib import Path

import pytest

from launcher import job as jobs
from launcher import planner
from launcher.errors import Usage
from tasks.heart import utc


def declared(extra: str) -> str:
    return (
        "name: what-if\ncorpus: {documents: 1M, tokens_per_document: 2000}\n"
        f"model: sentence-transformers/all-MiniLM-L6-v2\n{extra}\n"
    )


def made(text: str, folder: Path) -> planner.Plan:
    return planner.make(jobs.parse(text), folder, planner.Choices(None, 0.1), utc(), lambda _: None)


@pytest.mark.parametrize("model", ["models/nope", "./nope", "/no/such/model", "a/b/c"])
def test_a_model_that_reads_like_a_path_and_is_none_is_not_asked_of_the_hub(
    model: str, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    with pytest.raises(Usage, match="no model folder at"):
        planner.resolve(model, tmp_path)


def test_a_hub_id_stays_a_hub_id(tmp_path: Path) -> None:
    assert planner.resolve("BAAI/bge-small-en-v1.5", tmp_path) == "BAAI/bge-small-en-v1.5"


def test_a_declared_corpus_is_cut_at_the_models_own_maximum(tmp_path: Path) -> None:
    plan = made(declared("truncate: 512"), tmp_path)
    assert plan.profile.tokens.mid == 256e6
    assert plan.profile.tokens_cut.mid == 1_744e6


def test_a_quota_that_is_not_applied_is_told(tmp_path: Path) -> None:
    plan = made(declared("quota: {aws: {us-east-1: {L4: {spot: 2}}}}"), tmp_path)
    assert "quota: read, not applied in this version" in plan.not_priced


def test_a_corpus_of_one_compressed_file_is_planned_for_one_worker(tmp_path: Path) -> None:
    import gzip

    with gzip.open(tmp_path / "all.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.writelines(f'{{"text": "number {n}"}}\n' for n in range(200))
    text = "name: one\ncorpus: all.jsonl.gz\nmodel: hash\noutput: out\nlocal: {workers: 4}\n"
    plan = planner.make(jobs.parse(text), tmp_path, planner.Choices("local", 0.1), utc(), lambda _: None)
    assert plan.lots[0].workers == 1
    assert plan.binding == ("1 shard: a compressed or CSV file cannot be cut, so no more workers",)
