"""What sentence-transformers does to a text before its tokens: prompts, lower-casing, truncation side, templates.

Read of sentence_*_config.json, config_sentence_transformers.json and tokenizer_config.json.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from tasks.models.description import Finding, TextSettings
from tasks.models.files import DAMAGED, BadModel, ModelFiles

# The names that sentence-transformers looks for, in its order; the first that holds something counts.
CARDS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
OTHER_MODEL = "name another model: one that takes plain texts"
# Arguments of the model's or the config's loading that change no vector, or that the engine sets itself.
HARMLESS_ARGUMENTS = (
    "add_pooling_layer", "attn_implementation", "code_revision", "device_map", "dtype",
    "low_cpu_mem_usage", "revision", "torch_dtype", "trust_remote_code", "use_cache", "use_safetensors",
)  # fmt: skip
QUERY_PROMPT = "query"  # the name that sentence-transformers has for the prompt of queries
# Of a prompt, which stands before each text and is tokenized with it. Instructions of models have some hundred; a damaged
# or hostile folder may have millions, and a worker would tokenize them for minutes before it found that no text fits.
MOST_PROMPT_CHARACTERS = 100_000
TEMPLATES = ("chat_template.jinja", "chat_template.json")


@dataclass(frozen=True, slots=True)
class Card:
    """The sentence_*_config.json of a model, by its name; empty without one."""

    name: str
    found: Mapping[str, Any]

    def arguments(self, kind: Literal["model", "tokenizer", "config"]) -> Mapping[str, Any]:
        """What it passes on: `tokenizer_args`, or `processor_kwargs` since version 5.4, and so on."""
        new = {"model": "model_kwargs", "tokenizer": "processor_kwargs", "config": "config_kwargs"}[kind]
        value = self.found.get(f"{kind}_args", self.found.get(new))
        return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def read_card(files: ModelFiles, folder: str) -> Card:
    """The first sentence_*_config.json of the transformer's folder that says something."""
    before = f"{folder}/" if folder else ""
    for name in CARDS:
        found = files.json(before + name)
        if found:
            return Card(before + name, found)
    return Card(CARDS[0], {})


def tokenizer_settings(files: ModelFiles, folder: str, card: Card) -> dict[str, Any]:
    """tokenizer_config.json, with the card's own arguments before it."""
    before = f"{folder}/" if folder else ""
    return {**files.json(f"{before}tokenizer_config.json"), **card.arguments("tokenizer")}


def query_prompt_in(prompts: Mapping[str, str], document_prompt: str) -> str:
    """What a model with these prompts wants before a query: its prompt of that name, else that of the documents."""
    return prompts.get(QUERY_PROMPT, document_prompt)


def read_text_settings(files: ModelFiles, card: Card) -> TextSettings:
    """What is done to a text.

    Raises:
        BadModel: the prompts are damaged, or longer than any text that a model reads.
    """
    saved = files.json("config_sentence_transformers.json")
    found = saved.get("prompts")
    prompts = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    named = tuple(
        (name, text or "") for name, text in prompts.items() if text is None or isinstance(text, str)
    )
    default = saved.get("default_prompt_name")
    if len(named) != len(prompts) or (default is not None and not isinstance(default, str)):
        raise BadModel(
            f"the prompts in config_sentence_transformers.json of {files.model} are damaged", hint=DAMAGED
        )
    longest = max(named, key=lambda one: len(one[1]), default=("", ""))
    if len(longest[1]) > MOST_PROMPT_CHARACTERS:
        raise BadModel(
            f"the prompt {longest[0]!r} in config_sentence_transformers.json of {files.model} has "
            f"{len(longest[1]):,} characters; {MOST_PROMPT_CHARACTERS:,} are read at most",
            hint="shorten it in that file",
        )
    if default is not None and default not in {*prompts, "query", "document"}:
        raise BadModel(
            f"config_sentence_transformers.json of {files.model} has default_prompt_name: {default!r}, which is none of "
            f"its prompts: {', '.join(prompts) or 'it has none'}",
            hint="set default_prompt_name in that file to one of its prompts, or to null",
        )
    return TextSettings(
        prompts=named,
        default_prompt_name=default,
        lower_case=card.found.get("do_lower_case") is True,
    )


def check_texts_are_plain(
    files: ModelFiles, folder: str, card: Card, settings: Mapping[str, Any]
) -> list[Finding]:
    """What keeps a text from being tokenized as it is, or the states from being those of the last layer."""
    out: list[Finding] = []
    before = f"{folder}/" if folder else ""
    task = card.found.get("transformer_task", "feature-extraction")
    if task != "feature-extraction":
        out.append(Finding(f"{card.name} says transformer_task: {task}: it gives no embeddings", OTHER_MODEL))
    modality = card.found.get("modality_config")
    if isinstance(modality, dict):
        out += _modality(card.name, cast("dict[str, Any]", modality), card.found.get("module_output_name"))
    templates = [name for name in TEMPLATES if files.has(before + name)]
    if settings.get("chat_template") or templates:
        where = f"{before}{templates[0]}" if templates else f"chat_template of {before}tokenizer_config.json"
        if not files.has("modules.json"):  # with one, texts are plain unless modality_config says otherwise
            out.append(_template(where))
    if card.found.get("processing_kwargs"):
        out.append(Finding(f"{card.name} says processing_kwargs, which no engine here obeys", OTHER_MODEL))
    if card.found.get("tokenizer_name_or_path"):
        named = card.found["tokenizer_name_or_path"]
        out.append(
            Finding(f"{card.name} takes the tokenizer of another model, {named}", "copy it into the folder")
        )
    for kind in ("model", "config"):
        unknown = sorted(card.arguments(kind).keys() - set(HARMLESS_ARGUMENTS))
        if unknown:
            what = f"{card.name} sets {', '.join(unknown)} of the {kind}, which no engine here obeys"
            out.append(Finding(what, "write them into config.json, where they belong, and name that folder"))
    saved = files.json("config_sentence_transformers.json").get("model_type", "SentenceTransformer")
    if saved != "SentenceTransformer":
        out.append(Finding(f"it is a {saved}, which gives no dense vectors", OTHER_MODEL))
    return out


def _modality(name: str, modality: Mapping[str, Any], output: object) -> list[Finding]:
    if "message" in modality:
        return [_template(f"modality_config of {name}")]
    text = modality.get("text")
    method = cast("dict[str, Any]", text) if isinstance(text, dict) else {}
    plain = method.get("method") == "forward" and method.get("method_output_name") == "last_hidden_state"
    if not plain or output not in (None, "token_embeddings"):
        return [Finding(f"modality_config of {name} wants other states than the last layer's", OTHER_MODEL)]
    return []


def _template(where: str) -> Finding:
    return Finding(
        f"sentence-transformers puts a chat template around each of its texts ({where}), and no engine here does",
        OTHER_MODEL + "; embedding models made of chat models say in modules.json how they pool",
    )
