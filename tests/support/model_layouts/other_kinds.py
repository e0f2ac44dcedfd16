"""Layouts of models that are no encoder with one vector a text: most are refused."""

from pathlib import Path

from tests.support.model_layouts import tokenizers
from tests.support.model_layouts.base_models import bert, save
from tests.support.model_layouts.folders import modules, pooling, sentence_transformer, write_json
from tests.support.model_layouts.layout import Layouts

OTHER_KINDS = Layouts()


def _other_modules(name: str, what: str, *types: str) -> None:
    def build(folder: Path) -> None:
        bert(folder)
        pooling(folder, "mean_tokens")
        modules(folder, *types)

    build.__name__ = name
    OTHER_KINDS.add(what)(build)


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


@OTHER_KINDS.add("cross-encoder, with sentence-transformers' files")
def cross_encoder(folder: Path) -> None:
    bert(folder)
    modules(folder, "sentence_transformers.base.modules.transformer.Transformer")
    write_json(folder / "sentence_bert_config.json", {"transformer_task": "sequence-classification"})


@OTHER_KINDS.add("BART: an encoder and a decoder")
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
