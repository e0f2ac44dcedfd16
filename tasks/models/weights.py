"""The weights' files of a model: their format, and whether they are there and whole. Reads the headers alone."""

import json
import operator
from collections import Counter
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
            damaged, dtype = (
                _headers(files, [s for s in shards if s not in missing])
                if kind == "safetensors"
                else ((), None)
            )
            return Weights(
                "safetensors" if kind == "safetensors" else "pickle", shards, missing, damaged, dtype or said
            )
    others = sorted(n for n in files.names if n.startswith(before) and n.endswith(OTHERS))
    return Weights("none", dtype=said, others=tuple(others))


def safetensors_fault(path: Path) -> str | None:
    """What is wrong with a safetensors file, by its header and its length; None when nothing is."""
    return _read_header(path)[0]


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


def _headers(files: ModelFiles, names: list[str]) -> tuple[tuple[str, ...], str | None]:
    """What is wrong with the files, and the dtype of most weights."""
    root = Path(files.model)
    if not root.is_dir():
        return (), None
    faults: list[str] = []
    sizes: Counter[str] = Counter()
    for name in names:
        fault, dtypes = _read_header(root / name)
        if fault is not None:
            faults.append(f"{name} {fault}")
        sizes.update(dtypes)
    most = sizes.most_common(1)
    return tuple(faults), DTYPES.get(most[0][0]) if most else None


def _read_header(path: Path) -> tuple[str | None, Counter[str]]:
    """What is wrong with a file, and the bytes of each dtype in it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, MAX_HEADER):
            return f"is cut or no safetensors file: {size:,} bytes, and its header says {length:,}", Counter()
        try:
            header: Any = json.loads(file.read(length))
        except (ValueError, RecursionError):
            return "is damaged: its header is not JSON", Counter()
    if not isinstance(header, dict):
        return "is damaged: its header is not an object", Counter()
    kinds: Counter[str] = Counter()
    end = 0
    for name, tensor in cast("dict[str, Any]", header).items():
        if name == "__metadata__":
            continue
        try:
            start, stop = map(operator.index, tensor["data_offsets"])
            kinds[str(tensor["dtype"])] += stop - start
            end = max(end, stop)
        except (TypeError, KeyError, ValueError):
            start, stop = 0, -1
        if not 0 <= start <= stop:
            return f"is damaged: its header does not say where {name[:80]} is", Counter()
    if end != size - 8 - length:
        return f"is cut: {size - 8 - length:,} bytes of weights, and its header names {end:,}", kinds
    return None, kinds
