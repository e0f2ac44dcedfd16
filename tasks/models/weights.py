"""The weights' files of a model: their format, and whether they are there and whole. Reads the headers alone."""

import json
import operator
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tasks.models.description import Weights
from tasks.models.files import BadModel, ModelFiles

# In transformers' order, with the index of each format that is split into shards.
FORMATS = (
    ("safetensors", "model.safetensors", "model.safetensors.index.json"),
    ("pickle", "pytorch_model.bin", "pytorch_model.bin.index.json"),
)
OTHERS = (".onnx", ".gguf", ".h5", ".msgpack", ".ckpt.index", ".mlmodel", ".tflite", "openvino_model.xml")
# The table of tokens by its names: of most, BERT's kinds, decoders, GPT-2, ModernBERT, T5 and BART.
TOKEN_TABLE = re.compile(r"(^|\.)(word_embeddings|embed_tokens|wte|tok_embeddings|shared)\.weight$")
MAX_HEADER = 100_000_000  # bytes; what the safetensors library itself allows
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}  # fmt: skip


def read_weights(files: ModelFiles, folder: str, config: dict[str, Any]) -> Weights:
    """The weights in a folder of a model. Files of the hub are not downloaded: those are not checked for damage."""
    said = str(config.get("dtype") or config.get("torch_dtype") or "").removeprefix("torch.") or None
    if files.names is None:
        return Weights("unknown", dtype=said)
    before = f"{folder}/" if folder else ""
    for kind, whole, index in FORMATS:
        name = before + (str(config.get("transformers_weights") or whole) if kind == "safetensors" else whole)
        shards = (name,) if name in files.names else _shards(files, before, index)
        if shards:
            missing = tuple(shard for shard in shards if shard not in files.names)
            damaged, dtype, rows = (
                _headers(files, [s for s in shards if s not in missing])
                if kind == "safetensors"
                else ((), None, None)
            )
            form = "safetensors" if kind == "safetensors" else "pickle"
            return Weights(form, shards, missing, damaged, dtype or said, token_rows=rows)
    others = sorted(n for n in files.names if n.startswith(before) and n.endswith(OTHERS))
    return Weights("none", dtype=said, others=tuple(others))


def _shards(files: ModelFiles, before: str, index: str) -> tuple[str, ...]:
    """The files that an index of shards names; () without one."""
    if not files.has(before + index):
        return ()
    listed = files.json(before + index).get("weight_map")
    if not isinstance(listed, dict):
        raise BadModel(
            f"{before}{index} of {files.model} names no files",
            hint="download or copy the model again: this file is damaged",
        )
    return tuple(before + name for name in sorted({str(v) for v in cast("dict[str, Any]", listed).values()}))


@dataclass(frozen=True, slots=True)
class _Header:
    """What the header of a safetensors file says: what is wrong, bytes of each dtype, rows of the table of tokens."""

    fault: str | None
    bytes_by_dtype: Counter[str] = field(default_factory=Counter[str])
    token_rows: int | None = None


def _headers(files: ModelFiles, names: list[str]) -> tuple[tuple[str, ...], str | None, int | None]:
    """What is wrong with the files, the dtype of most weights, and the rows of the table of tokens."""
    root = Path(files.model)
    if not root.is_dir():
        return (), None, None
    found = {name: _read_header(root / name) for name in names}
    faults = tuple(f"{name} {header.fault}" for name, header in found.items() if header.fault is not None)
    sizes: Counter[str] = Counter()
    for header in found.values():
        sizes.update(header.bytes_by_dtype)
    most = sizes.most_common(1)
    rows = [header.token_rows for header in found.values() if header.token_rows is not None]
    return faults, DTYPES.get(most[0][0]) if most else None, max(rows, default=None)


def _read_header(path: Path) -> _Header:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, MAX_HEADER):
            return _Header(f"is cut or no safetensors file: {size:,} bytes, and its header says {length:,}")
        try:
            header: Any = json.loads(file.read(length))
        except (ValueError, RecursionError):
            return _Header("is damaged: its header is not JSON")
    if not isinstance(header, dict):
        return _Header("is damaged: its header is not an object")
    kinds: Counter[str] = Counter()
    rows: list[int] = []
    end = 0
    for name, tensor in cast("dict[str, Any]", header).items():
        if name == "__metadata__":
            continue
        try:
            start, stop = map(operator.index, tensor["data_offsets"])
            kinds[str(tensor["dtype"])] += stop - start
            end = max(end, stop)
            if TOKEN_TABLE.search(name):
                rows.append(operator.index(tensor["shape"][0]))
        except (TypeError, KeyError, ValueError, IndexError):
            start, stop = 0, -1
        if not 0 <= start <= stop:
            return _Header(f"is damaged: its header does not say where {name[:80]} is")
    if end != size - 8 - length:
        return _Header(f"is cut: {size - 8 - length:,} bytes of weights, and its header names {end:,}", kinds)
    return _Header(None, kinds, max(rows, default=None))
