"""Old place of `tasks.models`, for callers that have not moved yet."""

from tasks.models.files import HASH_MODEL, BadModel, ModelFileMissing, model_config, model_file
from tasks.models.pieces import ChunkSpec, TextPieces, split_texts
from tasks.models.tokenizer import HashTokenizer, ModelTokenizer, PieceTokenizer, load_tokenizer

__all__ = [
    "HASH_MODEL", "BadModel", "ChunkSpec", "HashTokenizer", "ModelFileMissing", "ModelTokenizer", "PieceTokenizer",
    "TextPieces", "load_failure", "load_tokenizer", "model_config", "model_file", "split_texts",
]  # fmt: skip


def load_failure(model: str, error: Exception) -> BadModel:
    """The error for a library's message that it cannot load a model."""
    said = str(error).strip() or type(error).__name__
    if "trust_remote_code" in said:
        return BadModel(
            f"{model} comes with code of its own, which is not run unless you say so",
            hint=f"if you trust it: `model: {{name: {model}, trust_remote_code: true}}`; else name another model",
        )
    return BadModel(
        f"cannot load {model}: {said.splitlines()[0]}",
        hint="name a model whose weights are safetensors and whose architecture the engine knows",
    )
