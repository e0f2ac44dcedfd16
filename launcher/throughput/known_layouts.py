"""What is known of the layouts of the models in data/models.csv, as the description that their files would give.

For plans without the model's files: a corpus that is only declared, a hub that is not asked. Recalled of the
repositories; the files of a folder or of the hub are exact, and are read where they are there.
"""

from launcher.throughput.predict import ModelShape
from tasks.models.description import (
    Dense,
    Finding,
    Layer,
    LengthLimit,
    ModelDescription,
    OwnCode,
    Pooling,
    PoolingMode,
    TextSettings,
    Weights,
)

POOLINGS: dict[str, PoolingMode] = {"mean": "mean", "cls": "cls", "last": "lasttoken"}
EQUAL = "modeling_qwen.Qwen2Model"  # see tasks/models/support.py
OTHER_MODEL = "name another model"


def known_description(shape: ModelShape) -> ModelDescription:
    """The description of a known model, by its type and the words of its traits.

    `code` (code of its own), `equal-code` (code of its own that transformers' class equals), `modules` (modules of its
    own), `dense` (layers after the pooling), `pickle` (no safetensors), `images` (reads them as well).
    """
    traits = frozenset(shape.traits.split())
    unsupported: list[Finding] = []
    if "modules" in traits:
        unsupported.append(Finding("it has modules that are not sentence-transformers' own", OTHER_MODEL))
    if "images" in traits:
        unsupported.append(Finding("it reads images as well as text", OTHER_MODEL))
    width, layers = shape.hidden, tuple[Layer, ...]()
    if "dense" in traits:
        layers = (
            Dense(
                "2_Dense",
                width,
                shape.dimensions,
                bias=False,
                activation="Identity",
                file="model.safetensors",
            ),
        )
    pickle = "pickle" in traits
    own_code = "in its repository" if "code" in traits else EQUAL if "equal-code" in traits else None
    return ModelDescription(
        model=shape.name,
        revision=None,
        folder="",
        model_type=shape.model_type,
        architectures=(),
        pooling=Pooling((POOLINGS.get(shape.pooling or "", "mean"),)),
        layers=layers,
        modules=(),
        text=TextSettings(),
        limit=LengthLimit(shape.max_tokens, "the table of known models"),
        hidden=width,
        truncate_dim=None,
        similarity=None,
        own_code=OwnCode(own_code),
        adapter=None,
        weights=Weights("pickle", ("pytorch_model.bin",)) if pickle else Weights("safetensors"),
        causal=False if "equal-code" in traits else None,
        unsupported=tuple(unsupported),
    )
