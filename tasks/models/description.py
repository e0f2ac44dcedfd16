"""What a model's files say of it, read once: the modules, the limits, the texts' treatment, the weights.

Every engine is loaded by this value; plan and doctor decide by it. Frozen values without files: `describe` reads them.
"""

from dataclasses import dataclass
from typing import Literal

PoolingMode = Literal["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
POOLING_MODES: tuple[PoolingMode, ...] = (
    "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken",
)  # in the order in which sentence-transformers concatenates them  # fmt: skip

WeightsFormat = Literal["safetensors", "pickle", "none", "unknown"]  # unknown: the hub could not be asked


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a model cannot be embedded exactly, and what to do."""

    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class Pooling:
    """How a vector is made of the tokens' states: the modes, concatenated in this order."""

    modes: tuple[PoolingMode, ...]
    include_prompt: bool = True  # False: the tokens of the prompt are left out of the pooling


@dataclass(frozen=True, slots=True)
class Dense:
    """A matrix after the pooling, with its weights in `<path>/<file>`."""

    path: str  # folder inside the model, such as 2_Dense
    inputs: int
    outputs: int
    bias: bool
    activation: str  # a class of torch.nn without arguments, such as Tanh or Identity
    file: str | None  # model.safetensors, or pytorch_model.bin (pickle); None: the folder has no weights


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """A layer norm of the vector, with its weights in `<path>/<file>`."""

    path: str
    dimensions: int
    file: str | None


@dataclass(frozen=True, slots=True)
class Normalize:
    """Scales the vector to length 1. The last one changes nothing: all vectors are written with length 1."""


Layer = Dense | LayerNorm | Normalize  # after the pooling, in the order of modules.json; Dropout is left out


@dataclass(frozen=True, slots=True)
class TextSettings:
    """What is done to a text before the tokens: as sentence-transformers' `encode(text)` does it."""

    prompts: tuple[tuple[str, str], ...] = ()  # by name, as in config_sentence_transformers.json
    default_prompt_name: str | None = None
    lower_case: bool = False  # do_lower_case of sentence_*_config.json: whatever the tokenizer does

    @property
    def default_prompt(self) -> str:
        """What stands before every text when the job has no prompt of its own."""
        return dict(self.prompts).get(self.default_prompt_name or "", "")


@dataclass(frozen=True, slots=True)
class LengthLimit:
    """The longest text in tokens, special tokens included; None: no file says. `source` is the file and key."""

    tokens: int | None
    source: str
    positions: int | None = (
        None  # max_position_embeddings without reserved rows: more than this vLLM does not read
    )
    reference_tokens: int | None = (
        None  # where sentence-transformers has a larger one, and fails beyond `tokens`
    )


@dataclass(frozen=True, slots=True)
class Weights:
    """The files of the weights of the transformer, their format and dtype."""

    format: WeightsFormat
    files: tuple[str, ...] = ()  # inside the model
    missing: tuple[str, ...] = ()  # shards that the index names and that are not there
    damaged: tuple[str, ...] = ()  # what is wrong with a file, in words
    dtype: str | None = None  # of most weights, as torch names it: float32, float16, bfloat16
    others: tuple[
        str, ...
    ] = ()  # formats that no engine here reads, such as onnx, where there is nothing else
    token_rows: int | None = None  # of the table of tokens; None: no file here names it


@dataclass(frozen=True, slots=True)
class Adapter:
    """A PEFT adapter on a base model."""

    base: str
    kind: str  # LORA, IA3, ...


@dataclass(frozen=True, slots=True)
class OwnCode:
    """Code in the model's repository that its files ask for, by the key of auto_map: `AutoModel`, `AutoTokenizer`."""

    model: str | None = None
    tokenizer: str | None = None


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model as its files describe it. `unsupported` says what no engine here computes."""

    model: str  # folder or hub id
    revision: str | None
    folder: str  # of the transformer inside the model: "" or 0_Transformer
    model_type: str | None  # of config.json; None: it does not say
    architectures: tuple[str, ...]
    pooling: Pooling
    layers: tuple[Layer, ...]
    modules: tuple[str, ...]  # the full types of modules.json; () without one
    text: TextSettings
    limit: LengthLimit
    hidden: int | None  # width of the tokens' states
    truncate_dim: int | None
    similarity: str | None  # cosine, dot, ...: `dot` models rank otherwise by vectors of length 1
    own_code: OwnCode
    adapter: Adapter | None
    weights: Weights
    causal: bool | None = None  # is_causal of config.json
    bidirectional: bool | None = None  # use_bidirectional_attention of config.json
    quantization: str | None = None  # quant_method of config.json
    vocabulary: int | None = None  # vocab_size of config.json: rows of its table of tokens
    scaled_by_longest: bool = False  # positions depend on the longest text of a batch
    unsupported: tuple[Finding, ...] = ()

    @property
    def conversion(self) -> str:
        """What to do with a layout that is not read here, and that sentence-transformers reads."""
        return (
            f"once, where sentence-transformers is installed: `SentenceTransformer({self.model!r}).save_pretrained"
            '("FOLDER")`; then `model: FOLDER`'
        )

    @property
    def dimensions(self) -> int | None:
        """The width of the vectors that the model gives; None when the files do not say."""
        width = None if self.hidden is None else self.hidden * len(self.pooling.modes)
        for layer in self.layers:
            if isinstance(layer, Dense):
                width = layer.outputs
        if width is not None and self.truncate_dim is not None:
            width = min(width, self.truncate_dim)
        return width
