"""What is said of a model whose own code is not run."""

from tasks.models.own_code import trust_hint


def test_known_copy_for_transformers_own_class_is_named_first() -> None:
    hint = trust_hint("jinaai/Jina-Embeddings-V3")
    assert hint.startswith("name jinaai/jina-embeddings-v3-hf, a copy")
    assert "`model: {name: jinaai/Jina-Embeddings-V3, trust_remote_code: true}`" in hint


def test_consequence_of_trust_is_said() -> None:
    hint = trust_hint("someone/own")
    assert hint.startswith("name another model; or, if you trust the code")
    assert hint.endswith("it then runs here and on every machine, and may read whatever they may")
