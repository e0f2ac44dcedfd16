"""Layouts of encoders: BERT and what came after it, T5."""
# transformers and safetensors are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false

import json
from pathlib import Path
from typing import Any

import torch

from tests.support.model_layouts import folders, tokenizers
from tests.support.model_layouts.base_models import SHAPE, bert, save, t5, xlm_roberta
from tests.support.model_layouts.folders import dense, sentence_transformer
from tests.support.model_layouts.layout import Layouts

ENCODERS = Layouts()


@ENCODERS.add("BERT, mean pooling (MiniLM, E5)")
def bert_mean(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder)


@ENCODERS.add("BERT, first token (BGE, GTE, Arctic)")
def bert_cls(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, "cls_token")


@ENCODERS.add("weights in bfloat16")
def bfloat16(folder: Path) -> None:
    bert(folder, stored=torch.bfloat16)
    sentence_transformer(folder)


@ENCODERS.add("no sentence-transformers files: a bare BERT")
def bert_bare(folder: Path) -> None:
    bert(folder)


@ENCODERS.add("no Normalize module, similarity `dot`: length 1 all the same")
def dot(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, "cls_token", after=())
    folders.config_sentence_transformers(folder, similarity_fn_name="dot")


@ENCODERS.add("DistilBERT")
def distilbert(folder: Path) -> None:
    size = tokenizers.wordpiece(folder, model_input_names=["input_ids", "attention_mask"])
    save(
        folder,
        "DistilBertModel",
        vocab_size=size,
        dim=64,
        hidden_dim=128,
        n_layers=2,
        n_heads=2,
        initializer_range=0.1,
    )
    sentence_transformer(folder)


@ENCODERS.add("MPNet (all-mpnet-base-v2)")
def mpnet(folder: Path) -> None:
    size = tokenizers.wordpiece(folder, specials="mpnet")
    save(folder, "MPNetModel", **SHAPE, vocab_size=size, max_position_embeddings=514, pad_token_id=1)
    sentence_transformer(folder)


@ENCODERS.add("XLM-RoBERTa (multilingual E5, BGE-M3 dense)")
def xlm_roberta_mean(folder: Path) -> None:
    xlm_roberta(folder)
    sentence_transformer(folder)


@ENCODERS.add("RoBERTa, no sentence-transformers files (CodeBERT)")
def roberta_bare(folder: Path) -> None:
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    size = tokenizers.byte_bpe(
        folder, "<s> $A </s>", specials, "PreTrainedTokenizerFast",
        model_input_names=["input_ids", "attention_mask"], **names,
    )  # fmt: skip
    save(
        folder, "RobertaModel", **SHAPE, vocab_size=size, max_position_embeddings=514, pad_token_id=1, bos_token_id=0,
        eos_token_id=2, type_vocab_size=1,
    )  # fmt: skip


@ENCODERS.add("ELECTRA")
def electra(folder: Path) -> None:
    size = tokenizers.wordpiece(folder)
    save(folder, "ElectraModel", **SHAPE, vocab_size=size, embedding_size=32)
    sentence_transformer(folder)


@ENCODERS.add("DeBERTa-v2")
def deberta(folder: Path) -> None:
    size = tokenizers.wordpiece(folder, tokenizer_class="PreTrainedTokenizerFast")
    save(
        folder, "DebertaV2Model", **SHAPE, vocab_size=size, relative_attention=True, position_buckets=32,
        pos_att_type=["p2c", "c2p"], norm_rel_ebd="layer_norm", share_att_key=True, position_biased_input=False,
        type_vocab_size=0,
    )  # fmt: skip
    sentence_transformer(folder)


def _mixed(name: str, what: str, **settings: Any) -> None:
    """A model that mixes tokens otherwise than by attention, so that padding would change its vectors."""

    def build(folder: Path) -> None:
        size = tokenizers.wordpiece(folder)
        save(folder, name, vocab_size=size, **settings)
        sentence_transformer(folder)

    build.__name__ = name.removesuffix("Model").lower()
    ENCODERS.add(f"{what}: padding changes its vectors, so none is used")(build)


_mixed("ConvBertModel", "ConvBERT", embedding_size=64, **SHAPE)
_mixed(
    "FunnelModel",
    "Funnel",
    block_sizes=[1, 1],
    num_decoder_layers=1,
    d_model=64,
    n_head=2,
    d_head=32,
    d_inner=128,
)
_mixed("FNetModel", "FNet", hidden_size=64, intermediate_size=128, num_hidden_layers=2, initializer_range=0.1)


def big_bird(folder: Path, attention: str) -> None:
    """A BigBird that reads texts of up to 1,024 tokens: with full attention those of up to 704."""
    size = tokenizers.wordpiece(folder)
    save(
        folder,
        "BigBirdModel",
        **SHAPE,
        vocab_size=size,
        max_position_embeddings=1024,
        attention_type=attention,
    )
    sentence_transformer(folder, limit={"max_seq_length": 1024})


@ENCODERS.add("BigBird with block-sparse attention, as it is published")
def big_bird_in_blocks(folder: Path) -> None:
    big_bird(folder, "block_sparse")


@ENCODERS.add("BigBird with full attention (attention_type: original_full)")
def big_bird_full(folder: Path) -> None:
    big_bird(folder, "original_full")


@ENCODERS.add("ModernBERT (modernbert-embed, gte-modernbert)")
def modernbert(folder: Path) -> None:
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    size = tokenizers.byte_bpe(
        folder, "[CLS] $A [SEP]", ["[UNK]", "[CLS]", "[SEP]", "[PAD]"], "PreTrainedTokenizerFast",
        model_input_names=["input_ids", "attention_mask"], **names,
    )  # fmt: skip
    save(
        folder, "ModernBertModel", **(SHAPE | {"num_hidden_layers": 4}), vocab_size=size, local_attention=16,
        max_position_embeddings=1024, pad_token_id=3, cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    sentence_transformer(folder, after=())


@ENCODERS.add("Nomic BERT, native in transformers 5 (nomic-embed-text saved again)", since=5)
def nomic_native(folder: Path) -> None:
    size = tokenizers.wordpiece(folder)
    save(folder, "NomicBertModel", **SHAPE, vocab_size=size, max_position_embeddings=2048, pad_token_id=0)
    sentence_transformer(folder)


@ENCODERS.add("T5 encoder")
def t5_encoder(folder: Path) -> None:
    t5(folder)
    sentence_transformer(folder)


@ENCODERS.add("mT5 encoder, from a file with its decoder")
def mt5_encoder(folder: Path) -> None:
    t5(folder)
    size = json.loads((folder / "config.json").read_text("utf-8"))["vocab_size"]
    save(
        folder, "MT5Model", vocab_size=size, d_model=64, d_kv=32, d_ff=128, num_layers=2, num_heads=2, pad_token_id=0,
        eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    sentence_transformer(folder)


@ENCODERS.add("T5 encoder and Dense (GTR-T5, sentence-t5)")
def t5_dense(folder: Path) -> None:
    t5(folder)
    sentence_transformer(folder, after=("Dense", "Normalize"))
    dense(folder, 2, 64, 48, bias=False)
