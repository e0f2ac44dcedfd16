"""Which models the packed engine computes, by their type; the engine proves each again when it loads it."""

from tasks.models.description import Finding, ModelDescription
from tasks.models.own_code import equals_own_code

# Types whose class in transformers asks for its attention function and does nothing else between tokens, and MPNet.
PACKED_TYPES = (
    "albert", "bert", "camembert", "distilbert", "electra", "eurobert", "gemma3_text", "gpt2", "gte",
    "jina_embeddings_v3", "llama", "mistral", "modernbert", "mpnet", "nomic_bert", "qwen2", "qwen3", "roberta",
    "xlm-roberta",
)  # fmt: skip


def packed_findings(model: ModelDescription) -> list[Finding]:
    """What keeps the packed engine from a model that torch computes."""
    if model.scaled_by_longest:
        what = "positions that are scaled by the longest text (rope_type longrope) are not computed over packed tokens"
        return [Finding(what, "set `engine: torch`")]
    if model.model_type in PACKED_TYPES and (model.own_code.model is None or equals_own_code(model)):
        return []
    kind = "its own code" if model.own_code.model else f"a model of the type {model.model_type}"
    return [Finding(f"{kind} is not computed over packed tokens", "set `engine: torch`")]
