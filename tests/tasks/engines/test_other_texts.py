"""A vector is that of its text alone: whatever texts a model reads with it, and however often it is asked."""
# transformers is typed in part
# pyright: reportUnknownMemberType=false

import importlib.util
from pathlib import Path
from typing import Any

import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
    pytest.skip("torch and transformers are not installed", allow_module_level=True)

from tasks.engines.load import load_encoder
from tasks.engines.torch_engine import TorchEncoder
from tasks.models.files import BadModel
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tests.support.model_layouts.base_models import decoder
from tests.support.model_layouts.comparison import reference
from tests.support.model_layouts.encoders import big_bird
from tests.support.model_layouts.folders import edit_json, sentence_transformer

TRAINED = 16  # tokens, and texts here have up to 60
LONGROPE: dict[str, Any] = {
    "rope_type": "longrope",
    "rope_theta": 10_000.0,
    "short_factor": [1.0] * 16,
    "long_factor": [4.0] * 16,
    "original_max_position_embeddings": TRAINED,
    "factor": 4.0,
}
SHORT, LONG = list(range(10, 20)), [5 + 7 * n % 500 for n in range(60)]
REFORMER: dict[str, Any] = {
    "axial_pos_embds": False,
    "attention_head_size": 32,
    "attn_layers": ["local", "lsh"],
    "local_attn_chunk_length": 8,
    "lsh_attn_chunk_length": 8,
    "num_buckets": 4,
}


def test_a_text_beside_a_longer_one_keeps_its_vector_with_longrope(tmp_path: Path) -> None:
    decoder(tmp_path, "LlamaModel", max_position_embeddings=64, rope_parameters=LONGROPE)
    sentence_transformer(tmp_path)
    encoder = load_encoder("torch", str(tmp_path), dtype="float32")
    assert isinstance(encoder, TorchEncoder)
    assert not encoder.pads
    alone, (beside, _) = encoder.encode([SHORT])[0], encoder.encode([SHORT, LONG])
    assert alone @ beside > 0.9999
    encoder.pads = True
    (padded, _) = encoder.encode([SHORT, LONG])
    assert alone @ padded < 0.999, "in one batch it would not keep it"


@pytest.mark.filterwarnings("ignore")  # of transformers' class, which is no longer tended
def test_a_model_that_draws_by_lot_is_refused(tmp_path: Path) -> None:
    decoder(tmp_path, "ReformerModel", max_position_embeddings=512, **REFORMER)
    sentence_transformer(tmp_path)
    with pytest.raises(BadModel, match="gives other vectors of the same text each time"):
        load_encoder("torch", str(tmp_path), dtype="float32")


def test_bigbird_gives_long_texts_the_vectors_of_the_reference_or_is_refused(tmp_path: Path) -> None:
    """The reference in blocks gives a long text another vector once it has read a short one."""
    pytest.importorskip("sentence_transformers")
    big_bird(tmp_path, "original_full")
    encoder = load_encoder("torch", str(tmp_path), dtype="float32")
    texts = ["shards are leased " * 250, "a", "shards are owned " * 240]
    cut = ChunkSpec(1_024)
    ours = encoder.encode([split_texts(encoder.tokenizer, [text], cut)[0].ids[0] for text in texts])
    theirs = reference(tmp_path, texts)
    assert (ours * theirs).sum(1).min() > 0.9999
    edit_json(tmp_path / "config.json", attention_type="block_sparse")
    before, _, after = reference(tmp_path, [texts[0], texts[1], texts[0]])
    assert before @ after < 0.99999
    with pytest.raises(BadModel, match="more than 704 tokens in blocks until a shorter one comes"):
        load_encoder("torch", str(tmp_path), dtype="float32")
    edit_json(tmp_path / "sentence_bert_config.json", max_seq_length=704)
    load_encoder("torch", str(tmp_path), dtype="float32")


def test_positions_that_earlier_texts_scale_are_refused(tmp_path: Path) -> None:
    scaling = {"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 2.0}
    decoder(tmp_path, "LlamaModel", max_position_embeddings=TRAINED, rope_parameters=scaling)
    sentence_transformer(tmp_path)
    with pytest.raises(BadModel, match="scaled by the longest text so far"):
        load_encoder("torch", str(tmp_path), dtype="float32")
