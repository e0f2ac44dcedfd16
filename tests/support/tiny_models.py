"""Models of two layers with random weights, one of each kind that people embed with, as sentence-transformers saves.

The same folder loads in sentence-transformers, in transformers and in vLLM. Weights are random but tame: texts differ
clearly, and bfloat16 rounds no more than it does with trained ones.
"""
# transformers and tokenizers are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

# transformers' Qwen2 takes its own, whatever a folder says
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

LONGEST = 96  # tokens a text: the long ones are truncated
BOS, EOS = "<s>", "<|endoftext|>"
SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,  # of 32: what the CPU build of vLLM has kernels for
    "max_position_embeddings": 256,
    "initializer_range": 0.1,  # the usual 0.02 gives all texts nearly the same vector
}


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of model is made, and how it wants its texts."""

    build: str  # the class in transformers, without `Model`
    pooling: str  # by its name in the folders of sentence-transformers
    prompt: str = ""
    special: str = ""  # around a text, as the tokenizer of a decoder has it
    causal: bool = True


INSTRUCTION = "Instruct: Given a question, retrieve passages that answer it\nQuery: "
KINDS = {
    "bert-mean": Kind("Bert", "mean"),
    "bert-cls": Kind("Bert", "cls", prompt="Represent this sentence for searching relevant passages: "),
    "qwen2-last": Kind("Qwen2", "lasttoken", prompt=INSTRUCTION, special=f"$A {EOS}"),
    "qwen2-both-ways": Kind("Qwen2", "mean", special=f"$A {EOS}", causal=False),
    "qwen3-last": Kind("Qwen3", "lasttoken", special=f"$A {EOS}"),
    "llama-mean": Kind("Llama", "mean", prompt="passage: ", special=f"{BOS} $A"),
    "mistral-last": Kind("Mistral", "lasttoken", special=f"{BOS} $A {EOS}"),
}

TEXTS = [
    "a",
    "Shards are leased, not owned.",
    "Ein Satz mit Umlauten: größer, schöner, weiß.",
    "東京は日本の首都です。人口は約千四百万人。",
    "Ελληνικά, русский, العربية, עברית, हिन्दी - all in one line",
    "emoji 🙂🚀 and a family 👨‍👩‍👧‍👦, combining e\u0301 beside é",
    "   spaces \t tabs\n\nand lines   ",
    "1234567890 " * 3,
    "The price of a spot machine moves with the hour, so a plan names the date of each. " * 3,
    "def f(x):\n    return {'a': [x ** 2 for _ in range(10)]}\n",
    "longer than the model reads: "
    + "every word of this counts until the cut falls, and then none does. " * 20,
    "UPPER lower MiXeD",
]


def build(name: str, root: Path, bert: str) -> str:
    """The folder of a model of that kind; `bert` is a folder whose tokenizer the BERT kinds take."""
    kind = KINDS[name]
    folder = root / name
    folder.mkdir(parents=True)
    encoder = kind.build == "Bert"
    if encoder:
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(Path(bert) / file, folder / file)
        shape = SHAPE | {"vocab_size": 30_522, "pad_token_id": 0}
    else:
        vocabulary = _tokenizer(kind, folder)
        shape = SHAPE | {"vocab_size": vocabulary, "num_key_value_heads": 1, "head_dim": 32}
        shape |= {} if kind.causal else {"is_causal": False}
        shape |= {"sliding_window": None} if kind.build == "Mistral" else {}
    torch.manual_seed(3)
    make: Any = getattr(transformers, f"{kind.build}Model")
    settings = getattr(transformers, f"{kind.build}Config")(**shape)
    model = make(settings, add_pooling_layer=False) if encoder else make(settings)
    model.save_pretrained(folder)
    _layout(folder, kind)
    return str(folder)


def _tokenizer(kind: Kind, folder: Path) -> int:
    """Bytes and their merges, as decoders have; the size of the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=800, special_tokens=[BOS, EOS], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    numbers = [(token, tokenizer.token_to_id(token)) for token in (BOS, EOS)]
    tokenizer.post_processor = processors.TemplateProcessing(single=kind.special, special_tokens=numbers)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": EOS,
        "model_max_length": 256,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return int(tokenizer.get_vocab_size())


def _layout(folder: Path, kind: Kind) -> None:
    """What sentence-transformers reads beside the model."""
    parts = ("Transformer", "Pooling", "Normalize")
    modules = [
        {
            "idx": n,
            "name": str(n),
            "path": f"{n}_{part}" if n else "",
            "type": f"sentence_transformers.models.{part}",
        }
        for n, part in enumerate(parts)
    ]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": SHAPE["hidden_size"], "pooling_mode": kind.pooling}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    (folder / "2_Normalize").mkdir()
    limit = {"max_seq_length": LONGEST, "do_lower_case": False}
    (folder / "sentence_bert_config.json").write_text(json.dumps(limit), encoding="utf-8")
