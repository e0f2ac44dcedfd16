"""The longest text that a model reads, in tokens, as sentence-transformers has it.

The order there: `model_max_length` of the tokenizer's arguments, `max_seq_length` of sentence_*_config.json, else the
smaller of the tokenizer's limit and the positions. A table of position embeddings is a limit whatever is said: beyond it
sentence-transformers fails, so a text is truncated there. Rotary and relative positions end nowhere.
"""

from collections.abc import Mapping
from typing import Any

from tasks.models.description import LengthLimit

NO_LIMIT = 10**7  # tokenizers write 10**30 for "no limit"; nobody reads ten million tokens

# Types whose positions begin after the padding index: so many rows of the table no token can use.
AFTER_PADDING = (
    "camembert", "data2vec-text", "esm", "ibert", "lilt", "longformer", "luke", "markuplm", "mpnet",
    "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
)  # fmt: skip
# Types without a table of positions: rotary or relative, or none.
WITHOUT_TABLE = (
    "bloom", "codegen", "cohere", "cohere2", "eurobert", "falcon", "funnel", "gemma", "gemma2",
    "gemma3", "gemma3_text", "gpt_neox", "gptj", "granite", "gte", "jina_embeddings_v3", "llama",
    "longt5", "mamba", "mistral", "mixtral", "modernbert", "mpt", "mt5", "neobert", "new", "nomic_bert",
    "olmo", "olmo2", "phi", "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "smollm3", "stablelm",
    "starcoder2", "switch_transformers", "t5", "t5gemma", "umt5", "xlnet",
)  # fmt: skip
# What transformers takes where config.json does not say.
DEFAULT_POSITIONS = {
    "albert": 512, "bert": 512, "camembert": 512, "distilbert": 512, "electra": 512, "gpt2": 1024, "mpnet": 512,
    "roberta": 512, "xlm-roberta": 512,
}  # fmt: skip


def length_limit(
    config: Mapping[str, Any],
    card: Mapping[str, Any],
    tokenizer: Mapping[str, Any],
    arguments: Mapping[str, Any],
    card_name: str,
) -> LengthLimit:
    """The limit of a model.

    Args:
        config: config.json.
        card: the sentence_*_config.json, named `card_name`.
        tokenizer: tokenizer_config.json.
        arguments: what sentence-transformers passes to the tokenizer beside its files.
        card_name: the file of `card`.
    """
    kind = str(config.get("model_type"))
    said = _size(config, "max_position_embeddings") or _size(config, "n_positions")
    table = has_table(config)
    if kind in WITHOUT_TABLE and "max_position_embeddings" not in config:
        said = None  # T5 writes n_positions, and reads on
    positions = said or (DEFAULT_POSITIONS.get(kind) if table else None)
    usable = None if positions is None else positions - _reserved(config, kind)
    asked = _smallest((_size(arguments, "model_max_length"), "model_max_length of tokenizer_args"))
    asked = asked or _smallest((_size(card, "max_seq_length"), f"max_seq_length of {card_name}"))
    reference = asked or _smallest(
        (_size(tokenizer, "model_max_length"), "model_max_length of tokenizer_config.json"),
        (positions, "max_position_embeddings of config.json"),
    )
    if reference is None:
        return LengthLimit(None, "nothing")
    if table and usable is not None and usable < reference[0]:
        return LengthLimit(usable, "max_position_embeddings of config.json", usable, reference[0])
    return LengthLimit(*reference, usable)


def has_table(config: Mapping[str, Any]) -> bool:
    """Whether positions beyond `max_position_embeddings` do not exist. True for a type that is not known here."""
    if str(config.get("model_type")) in WITHOUT_TABLE:
        return False
    if str(config.get("model_type")) in ("deberta", "deberta-v2"):
        return config.get("position_biased_input", True) is not False
    kind = config.get("position_embedding_type", config.get("position_encoding_type", "absolute"))
    if kind not in ("absolute", None) and not str(kind).startswith(
        "relative_key"
    ):  # those have a table as well
        return False
    return not any(
        config.get(key) is not None for key in ("rope_theta", "rope_parameters", "rotary_emb_base")
    )


def _reserved(config: Mapping[str, Any], kind: str) -> int:
    if kind not in AFTER_PADDING:
        return 0
    padding = config.get("pad_token_id", 1)
    return (padding if type(padding) is int and kind != "mpnet" else 1) + 1  # MPNet's is 1, whatever it says


def _size(found: Mapping[str, Any], key: str) -> int | None:
    value = found.get(key)
    return value if type(value) is int and 0 < value < NO_LIMIT else None


def _smallest(*sources: tuple[int | None, str]) -> tuple[int, str] | None:
    known = [(value, source) for value, source in sources if value is not None]
    return min(known, default=None, key=lambda pair: pair[0])
