"""Our pooling beside sentence-transformers' own module, on any states, lengths, modes and prompts."""
# sentence-transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import importlib.util
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if any(importlib.util.find_spec(name) is None for name in ("torch", "sentence_transformers")):
    pytest.skip("torch and sentence-transformers are not both installed", allow_module_level=True)

import torch

from tasks.engines.transformer.pooling import pool
from tasks.models.description import POOLING_MODES, Pooling, PoolingMode

WIDTH = 5


def theirs(states: torch.Tensor, lengths: torch.Tensor, pooling: Pooling, prompt: int) -> torch.Tensor:
    """One text at a time, so that padding plays no part."""
    kind: Any = importlib.import_module("sentence_transformers.models").Pooling  # in every version
    module: Any = kind(WIDTH, pooling_mode=list(pooling.modes), include_prompt=pooling.include_prompt)
    rows: list[torch.Tensor] = []
    for row, length in zip(states, lengths.tolist(), strict=True):
        features = {
            "token_embeddings": row[None, :length],
            "attention_mask": torch.ones(1, length, dtype=torch.long),
        }
        rows.append(module(features | {"prompt_length": prompt})["sentence_embedding"][0])
    return torch.stack(rows)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(3, 9), min_size=1, max_size=4),
    modes=st.lists(st.sampled_from(POOLING_MODES), min_size=1, max_size=3),
    prompt=st.integers(0, 2),
    include=st.booleans(),
    seed=st.integers(0, 1_000),
)
def test_every_pooling_is_that_of_sentence_transformers(
    lengths: list[int], modes: list[PoolingMode], prompt: int, include: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    counts = torch.tensor(lengths)
    states = torch.randn(len(lengths), max(lengths), WIDTH)
    pooling = Pooling(tuple(modes), include_prompt=include)
    expected = theirs(states, counts, pooling, prompt)
    states[torch.arange(max(lengths)) >= counts[:, None]] = float("nan")  # of padding: must not show
    assert torch.allclose(pool(states, counts, pooling, prompt), expected, atol=1e-5)


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_a_text_that_is_all_prompt_has_no_vector(mode: PoolingMode) -> None:
    pooling = Pooling((mode,), include_prompt=False)
    found = pool(torch.ones(2, 6, WIDTH), torch.tensor([3, 6]), pooling, 4)
    assert found[0].isnan().all()
    assert found[1].isfinite().all()


def test_half_precision_is_pooled_in_float32() -> None:
    states = torch.full((1, 4_096, 1), 1.001, dtype=torch.bfloat16)
    found = pool(states, torch.tensor([4_096]), Pooling(("mean",)), 0)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(1.0)
