"""MPNet over packed pieces: its attention adds a bias by distance, which no function of transformers takes.

The bias is the same for all pieces and layers, so it is made once a batch, for the longest piece.
"""
# transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutput

from tasks.engines.packed.packed_attention import Packing


class PackedMPNetEncoder(torch.nn.Module):
    """The layers of an `MPNetEncoder`, with the same weights. `packing` is that of the batch that comes next."""

    packing: Packing

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, **more: Any
    ) -> BaseModelOutput:
        """States [1, tokens, width] after all layers; the mask is the packing's."""
        del attention_mask, more
        packing = self.packing
        bias = self._bias(packing, hidden_states.dtype)
        states = hidden_states[0]
        for layer in self.encoder.layer:
            attention = layer.attention
            seen = attention.LayerNorm(self._attend(attention.attn, states, packing, bias) + states)
            states = layer.output(layer.intermediate(seen), seen)
        return BaseModelOutput(last_hidden_state=states[None])  # pyright: ignore[reportArgumentType]

    def _bias(self, packing: Packing, dtype: torch.dtype) -> torch.Tensor:
        """What is added to the scores [pieces, heads, longest, longest]: by distance, and -inf behind a piece's end."""
        place = torch.empty(1, packing.longest, 0, device=packing.starts.device)
        bias = self.encoder.compute_position_bias(place).to(dtype)
        columns = torch.arange(packing.longest, device=packing.starts.device)
        behind = columns >= packing.starts.diff()[:, None]
        return bias.masked_fill(behind[:, None, None, :], float("-inf"))

    def _attend(
        self, attention: Any, states: torch.Tensor, packing: Packing, bias: torch.Tensor
    ) -> torch.Tensor:
        heads = (attention.num_attention_heads, attention.attention_head_size)
        query, key, value = (
            packing.padded(layer(states).view(-1, *heads)).transpose(1, 2)
            for layer in (attention.q, attention.k, attention.v)
        )
        found = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return attention.o(found.transpose(1, 2)[packing.pieces, packing.positions].flatten(1))
