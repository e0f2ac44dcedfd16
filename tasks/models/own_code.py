"""Models that come with code of their own which the native classes were compared with and equal: no trust is needed."""

from tasks.models.description import ModelDescription

# The model's own class, by type and name, that transformers' class of that type was compared with and equals, where
# config.json says is_causal: false (gte-Qwen2). vLLM's Qwen2 obeys is_causal, too (tests/contract/test_agreement.py).
EQUAL_TO_OWN_CODE = (("qwen2", "modeling_qwen.Qwen2Model"),)

# Copies of published models for transformers' own classes, by the published hub id in lower case, as the documentation of
# transformers 5.24 names them in the modules of these classes. Their vectors were not compared with the originals' here.
CONVERTED = {
    "alibaba-nlp/gte-multilingual-base": "alibaba-nlp-community/gte-multilingual-base",
    "jinaai/jina-embeddings-v3": "jinaai/jina-embeddings-v3-hf",
}


def trust_hint(model: str) -> str:
    """What to do about a model whose own code is not run: a copy without such code, where one is known, or trust."""
    copy = CONVERTED.get(model.casefold())
    other = "name another model" if copy is None else f"name {copy}, a copy for transformers' own class"
    return (
        f"{other}; or, if you trust the code, `model: {{name: {model}, trust_remote_code: true}}`: it then runs here and "
        "on every machine, and may read whatever they may"
    )


def equals_own_code(model: ModelDescription) -> bool:
    """Whether the native class of the model's type gives the vectors of the model's own code."""
    name = (model.own_code.model or "").rpartition("--")[2]
    return (model.model_type, name) in EQUAL_TO_OWN_CODE and model.causal is False
