"""Engine: the transformers of `torch_engine`, compiled by OpenVINO for this machine's CPU.

OpenVINO fuses the operations between matrix products, which transformers runs one by one. Weights, pooling and layers
are torch_engine's; only the transformer itself is converted, when it is loaded, from the safetensors. Its vectors are
compared with torch's before the first text; where they differ, the model is refused here and another engine takes it.
"""
# torch, transformers and openvino are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportMissingImports=false

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino
import torch

# Not `openvino.convert_model`: that reports its use to its maker's server without asking (`openvino_telemetry`).
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

from tasks.engines.base import OtherVectors
from tasks.engines.checks.probes import MIN_COSINE, probe_pieces
from tasks.engines.precision import compute_dtype
from tasks.engines.torch_engine import TorchEncoder
from tasks.models.description import ModelDescription
from tasks.models.tokenizing.tokenizer import PieceTokenizer

PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}  # OpenVINO's name of what to compute in
EXAMPLE = ([[0, 0, 0], [0, 0, 0]], [[1, 1, 1], [1, 0, 0]])  # tokens and mask, to record the operations with


class OpenVinoEncoder(TorchEncoder):
    """A transformers model compiled by OpenVINO, on the CPU.

    Raises:
        OtherVectors: the model cannot be converted, or its vectors are others here.
    """

    name = "openvino"

    def __init__(
        self,
        model: ModelDescription,
        tokenizer: PieceTokenizer,
        threads: int | None,
        *,
        remote_code: bool = False,
        dtype: str | None = None,
        prompt_tokens: int = 0,
    ) -> None:
        """`dtype`: float32, bfloat16, or None: bfloat16 if the processor has it."""
        self._compiled: Any = None
        super().__init__(
            model,
            tokenizer,
            threads,
            remote_code=remote_code,
            dtype="float32",  # to convert from, and to compare with
            device="cpu",
            prompt_tokens=prompt_tokens,
        )
        wanted = dtype or str(compute_dtype(gpu=False)).removeprefix("torch.")
        if wanted not in PRECISIONS:
            raise OtherVectors(
                f"OpenVINO computes in {' or '.join(PRECISIONS)}, not in {wanted}",
                hint="set `engine: torch`",
            )
        probes = probe_pieces(self.vocabulary, self.positions)
        expected = self.encode(probes)
        try:
            self._compiled = _compiled(self.model, PRECISIONS[wanted], threads)
            self.model = None  # its weights are in what was compiled
            found = self.encode(probes)
        # What operations a model has decides what its tracing and OpenVINO raise.
        except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise OtherVectors(
                f"{model.model} cannot be converted for OpenVINO: {said}", hint="set `engine: torch`"
            ) from error
        self.dtype = wanted
        worst = float((expected * found).sum(1).min())
        if not worst >= MIN_COSINE[getattr(torch, wanted)]:  # NaN, too
            raise OtherVectors(
                f"{model.model} has other vectors by OpenVINO (cosine {worst:.4f})",
                hint="set `engine: torch`",
            )

    def _states(self, ids: list[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        if self._compiled is None:
            return super()._states(ids)
        lengths = torch.tensor([len(piece) for piece in ids])
        matrix = np.zeros((len(ids), int(lengths.max())), np.int64)
        mask = np.zeros_like(matrix)
        for row, piece in enumerate(ids):
            matrix[row, : len(piece)] = piece
            mask[row, : len(piece)] = 1
        self.check(matrix, matrix.shape[1])
        found = self._compiled.infer({"input_ids": matrix, "attention_mask": mask}, share_outputs=True)
        return torch.from_numpy(np.array(found[0], np.float32)), lengths


class _States(torch.nn.Module):
    """The transformer with one output: the states of its tokens."""

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        given = self.transformer(input_ids=input_ids, attention_mask=attention_mask)
        return given.last_hidden_state


def _compiled(transformer: Any, precision: str, threads: int | None) -> Any:
    """A request to the compiled transformer: `input_ids` and `attention_mask`, int64 [pieces, tokens]."""
    if hasattr(transformer.config, "use_cache"):
        transformer.config.use_cache = False
    ids, mask = (torch.tensor(values) for values in EXAMPLE)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of tracing: what it takes for constant is proved by the probes
        traced = TorchScriptPythonDecoder(
            _States(transformer).eval(), example_input={"input_ids": ids, "attention_mask": mask}
        )
    frontend = FrontEndManager().load_by_framework("pytorch")
    converted = frontend.convert(frontend.load(traced))
    settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = str(threads)
    return openvino.Core().compile_model(converted, "CPU", settings).create_infer_request()
