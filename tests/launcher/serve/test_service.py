"""The machines of a rented service, their dollars, the break-even, and the YAML of its vLLM."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from launcher.errors import Infeasible
from launcher.serve.rented.service_plan import break_even, cheapest_hosted, choose_service
from launcher.serve.rented.service_yaml import ServiceSpec, service_request, service_yaml
from launcher.throughput import model_shapes
from pricing.book.price_book import load
from pricing.hosted.hosted_apis import hosted_prices
from pricing.offer import Offer
from tasks.models.describe import describe
from tests.support.runs import header_of

NOW = datetime(2026, 11, 29, tzinfo=UTC)
BGE = model_shapes.shape("BAAI/bge-base-en-v1.5")


def offer(gpu: str, usd: str, **changes: Any) -> Offer:
    fields: dict[str, Any] = {
        "cloud": "aws", "region": "us-east-1", "zone": None, "instance_type": f"x.{gpu}", "gpu": gpu, "gpus": 1,
        "vcpus": 4, "memory_gb": 16, "spot": False, "usd_per_hour": Decimal(usd), "as_of": NOW.date(), "source": "s",
    }  # fmt: skip
    return Offer(**fields | changes)


def test_replicas_and_dollars_by_hand() -> None:
    found = choose_service(BGE, [offer("L4", "0.80")], queries_per_second=10, tokens=32, now=NOW)
    assert found.speed.tokens_per_second is not None
    rate = found.speed.tokens_per_second.low / 2 / 32
    assert found.replica_queries_per_second == pytest.approx(rate)
    assert (found.replicas, found.usd_per_month) == (1, Decimal("0.80") * 730)
    more = choose_service(BGE, [offer("L4", "0.80")], queries_per_second=rate * 2.5, tokens=32, now=NOW)
    assert (more.replicas, more.usd_per_month) == (3, Decimal("0.80") * 3 * 730)


def test_the_cheapest_for_the_load_is_chosen_and_its_places_by_price() -> None:
    offers = [
        offer("L4", "0.80"), offer("L4", "0.70", region="us-west-2"), offer("H100", "3.00"),
        offer("L4", "0.10", spot=True, instance_type="s"), offer("L4", "0.30", gpus=4, instance_type="f"),
        offer("H100", "0.01", gpus=8, instance_type="e"),
    ]  # fmt: skip
    few = choose_service(BGE, offers, queries_per_second=1, tokens=32, now=NOW)
    assert [one.region for one in few.offers] == ["us-west-2", "us-east-1"]
    many = choose_service(BGE, offers, queries_per_second=10_000, tokens=512, now=NOW)
    assert many.usd_per_month <= 730 * Decimal("0.70") * 1_000_000
    with pytest.raises(Infeasible):
        choose_service(BGE, [offer("L4", "0.1", spot=True)], queries_per_second=1, tokens=32, now=NOW)


def test_break_even_by_hand() -> None:
    # 730 dollars a month are 24 a day: 1,200 million tokens at 0.02 dollars, or 37.5 million queries of 32 tokens
    assert break_even(Decimal(730), Decimal("0.02"), 32) == 37_500_000
    assert break_even(Decimal(730), Decimal(0), 32) is None


def test_hosted_api_of_the_same_weights_goes_before_others() -> None:
    found = cheapest_hosted("BAAI/bge-base-en-v1.5", BGE.params_total, 768, hosted_prices())
    assert found is not None
    assert found.comparable
    assert all(
        found.usd <= one.usd_per_million_tokens
        for one in hosted_prices()
        if one.open_model == "BAAI/bge-base-en-v1.5"
    )
    assert cheapest_hosted("none", None, 8, ()) is None


def spec_of(minilm: str, **changes: Any) -> ServiceSpec:
    choice = choose_service(
        model_shapes.shape(minilm), load(), queries_per_second=10, tokens=32, now=NOW, name=minilm
    )
    header = header_of("in", 1, model=minilm, tokens=64, **changes)
    return ServiceSpec(header, describe(minilm), 384, 64, choice, "tasks/requirements")


def test_yaml_runs_vllm_as_the_run_was_computed(minilm: str) -> None:
    spec = spec_of(minilm)
    text = service_yaml(spec, ["one", "two"])
    assert text.startswith("# one\n# two\nname: run-1-serve\n")
    body = yaml.safe_load(text)
    assert body["service"]["readiness_probe"]["post_data"] == {
        "model": "run-1", "truncate_prompt_tokens": 64, "input": "ready",
    }  # fmt: skip
    assert body["file_mounts"]["~/model"] == minilm
    assert body["service"]["replica_policy"]["min_replicas"] == spec.choice.replicas
    for line in ('--model "$HOME/model"', "--served-model-name 'run-1'", "--runner pooling", "--max-model-len 256",
                 "--pooler-config '{\"seq_pooling_type\": \"MEAN\"}'", "--no-enable-prefix-caching"):  # fmt: skip
        assert f"  {line}" in body["run"], line
    assert "hf-overrides" not in body["run"]


def test_shortened_vectors_and_a_pinned_commit_are_asked_for(minilm: str) -> None:
    spec = replace(spec_of(minilm, model_fingerprint="hub:" + "a" * 40), dimensions=128)
    assert service_request(spec)["dimensions"] == 128
    body = yaml.safe_load(service_yaml(spec, []))
    assert f"--revision {'a' * 40}" in body["run"]
    assert "--hf-overrides '{\"is_matryoshka\": true}'" in body["run"]
    assert "~/model" not in body["file_mounts"]


def test_name_with_marks_of_a_shell_is_quoted(minilm: str) -> None:
    spec = spec_of(minilm)
    hostile = replace(spec, header=replace(spec.header, run="a'; rm -rf b"))
    assert "'a'\\''; rm -rf b'" in yaml.safe_load(service_yaml(hostile, []))["run"]


def make_run(minilm: str, tmp_path: Path, **changes: Any) -> None:
    """A run of the model's name; what its vectors are does not matter here."""
    from launcher.output.dataset import write_dataset
    from tasks.engines.hash_engine import HashEncoder
    from tasks.protocol import manifest
    from tasks.stores.folder import FolderStore
    from tests.support.runs import corpus, receipts_of, shard_of, whole
    from tests.support.workers import make_worker

    (tmp_path / "in").mkdir()
    corpus(tmp_path / "in", 1, 3)
    store = FolderStore(tmp_path / "out")
    header = header_of(tmp_path / "in", 1, model=minilm, tokens=64, **changes)
    manifest.write(store, header, [shard_of([whole(tmp_path / "in", "0.jsonl", "jsonl")])])
    make_worker(store, header, tmp_path / "scratch", HashEncoder()).run()
    write_dataset(store, header, receipts_of(store, header))


@pytest.mark.parametrize(
    ("changes", "prompts", "check"),
    [
        (
            {"prompt": "Doc: ", "query_prompt": "Ask: "},
            "put 'Ask: ' before queries and 'Doc: ' before documents",
            "--send truncate_prompt_tokens=64 --send-prompt",
        ),
        ({"query_prompt": "Ask: "}, "put 'Ask: ' before queries", "--send truncate_prompt_tokens=64"),
        (
            {"query_prompt": "", "overlap": 8},  # chunks are asked for by token ids, prompt included
            "no prompt stands before queries or documents",
            "--send-tokens",
        ),
    ],
)
def test_first_lines_say_how_this_run_is_asked_and_checked(
    changes: dict[str, Any], prompts: str, check: str, minilm: str, tmp_path: Path
) -> None:
    from tests.support.cli_runs import in_process

    make_run(minilm, tmp_path, **changes)
    done = in_process("serve", "out", "--write", "s.yaml", "--offline", folder=tmp_path)
    assert prompts in done.stdout, done.stderr
    lines = (tmp_path / "s.yaml").read_text().splitlines()
    assert f"# Prompts: {prompts}." in lines
    assert f"# Check: embedfleet serve run-1 --check http://ENDPOINT/v1 {check}" in lines


def test_command_writes_the_file_and_says_what_it_costs(minilm: str, tmp_path: Path) -> None:
    import jsonschema

    from scripts.schemas import FOLDER
    from tests.support.cli_runs import in_process

    make_run(minilm, tmp_path)
    done = in_process("serve", "out", "--write", "s.yaml", "--offline", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    validator: Any = jsonschema.Draft202012Validator(json.loads((FOLDER / "serve-write.json").read_text()))
    validator.validate(body)
    assert Decimal(body["usd_per_month"]) == Decimal(body["usd_per_hour"]) * body["replicas"] * 730
    assert any("beta" in note for note in body["notes"])
    assert yaml.safe_load((tmp_path / "s.yaml").read_text())["service"]
    again = in_process("serve", "out", "--write", "s.yaml", "--offline", folder=tmp_path)
    assert (again.returncode, "exists" in again.stderr) == (2, True)
    shown = in_process("serve", "out", "--write", "t.yaml", "--offline", "--qps", "5", folder=tmp_path)
    assert "a month" in shown.stdout, shown.stderr
    assert in_process("serve", "out", "--write", "u.yaml", "--qps", "0", folder=tmp_path).returncode == 2
