"""Base models that layouts are made of: config.json, weights and tokenizer of a BERT, an XLM-RoBERTa, a T5, a decoder.

Random weights, always the same.
"""
# transformers and safetensors are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false

from pathlib import Path
from typing import Any

import torch
import transformers

from tests.support.model_layouts import tokenizers

SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.1,  # the usual 0.02 gives all texts nearly the same vector
}
EOS = "<|endoftext|>"


def save(folder: Path, kind: str, *, stored: Any = torch.float32, **settings: Any) -> None:
    """The weights and config.json of a class of transformers, random and always the same."""
    torch.manual_seed(3)
    make: Any = getattr(transformers, kind)
    config = make.config_class(**settings)
    try:
        model = make(config, add_pooling_layer=False)
    except TypeError:
        model = make(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 1:
                weight.add_(torch.randn_like(weight) * 0.05)  # biases and norms that matter
    model.to(stored).save_pretrained(folder)


def bert(folder: Path, **settings: Any) -> None:
    """A BERT without sentence-transformers' files."""
    size = tokenizers.wordpiece(folder)
    save(folder, "BertModel", **(SHAPE | {"vocab_size": size, "pad_token_id": 0} | settings))


def decoder(folder: Path, kind: str, template: str = f"$A {EOS}", **settings: Any) -> None:
    """A decoder with grouped attention."""
    words = "Qwen2Tokenizer" if kind.startswith("Qwen") else "PreTrainedTokenizerFast"
    size = tokenizers.byte_bpe(
        folder, template, ["<s>", EOS], words, bos_token="<s>", eos_token=EOS, pad_token=EOS
    )
    shape = SHAPE | {
        "vocab_size": size,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "max_position_embeddings": 4096,
    }
    save(folder, kind, **(shape | settings))


def xlm_roberta(folder: Path, kind: str = "XLMRobertaModel", **settings: Any) -> None:
    """XLM-RoBERTa: Unigram tokens, positions that begin after the padding."""
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    names = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "cls_token": "<s>",
    }
    size = tokenizers.unigram(
        folder, "<s> $A </s>", specials, "PreTrainedTokenizerFast", sep_token="</s>", **names
    )
    shape = SHAPE | {"vocab_size": size, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    save(folder, kind, **(shape | {"max_position_embeddings": 514, "type_vocab_size": 1} | settings))


def t5(folder: Path) -> None:
    """The encoder of a T5."""
    specials = ["<pad>", "</s>", "<unk>"]
    names: dict[str, Any] = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    names |= {"model_input_names": ["input_ids", "attention_mask"]}
    size = tokenizers.unigram(folder, "$A </s>", specials, "PreTrainedTokenizerFast", **names)
    save(
        folder, "T5EncoderModel", vocab_size=size, d_model=64, d_kv=32, d_ff=128, num_layers=2, num_heads=2,
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
