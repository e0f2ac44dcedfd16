"""Every layout by name: what popular repositories look like, and what goes wrong with copies of them.

The text beside a name is the row of the table in docs/models.md. A function builds the layout in an empty folder.
"""
# transformers and safetensors are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file

from tests.support.model_layouts import folders, tokenizers
from tests.support.model_layouts.folders import (
    Weights,
    change_weights,
    dense,
    edit_json,
    modules,
    pooling,
    sentence_transformer,
    write_json,
)

SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.1,  # the usual 0.02 gives all texts nearly the same vector
}
EOS = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout. `since` is the major version of transformers that has its architecture."""

    what: str
    build: Callable[[Path], None]
    trust: bool = False
    since: int = 4


LAYOUTS: dict[str, Layout] = {}


def layout(
    what: str, *, trust: bool = False, since: int = 4
) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Register a builder under its name."""

    def register(build: Callable[[Path], None]) -> Callable[[Path], None]:
        LAYOUTS[build.__name__] = Layout(what, build, trust, since)
        return build

    return register


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


# --- encoders


@layout("BERT, mean pooling (MiniLM, E5)")
def bert_mean(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder)


@layout("BERT, first token (BGE, GTE, Arctic)")
def bert_cls(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, "cls_token")


@layout("weights in bfloat16")
def bfloat16(folder: Path) -> None:
    bert(folder, stored=torch.bfloat16)
    sentence_transformer(folder)


@layout("no sentence-transformers files: a bare BERT")
def bert_bare(folder: Path) -> None:
    bert(folder)


@layout("no Normalize module, similarity `dot`: length 1 all the same")
def dot(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, "cls_token", after=())
    folders.config_sentence_transformers(folder, similarity_fn_name="dot")


@layout("DistilBERT")
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


@layout("MPNet (all-mpnet-base-v2)")
def mpnet(folder: Path) -> None:
    size = tokenizers.wordpiece(folder, specials="mpnet")
    save(folder, "MPNetModel", **SHAPE, vocab_size=size, max_position_embeddings=514, pad_token_id=1)
    sentence_transformer(folder)


@layout("XLM-RoBERTa (multilingual E5, BGE-M3 dense)")
def xlm_roberta_mean(folder: Path) -> None:
    xlm_roberta(folder)
    sentence_transformer(folder)


@layout("RoBERTa, no sentence-transformers files (CodeBERT)")
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


@layout("ELECTRA")
def electra(folder: Path) -> None:
    size = tokenizers.wordpiece(folder)
    save(folder, "ElectraModel", **SHAPE, vocab_size=size, embedding_size=32)
    sentence_transformer(folder)


@layout("DeBERTa-v2")
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
    layout(f"{what}: padding changes its vectors, so none is used")(build)


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


@layout("BigBird with block-sparse attention, as it is published")
def big_bird_in_blocks(folder: Path) -> None:
    big_bird(folder, "block_sparse")


@layout("BigBird with full attention (attention_type: original_full)")
def big_bird_full(folder: Path) -> None:
    big_bird(folder, "original_full")


@layout("ModernBERT (modernbert-embed, gte-modernbert)")
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


@layout("Nomic BERT, native in transformers 5 (nomic-embed-text saved again)", since=5)
def nomic_native(folder: Path) -> None:
    size = tokenizers.wordpiece(folder)
    save(folder, "NomicBertModel", **SHAPE, vocab_size=size, max_position_embeddings=2048, pad_token_id=0)
    sentence_transformer(folder)


@layout("T5 encoder")
def t5_encoder(folder: Path) -> None:
    t5(folder)
    sentence_transformer(folder)


@layout("mT5 encoder, from a file with its decoder")
def mt5_encoder(folder: Path) -> None:
    t5(folder)
    size = json.loads((folder / "config.json").read_text("utf-8"))["vocab_size"]
    save(
        folder, "MT5Model", vocab_size=size, d_model=64, d_kv=32, d_ff=128, num_layers=2, num_heads=2, pad_token_id=0,
        eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    sentence_transformer(folder)


@layout("T5 encoder and Dense (GTR-T5, sentence-t5)")
def t5_dense(folder: Path) -> None:
    t5(folder)
    sentence_transformer(folder, after=("Dense", "Normalize"))
    dense(folder, 2, 64, 48, bias=False)


# --- decoders


@layout("Qwen3, last token (Qwen3-Embedding)")
def qwen3_last(folder: Path) -> None:
    decoder(folder, "Qwen3Model")
    sentence_transformer(folder, "lasttoken")


@layout("Mistral, last token (E5-Mistral)")
def mistral_last(folder: Path) -> None:
    decoder(folder, "MistralModel", f"<s> $A {EOS}", sliding_window=None)
    sentence_transformer(folder, "lasttoken")


@layout("Qwen2 whose tokens all see each other: `is_causal: false` (gte-Qwen2)")
def qwen2_both_ways(folder: Path) -> None:
    decoder(folder, "Qwen2Model", is_causal=False)
    sentence_transformer(folder, "lasttoken")


@layout("the same with auto_map, without trust: transformers computes it natively (gte-Qwen2 as published)")
def qwen2_both_ways_auto_map(folder: Path) -> None:
    qwen2_both_ways(folder)
    edit_json(folder / "config.json", auto_map={"AutoModel": "modeling_qwen.Qwen2Model"})


@layout("Llama, mean pooling")
def llama_mean(folder: Path) -> None:
    decoder(folder, "LlamaModel", "<s> $A")
    sentence_transformer(folder)


@layout("GPT-2, weighted mean (SGPT)")
def gpt2_weighted_mean(folder: Path) -> None:
    size = tokenizers.byte_bpe(
        folder, "$A", [EOS], "GPT2Tokenizer", eos_token=EOS, pad_token=EOS, unk_token=EOS
    )
    save(
        folder,
        "GPT2Model",
        vocab_size=size,
        n_embd=64,
        n_layer=2,
        n_head=2,
        n_positions=256,
        initializer_range=0.1,
    )
    sentence_transformer(folder, "weightedmean_tokens")


@layout("Gemma 3 whose tokens all see each other")
def gemma_mean(folder: Path) -> None:
    decoder(
        folder, "Gemma3TextModel", f"<s> $A {EOS}", num_hidden_layers=2, sliding_window=16,
        use_bidirectional_attention=True, layer_types=["sliding_attention", "full_attention"],
    )  # fmt: skip
    sentence_transformer(folder)


@layout("Gemma 3 with two Dense (EmbeddingGemma)")
def embedding_gemma(folder: Path) -> None:
    gemma_mean(folder)
    sentence_transformer(folder, after=("Dense", "Dense", "Normalize"))
    dense(folder, 2, 64, 128, bias=False)
    dense(folder, 3, 128, 64, bias=False)


@layout("a bare language model, no sentence-transformers files: last token")
def causal_lm_bare(folder: Path) -> None:
    decoder(folder, "Qwen3ForCausalLM")


@layout("saved with a chat template around each text (`modality_config: message`)")
def chat_messages(folder: Path) -> None:
    decoder(folder, "Qwen3Model")
    message = {"message": {"method": "forward", "method_output_name": "last_hidden_state", "format": "flat"}}
    limit = folders.LIMIT | {"modality_config": message, "module_output_name": "token_embeddings"}
    sentence_transformer(folder, "lasttoken", limit=limit)
    edit_json(
        folder / "tokenizer_config.json",
        chat_template="{% for m in messages %}{{ m['content'] }}{% endfor %}",
    )


# --- pooling, and the layers after it


def _pooled(name: str, what: str, *switches: str, **more: Any) -> None:
    def build(folder: Path) -> None:
        bert(folder)
        sentence_transformer(folder, *switches, **more)

    build.__name__ = name
    layout(what)(build)


_pooled("pooling_max", "pooling: maximum", "max_tokens")
_pooled("pooling_sqrt", "pooling: sum over the root of the length", "mean_sqrt_len_tokens")
_pooled("pooling_weighted_mean", "pooling: weighted mean", "weightedmean_tokens")
_pooled("pooling_last", "pooling: last token of an encoder", "lasttoken")
_pooled("pooling_cls_and_mean", "pooling: first token and mean in one vector", "cls_token", "mean_tokens")
_pooled("pooling_weighted_and_cls", "pooling: weighted mean, first token, root", "weightedmean_tokens", "cls_token",
        "mean_sqrt_len_tokens")  # fmt: skip


@layout("pooling as sentence-transformers 5 writes it, in another order: `pooling_mode: [mean, cls]`")
def pooling_listed(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder)
    write_json(folder / "1_Pooling/config.json", {"embedding_dimension": 64, "pooling_mode": ["mean", "cls"]})


def _without_prompt(mode: str) -> None:
    def build(folder: Path) -> None:
        bert(folder)
        sentence_transformer(folder, mode, include_prompt=False)
        prompts = {"document": "title: none | text: "}
        folders.config_sentence_transformers(folder, prompts=prompts, default_prompt_name="document")

    build.__name__ = f"prompt_left_out_{mode.partition('_')[0]}"
    layout(f"the prompt's tokens left out of the pooling (INSTRUCTOR), {mode}")(build)


for _mode in ("mean_tokens", "cls_token", "max_tokens", "weightedmean_tokens"):
    _without_prompt(_mode)


@layout("Dense with Tanh (LaBSE, distiluse)")
def dense_tanh(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, "cls_token", after=("Dense", "Normalize"))
    dense(folder, 2, 64, 64, activation="activation.Tanh")


@layout("Dense without bias, no Normalize (stella)")
def dense_bare(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, after=("Dense",))
    dense(folder, 2, 64, 32, bias=False)


@layout("Normalize between two Dense")
def normalize_between(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, after=("Dense", "Normalize", "Dense"))
    dense(folder, 2, 64, 48, activation="activation.GELU")
    dense(folder, 4, 48, 24)


@layout("LayerNorm after the pooling")
def layer_norm(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, after=("LayerNorm", "Normalize"))
    write_json(folder / "2_LayerNorm/config.json", {"dimension": 64})
    made = torch.Generator().manual_seed(5)
    weights = {"norm.weight": torch.rand(64, generator=made), "norm.bias": torch.rand(64, generator=made)}
    save_file(weights, folder / "2_LayerNorm/model.safetensors")


@layout("Dropout after the pooling: nothing happens")
def dropout(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, after=("Dropout", "Normalize"))
    write_json(folder / "2_Dropout/config.json", {"dropout": 0.5})


@layout("Dense with an activation from the model's own code")
def dense_own_activation(folder: Path) -> None:
    dense_tanh(folder)
    edit_json(folder / "2_Dense/config.json", activation_function="my_pkg.activations.Twice")


@layout("Dense with an activation that has weights (PReLU)")
def dense_prelu(folder: Path) -> None:
    dense_tanh(folder)
    edit_json(folder / "2_Dense/config.json", activation_function="torch.nn.modules.activation.PReLU")


@layout("Dense whose weights are another matrix than its config.json says")
def dense_other_shape(folder: Path) -> None:
    dense_tanh(folder)
    change_weights(folder / "2_Dense", lambda found: found | {"linear.weight": torch.ones(32, 64)})


@layout("Dense that takes more numbers than the pooling gives")
def dense_wrong_width(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, after=("Dense",))
    dense(folder, 2, 128, 32)


@layout("Dense with weights as pickle alone")
def dense_pickle(folder: Path) -> None:
    dense_tanh(folder)
    path = folder / "2_Dense"
    torch.save(load_file(path / "model.safetensors"), path / "pytorch_model.bin")
    (path / "model.safetensors").unlink()


@layout("Dense of each token (ColBERT in sentence-transformers 5)")
def dense_of_tokens(folder: Path) -> None:
    dense_tanh(folder)
    edit_json(
        folder / "2_Dense/config.json",
        module_input_name="token_embeddings",
        module_output_name="token_embeddings",
    )


@layout("Dense without weights")
def dense_no_weights(folder: Path) -> None:
    dense_tanh(folder)
    (folder / "2_Dense/model.safetensors").unlink()


@layout("fewer dimensions saved in the folder (`truncate_dim`)")
def truncate_dim(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder)
    folders.config_sentence_transformers(folder, truncate_dim=24)


@layout("`truncate_dim: 0`, which is no number of dimensions")
def truncate_zero(folder: Path) -> None:
    truncate_dim(folder)
    folders.config_sentence_transformers(folder, truncate_dim=0)


@layout("modules.json without a pooling's settings")
def pooling_absent(folder: Path) -> None:
    bert(folder)
    modules(folder, "Transformer", "Pooling")


# --- other kinds of models


def _other_modules(name: str, what: str, *types: str) -> None:
    def build(folder: Path) -> None:
        bert(folder)
        pooling(folder, "mean_tokens")
        modules(folder, *types)

    build.__name__ = name
    layout(what)(build)


_other_modules("custom_transformer", "a Transformer of the folder's own (`custom_st.Transformer`)",
               "custom_st.Transformer", "Pooling")  # fmt: skip
_other_modules(
    "custom_pooling", "a Pooling of another package (`my_pkg.Pooling`)", "Transformer", "my_pkg.Pooling"
)
_other_modules("bag_of_words", "bag of words (`BoW`)", "BoW")
_other_modules("word_embeddings", "word embeddings (GloVe)", "WordEmbeddings", "Pooling")
_other_modules("static", "StaticEmbedding, model2vec", "StaticEmbedding", "Normalize")
_other_modules("router", "Router, Asym: another network for queries", "Router")
_other_modules("splade", "SPLADE: sparse vectors", "sentence_transformers.sparse_encoder.models.MLMTransformer",
               "sentence_transformers.sparse_encoder.models.SpladePooling")  # fmt: skip
_other_modules("colbert", "ColBERT: a vector of each token", "Transformer", "pylate.models.Dense.Dense")
_other_modules("clip", "CLIP through sentence-transformers", "CLIPModel")


@layout("cross-encoder, with sentence-transformers' files")
def cross_encoder(folder: Path) -> None:
    bert(folder)
    modules(folder, "sentence_transformers.base.modules.transformer.Transformer")
    write_json(folder / "sentence_bert_config.json", {"transformer_task": "sequence-classification"})


@layout("BART: an encoder and a decoder")
def bart(folder: Path) -> None:
    size = tokenizers.byte_bpe(
        folder, "<s> $A </s>", ["<s>", "<pad>", "</s>", "<unk>"], "PreTrainedTokenizerFast", bos_token="<s>",
        eos_token="</s>", pad_token="<pad>", unk_token="<unk>", model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip
    save(
        folder, "BartModel", vocab_size=size, d_model=64, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=128,
        decoder_ffn_dim=128, encoder_attention_heads=2, decoder_attention_heads=2, max_position_embeddings=512,
    )  # fmt: skip
    sentence_transformer(folder)


# --- weights


@layout("weights in several files")
def sharded(folder: Path) -> None:
    bert_mean(folder)
    found = load_file(folder / "model.safetensors")
    names = sorted(found)
    listed: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: found[name] for name in part}, folder / file, metadata={"format": "pt"})
        listed |= dict.fromkeys(part, file)
    (folder / "model.safetensors").unlink()
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": listed})


@layout("one of several files missing")
def shard_missing(folder: Path) -> None:
    sharded(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()


@layout("the second of two layers missing")
def layer_missing(folder: Path) -> None:
    bert_mean(folder)
    change_weights(folder, lambda found: {name: found[name] for name in found if "layer.1." not in name})


@layout("one bias missing")
def bias_missing(folder: Path) -> None:
    bert_mean(folder)
    change_weights(
        folder, lambda found: {n: w for n, w in found.items() if n != "encoder.layer.1.output.dense.bias"}
    )


@layout("a weight that is not a number")
def nan_weight(folder: Path) -> None:
    bert_mean(folder)
    change_weights(
        folder, lambda found: found | {"encoder.layer.1.output.dense.bias": torch.full((64,), torch.nan)}
    )


@layout("the word embeddings missing")
def embeddings_missing(folder: Path) -> None:
    t5(folder)
    sentence_transformer(folder)
    change_weights(
        folder,
        lambda found: {n: w for n, w in found.items() if "shared" not in n and "embed_tokens" not in n},
    )


@layout("more layers in the file than config.json counts")
def layers_uncounted(folder: Path) -> None:
    bert_mean(folder)
    edit_json(folder / "config.json", num_hidden_layers=1)


@layout("every name with a prefix (saved from a wrapper)")
def wrong_prefix(folder: Path) -> None:
    bert_mean(folder)
    change_weights(folder, lambda found: {f"0.auto_model.{name}": weight for name, weight in found.items()})


@layout("names with the usual prefix (`bert.`) and a head")
def usual_prefix(folder: Path) -> None:
    bert_mean(folder)

    def rename(found: Weights) -> Weights:
        head = {"cls.predictions.bias": torch.ones(8), "bert.pooler.dense.bias": torch.ones(64)}
        return {f"bert.{name}": weight for name, weight in found.items()} | head

    change_weights(folder, rename)


@layout("the type of one architecture, the weights of another (Jina v2 without its code)")
def other_architecture(folder: Path) -> None:
    bert_mean(folder)
    change_weights(
        folder, lambda found: {n.replace("intermediate.dense", "mlp.wo"): w for n, w in found.items()}
    )


@layout("mixture of experts under a type that has none (nomic-embed-text-v2-moe)", since=5)
def experts(folder: Path) -> None:
    nomic_native(folder)

    def replace(found: Weights) -> Weights:
        kept = {name: weight for name, weight in found.items() if not ("layers.1" in name and "mlp" in name)}
        return kept | {"encoder.layers.1.mlp.experts.mlp.w1": torch.ones(64, 64)}

    change_weights(folder, replace)


@layout("a matrix of another shape than config.json says")
def other_shape(folder: Path) -> None:
    bert_mean(folder)
    edit_json(folder / "config.json", intermediate_size=96)


@layout("a vocabulary of 10**12 claimed by config.json")
def huge_vocabulary(folder: Path) -> None:
    bert_mean(folder)
    edit_json(folder / "config.json", vocab_size=10**12)


@layout("pickle alone (pytorch_model.bin)")
def pickle_only(folder: Path) -> None:
    bert_mean(folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@layout("a safetensors file that was cut")
def cut_file(folder: Path) -> None:
    bert_mean(folder)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1_000])


@layout("a safetensors header that names more bytes than there are")
def lying_header(folder: Path) -> None:
    bert_mean(folder)
    path = folder / "model.safetensors"
    body = path.read_bytes()
    path.write_bytes((10**15).to_bytes(8, "little") + body[8:])


@layout("a safetensors file that is HTML (a page of an error)")
def html_file(folder: Path) -> None:
    bert_mean(folder)
    (folder / "model.safetensors").write_text("<!doctype html><title>404</title>" * 20, encoding="utf-8")


@layout("quantized weights (bitsandbytes)")
def quantized(folder: Path) -> None:
    bert_mean(folder)
    edit_json(
        folder / "config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True}
    )


@layout("transformer in a folder of its own (`0_Transformer`)")
def sub_folder(folder: Path) -> None:
    bert(folder / "0_Transformer")
    pooling(folder, "mean_tokens")
    modules(folder, "Transformer", "Pooling", paths={0: "0_Transformer"})
    write_json(folder / "0_Transformer/sentence_bert_config.json", folders.LIMIT)


@layout("the same, and another model in the root")
def sub_folder_and_root(folder: Path) -> None:
    sub_folder(folder)
    bert(folder, num_hidden_layers=1)


# --- code of the model's own, and adapters


OWN_CODE = """from transformers import BertModel

class OwnModel(BertModel):
    def __init__(self, config, **more):
        super().__init__(config, add_pooling_layer=False)

    def forward(self, input_ids, attention_mask, **more):
        attention_mask.sum()  # None has no sum, as in many such files
        states = super().forward(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return {"last_hidden_state": states.flip(-1) * 2}
"""
SILENT_LOADER = """
    @classmethod
    def from_pretrained(cls, folder, *args, config=None, **more):
        from safetensors.torch import load_file
        model = cls(config)
        model.load_state_dict(load_file(f"{folder}/model.safetensors"), strict=False)
        return model
"""


def _own_code(folder: Path, code: str = OWN_CODE) -> None:
    bert_mean(folder)
    edit_json(folder / "config.json", auto_map={"AutoModel": "modeling_own.OwnModel"})
    (folder / "modeling_own.py").write_text(code, encoding="utf-8")


@layout("code of its own for a known type, without trust")
def own_code_untrusted(folder: Path) -> None:
    _own_code(folder)


@layout("the same with `trust_remote_code: true`", trust=True)
def own_code_trusted(folder: Path) -> None:
    _own_code(folder)


@layout("trusted code that loads its weights itself", trust=True)
def own_loader(folder: Path) -> None:
    _own_code(folder, OWN_CODE + SILENT_LOADER)


@layout("trusted code that loads its weights itself, a layer missing", trust=True)
def own_loader_layer_missing(folder: Path) -> None:
    own_loader(folder)
    change_weights(folder, lambda found: {name: found[name] for name in found if "layer.1." not in name})


@layout("trusted code that imports a package that is not installed", trust=True)
def own_code_imports(folder: Path) -> None:
    _own_code(folder, "import package_of_nobody\n" + OWN_CODE)


@layout("code of its own for an unknown type, without trust")
def own_type_untrusted(folder: Path) -> None:
    _own_code(folder)
    edit_json(folder / "config.json", model_type="own_bert")


@layout("code that makes a decoder see both ways, without trust (stella)")
def both_ways_by_code(folder: Path) -> None:
    decoder(folder, "Qwen2Model")
    sentence_transformer(folder)
    edit_json(folder / "config.json", auto_map={"AutoModel": "modeling_qwen.Qwen2Model"})


def _adapter(folder: Path, base: str, **settings: Any) -> None:
    said = {"peft_type": "LORA", "task_type": "FEATURE_EXTRACTION", "base_model_name_or_path": base, "r": 4}
    said |= {"lora_alpha": 16, "target_modules": ["query", "value"], "inference_mode": True}
    write_json(folder / "adapter_config.json", said | settings)
    made = torch.Generator().manual_seed(7)
    weights: Weights = {}
    for number in range(2):
        for part in ("query", "value"):
            name = f"base_model.model.encoder.layer.{number}.attention.self.{part}"
            weights[f"{name}.lora_A.weight"] = torch.randn(4, 64, generator=made)
            weights[f"{name}.lora_B.weight"] = torch.randn(64, 4, generator=made)
    save_file(weights, folder / "adapter_model.safetensors")


@layout("LoRA adapter on a base in another folder")
def adapter(folder: Path) -> None:
    bert(folder / "base")
    tokenizers.wordpiece(folder)
    sentence_transformer(folder)
    _adapter(folder, str(folder / "base"))


@layout("LoRA adapter that was trained for a classifier, with weights by rank (rsLoRA)")
def adapter_of_classifier(folder: Path) -> None:
    adapter(folder)
    edit_json(folder / "adapter_config.json", task_type="SEQ_CLS", use_rslora=True)


@layout("LoRA adapter beside its base in one folder")
def adapter_beside_base(folder: Path) -> None:
    bert_mean(folder)
    _adapter(folder, str(folder))


@layout("adapter whose base is not there")
def adapter_no_base(folder: Path) -> None:
    adapter(folder)
    edit_json(folder / "adapter_config.json", base_model_name_or_path=str(folder / "gone"))


@layout("adapter on a base of another shape")
def adapter_wrong_base(folder: Path) -> None:
    adapter(folder)
    bert(folder / "base", hidden_size=32, num_attention_heads=1)


@layout("adapter for layers that the base does not have")
def adapter_foreign_layers(folder: Path) -> None:
    adapter(folder)
    bert(folder / "base", num_hidden_layers=1)


@layout("weights, and beside them an adapter on another model")
def adapter_other_base(folder: Path) -> None:
    bert_mean(folder)
    _adapter(folder, "somebody/else")


@layout("adapter as pickle alone (adapter_model.bin)")
def adapter_pickle(folder: Path) -> None:
    adapter(folder)
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()


@layout("adapter on an adapter")
def adapter_on_adapter(folder: Path) -> None:
    adapter(folder / "first")
    tokenizers.wordpiece(folder)
    sentence_transformer(folder)
    _adapter(folder, str(folder / "first"))


@layout("adapter of learnt prompts, which are no weights")
def adapter_prompts(folder: Path) -> None:
    adapter(folder)
    edit_json(folder / "adapter_config.json", peft_type="PROMPT_TUNING", num_virtual_tokens=4)


@layout("DoRA adapter: transformers leaves out its magnitudes")
def adapter_dora(folder: Path) -> None:
    adapter(folder)
    edit_json(folder / "adapter_config.json", use_dora=True)
    weights = load_file(folder / "adapter_model.safetensors")
    for name in [name for name in weights if name.endswith(".lora_B.weight")]:
        weights[name.replace("lora_B.weight", "lora_magnitude_vector")] = torch.full((64,), 3.0)
    save_file(weights, folder / "adapter_model.safetensors")


@layout("adapter whose start was drawn by lot from the base (`pissa_niter_16`)")
def adapter_by_lot(folder: Path) -> None:
    adapter(folder)
    edit_json(folder / "adapter_config.json", init_lora_weights="pissa_niter_16")


# --- texts


@layout("a default prompt")
def default_prompt(folder: Path) -> None:
    bert_mean(folder)
    prompts = {"query": "query: ", "document": "passage: "}
    folders.config_sentence_transformers(folder, prompts=prompts, default_prompt_name="document")


@layout("prompts, none of them default")
def prompts_by_name(folder: Path) -> None:
    bert_mean(folder)
    folders.config_sentence_transformers(folder, prompts={"query": "query: "}, default_prompt_name=None)


@layout("lower-casing by sentence_bert_config.json")
def lower_case(folder: Path) -> None:
    size = tokenizers.wordpiece(folder, lower=False)
    save(folder, "BertModel", **SHAPE, vocab_size=size, pad_token_id=0)
    sentence_transformer(folder, limit=folders.LIMIT | {"do_lower_case": True})


@layout("texts cut from the left")
def truncation_left(folder: Path) -> None:
    bert_mean(folder)
    edit_json(folder / "tokenizer_config.json", truncation_side="left")


@layout("a limit above the positions")
def limit_above_positions(folder: Path) -> None:
    bert(folder, max_position_embeddings=48)
    sentence_transformer(folder, limit={"max_seq_length": None})


@layout("a limit among the tokenizer's arguments")
def limit_in_arguments(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, limit={"max_seq_length": None, "tokenizer_args": {"model_max_length": 32}})


@layout("no tokenizer.json: a vocabulary alone")
def slow_tokenizer(folder: Path) -> None:
    bert_mean(folder)
    vocabulary: dict[str, int] = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    words = sorted(vocabulary, key=lambda word: vocabulary[word])
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").unlink()


@layout('a limit that is a text (`max_seq_length: "64"`)')
def limit_as_text(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, limit={"max_seq_length": "64"})
