"""Convert a tokenizer without tokenizer.json (vocab.txt, sentencepiece) by transformers, where that is installed."""
# transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import importlib.util
import warnings
from typing import Any

from tokenizers import Tokenizer

from tasks.models.description import ModelDescription
from tasks.models.files import BadModel, ModelFiles

# Files with a vocabulary. Without one, transformers makes a tokenizer that knows five tokens, and says nothing.
VOCABULARIES = (
    "vocab.txt", "vocab.json", "spiece.model", "spm.model", "sentencepiece.bpe.model", "sentencepiece.model",
    "tokenizer.model", "tekken.json", "bpe.codes", "dict.txt",
)  # fmt: skip
CONVERT = (
    "`SentenceTransformer({0!r}).save_pretrained(folder)` writes a folder that has one: name that as `model:`"
)


def converted(files: ModelFiles, described: ModelDescription) -> Tokenizer:
    """The tokenizer as transformers converts it.

    Raises:
        BadModel: there is no vocabulary, transformers is not installed, or it cannot convert this tokenizer.
    """
    before = f"{described.folder}/" if described.folder else ""
    found = [name for name in VOCABULARIES if files.has(before + name)]
    if not found:
        raise BadModel(
            f"no {before}tokenizer.json and no vocabulary in {described.model}",
            hint="name a model folder as sentence-transformers saves it",
        )
    if importlib.util.find_spec("transformers") is None:
        raise BadModel(
            f"{described.model} has {before}{found[0]} and no tokenizer.json; transformers, which converts it, is "
            "not installed here",
            hint=f"pip install 'embedfleet[worker]'; or {described.conversion}",
        )
    try:
        tokenizer = reference(described).backend_tokenizer
        return Tokenizer.from_str(tokenizer.to_str())
    except (
        Exception
    ) as error:  # whatever the conversion raises: sentencepiece's, protobuf's, an AttributeError
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise BadModel(
            f"cannot convert the tokenizer {before}{found[0]} of {described.model}: {reason}",
            hint=f"pip install sentencepiece protobuf; or {described.conversion}",
        ) from error


def reference(described: ModelDescription, *, remote_code: bool = False, **arguments: Any) -> Any:
    """The tokenizer of a model as transformers loads it. `arguments` go before those of the model's files."""
    import transformers  # noqa: PLC0415 - takes seconds, and few models need it

    with warnings.catch_warnings():  # its deprecations are not about us
        warnings.simplefilter("ignore")
        return transformers.AutoTokenizer.from_pretrained(
            described.model,
            subfolder=described.folder,
            revision=described.revision,
            trust_remote_code=remote_code,
            **arguments,
        )
