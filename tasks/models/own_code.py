"""Models that come with code of their own which the native classes were compared with and equal: no trust is needed."""

from tasks.models.description import ModelDescription

# The model's own class, by type and name, that transformers' class of that type was compared with and equals, where
# config.json says is_causal: false (gte-Qwen2). vLLM's Qwen2 obeys is_causal, too (tests/contract/test_agreement.py).
EQUAL_TO_OWN_CODE = (("qwen2", "modeling_qwen.Qwen2Model"),)


def equals_own_code(model: ModelDescription) -> bool:
    """Whether the native class of the model's type gives the vectors of the model's own code."""
    name = (model.own_code.model or "").rpartition("--")[2]
    return (model.model_type, name) in EQUAL_TO_OWN_CODE and model.causal is False
