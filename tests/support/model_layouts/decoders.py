"""Layouts of decoders: the last token or a mean of all, with a causal mask or without."""

from pathlib import Path

from tests.support.model_layouts import folders, tokenizers
from tests.support.model_layouts.base_models import EOS, decoder, save
from tests.support.model_layouts.folders import dense, edit_json, sentence_transformer
from tests.support.model_layouts.layout import Layouts

DECODERS = Layouts()


@DECODERS.add("Qwen3, last token (Qwen3-Embedding)")
def qwen3_last(folder: Path) -> None:
    decoder(folder, "Qwen3Model")
    sentence_transformer(folder, "lasttoken")


@DECODERS.add("Mistral, last token (E5-Mistral)")
def mistral_last(folder: Path) -> None:
    decoder(folder, "MistralModel", f"<s> $A {EOS}", sliding_window=None)
    sentence_transformer(folder, "lasttoken")


@DECODERS.add("Qwen2 whose tokens all see each other: `is_causal: false` (gte-Qwen2)")
def qwen2_both_ways(folder: Path) -> None:
    decoder(folder, "Qwen2Model", is_causal=False)
    sentence_transformer(folder, "lasttoken")


@DECODERS.add(
    "the same with auto_map, without trust: transformers computes it natively (gte-Qwen2 as published)"
)
def qwen2_both_ways_auto_map(folder: Path) -> None:
    qwen2_both_ways(folder)
    edit_json(folder / "config.json", auto_map={"AutoModel": "modeling_qwen.Qwen2Model"})


@DECODERS.add("Llama, mean pooling")
def llama_mean(folder: Path) -> None:
    decoder(folder, "LlamaModel", "<s> $A")
    sentence_transformer(folder)


@DECODERS.add("GPT-2, weighted mean (SGPT)")
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


@DECODERS.add("Gemma 3 whose tokens all see each other")
def gemma_mean(folder: Path) -> None:
    decoder(
        folder, "Gemma3TextModel", f"<s> $A {EOS}", num_hidden_layers=2, sliding_window=16,
        use_bidirectional_attention=True, layer_types=["sliding_attention", "full_attention"],
    )  # fmt: skip
    sentence_transformer(folder)


@DECODERS.add("Gemma 3 with two Dense (EmbeddingGemma)")
def embedding_gemma(folder: Path) -> None:
    gemma_mean(folder)
    sentence_transformer(folder, after=("Dense", "Dense", "Normalize"))
    dense(folder, 2, 64, 128, bias=False)
    dense(folder, 3, 128, 64, bias=False)


@DECODERS.add("a bare language model, no sentence-transformers files: last token")
def causal_lm_bare(folder: Path) -> None:
    decoder(folder, "Qwen3ForCausalLM")


@DECODERS.add("saved with a chat template around each text (`modality_config: message`)")
def chat_messages(folder: Path) -> None:
    decoder(folder, "Qwen3Model")
    message = {"message": {"method": "forward", "method_output_name": "last_hidden_state", "format": "flat"}}
    limit = folders.LIMIT | {"modality_config": message, "module_output_name": "token_embeddings"}
    sentence_transformer(folder, "lasttoken", limit=limit)
    edit_json(
        folder / "tokenizer_config.json",
        chat_template="{% for m in messages %}{{ m['content'] }}{% endfor %}",
    )
