"""Every key of a job file: its name, what it means, the form of its value and an example.

The one table that the parser takes its keys and words from, and that the JSON Schema of job.yaml is made of. A key that
is not here does not exist.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from launcher.jobs.job import Deduplicate, Engine, LoadWhen, Spot, Steer, Unit, WhenShort
from launcher.sinks.index import IndexKind
from pricing.account.discounts import Covers
from pricing.clouds import CLOUDS as PRICED_CLOUDS
from pricing.clouds import WITHOUT_PRICE
from tasks.models.precision import PRECISIONS
from tasks.models.tokenizing.chunk_by import CHUNK_BY
from tasks.protocol.dtypes import Dtype
from tasks.protocol.shard import KINDS

Form = Literal[
    "text",
    "path",
    "count",  # a whole number of 1 or more; 29.5M and 1,000 are numbers, too
    "count0",  # of 0 or more
    "number",
    "flag",
    "dollars",
    "duration",  # or, as a deadline, a date
    "per cent",
    "texts",  # a list, or one
    "mapping",  # of the section of the same name
    "mappings",  # a list of them
    "free",  # a mapping whose keys are names, such as GPUs
    "lengths",
    "header",
    "opt_in",
]

DTYPES: tuple[Dtype, ...] = ("float32", "float16", "int8", "binary")
ENGINES: tuple[Engine, ...] = ("auto", "vllm", "torch", "packed", "openvino", "hash")
UNITS: tuple[Unit, ...] = ("file", "line")
SPOTS: tuple[Spot, ...] = ("only", "prefer", "never")
DEDUPLICATES: tuple[Deduplicate, ...] = ("window", "corpus")
STEERS: tuple[Steer, ...] = ("autopilot", "static", "on-demand")
LOAD_WHEN: tuple[LoadWhen, ...] = ("end", "shards")
INDEX_KINDS: tuple[IndexKind, ...] = ("hnsw", "none")
WHEN_SHORT: tuple[WhenShort, ...] = ("late", "stop", "deadline")
CLOUDS = (*(cloud for cloud in PRICED_CLOUDS if cloud not in WITHOUT_PRICE), "local")
# What a job may be limited to. What machines on Slurm cost stands in a price book of their owner.
LIMIT_CLOUDS = (*CLOUDS[:-1], "slurm", "local")
POOLINGS = ("mean", "cls", "last")
COVERS: tuple[Covers, ...] = ("on-demand", "spot", "all")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a section. `also` is what may stand there instead of a mapping; `words` are all values that it has."""

    name: str
    what: str
    form: Form = "text"
    example: str = ""  # a value, as it is written in YAML
    words: Sequence[str] = ()
    required: bool = False
    also: Literal["path", "text"] | None = None


TOP = ""
SHAPE_SIZES = (
    "layers",
    "hidden",
    "heads",
    "kv_heads",
    "head_dim",
    "intermediate",
    "vocabulary",
    "max_tokens",
    "dimensions",
)
SHAPE_FLAGS = ("glu", "causal")

SECTIONS: Mapping[str, tuple[Key, ...]] = {
    TOP: (
        Key("name", "1 to 48 of a-z, 0-9 and -; names of runs begin with it", example="reviews", required=True),
        Key("corpus", "what is embedded", "mapping", "{path: reviews, text: text}", required=True, also="path"),
        Key("model", "a hub id, a folder, or hash", "mapping", "BAAI/bge-small-en-v1.5", required=True, also="text"),
        Key("chunk", "how documents are cut into chunks, one vector each", "mapping", "{tokens: 256, overlap: 32}"),
        Key("truncate", "one vector a document, of its first tokens; not with chunk.tokens", "count", "256"),
        Key("output", "where the vectors go; required to embed", "mapping", "{path: vectors}", also="path"),
        Key("limits", "what a plan must keep", "mapping", "{deadline: 6h, budget: $5}"),
        Key("quota", "GPUs that the account may have: CLOUD: {REGION: {GPU: {spot: N, on_demand: M}}}", "free",
            "{aws: {us-east-1: {L4: {spot: 64}}}}"),
        Key("steer", "how rented machines are steered to deadline and budget", example="autopilot", words=STEERS),
        Key("local", "this machine", "mapping", "{usd_per_hour: 0.05}"),
        Key("engine", "what computes the vectors", example="auto", words=ENGINES),
        Key("precision", "of weights and activations", example="auto", words=("auto", *PRECISIONS)),
        Key("prompt", "put before every document, or the name of one of the model's prompts", example='"passage: "'),
        Key("deduplicate", "which texts are embedded once: what a worker had lately, or all that the corpus repeats",
            example="corpus", words=DEDUPLICATES),
        Key("speed", "tokens per second of one GPU, by GPU, where you know better", "free", "{L4: 897}"),
        Key("notify", "$NAME of the environment variable with a webhook's address", example="$SLACK_WEBHOOK"),
        Key("sink", "the vector store that the vectors are loaded into", "mapping", "{to: docs.lance}", also="text"),
        Key("discounts", "what the account pays less", "mappings", "[{cloud: aws, off: 20%}]"),
    ),
    "corpus": (
        Key("path", "a folder, a file or a glob here, or s3:// or gs://", "path", "reviews"),
        Key("text", "column or key of the text", example="text"),
        Key("id", "column or key of the document's id", example="review_id"),
        Key("csv", "how CSV and TSV files are written", "mapping", '{delimiter: ";"}'),
        Key("format", "of every file, whatever its name ends with", example="jsonl", words=KINDS),
        Key("join", "put between the strings of a list that is a text", example=r'"\n"'),
        Key("unit", "what is a document of text files", example="file", words=UNITS),
        Key("documents", "of a corpus that is only declared: how many", "count", "29.5M"),
        Key("tokens_per_document", "of a declared corpus: a number, or [share, tokens] pairs", "lengths", "120"),
        Key("region", "where the files are, as aws/us-east-1, or r2", example="aws/us-east-1"),
    ),
    "csv": (
        Key("delimiter", "one character, or tab", example='";"'),
        Key("quote", "one character, or none", example="none"),
        Key("escape", "one character before a quote or a delimiter, or none", example="none"),
        Key("header", "true, false, or the names of the columns", "header", "[id, text]"),
        Key("encoding", "such as utf-16 or latin-1", example="latin-1"),
    ),
    "model": (
        Key("name", "a hub id, a folder, or hash", example="BAAI/bge-m3", required=True),
        *(Key(name, "of the model's shape, to plan without its files", "count", "24") for name in SHAPE_SIZES),
        Key("pooling", "of the model's shape", example="mean", words=POOLINGS),
        *(Key(name, "of the model's shape", "flag", "true") for name in SHAPE_FLAGS),
        Key("trust_remote_code", "run code that comes with the model", "flag", "false"),
        Key("query_prompt", "put before every query, or the name of one of the model's prompts", example='"query: "'),
    ),
    "chunk": (
        Key("tokens", "of a chunk at most, special tokens included", "count", "256"),
        Key("overlap", "tokens that neighbouring chunks share", "count0", "32"),
        Key("truncate", "one vector a document, of its first tokens; not with tokens", "count", "256"),
        Key("by", "where a chunk may end", example="sentences", words=CHUNK_BY),
    ),
    "output": (
        Key("path", "a folder here, or s3:// or gs://", "path", "vectors", required=True),
        Key("dtype", "of the stored numbers", example="float16", words=DTYPES),
        Key("dimensions", "leading dimensions to keep, of a Matryoshka model", "count", "256"),
        Key("region", "where it is, as aws/us-east-1, or r2", example="aws/us-east-1"),
        Key("keep", "columns of the corpus to keep beside the vectors", "texts", "[title]"),
    ),
    "limits": (
        Key("deadline", "a duration such as 6h, or a date", "duration", "6h"),
        Key("budget", "dollars at most", "dollars", "$300"),
        Key("gpus", "GPUs that may be rented", "texts", "[L4, H100]"),
        Key("clouds", "clouds that may be used; local is this machine", "texts", "[aws, gcp]", words=LIMIT_CLOUDS),
        Key("regions", "patterns of regions", "texts", "[us-*]"),
        Key("spot", "whether machines may be preempted", example="prefer", words=SPOTS),
        Key("machines", "at most", "count", "8"),
        Key("machines_per_region", "at most", "count", "4"),
        Key("opt_in", "places that the account has asked for: patterns, or true", "opt_in", "[eu-south-2]"),
        Key("when_short", "what gives way if the budget does not pay for the deadline", example="late", words=WHEN_SHORT),
        Key("on_demand", "machines on demand at most, where the fleet is steered", "count0", "16"),
    ),
    "sink": (
        Key("to", "the address of the store and its collection, without a password", required=True,
            example='"postgresql://localhost/search?table=docs"'),
        Key("secret", "$NAME of the environment variable with a password or key", example="$DB_PASSWORD"),
        Key("index", "the index that the store builds", "mapping", "{type: hnsw, m: 32}", also="text"),
        Key("keep", "kept columns to load, or none; all without it", "texts", "[title]"),
        Key("when", "end: when the run is done; shards: each shard as it is done", example="shards", words=LOAD_WHEN),
    ),
    "index": (
        Key("type", "hnsw, or none", example="hnsw", words=INDEX_KINDS),
        Key("m", "edges of a node", "count", "32"),
        Key("ef_construction", "candidates while the index is built", "count", "128"),
    ),
    "local": (
        Key("workers", "processes that embed", "count", "2"),
        Key("usd_per_hour", "what an hour of this machine costs you", "dollars", "0.05"),
    ),
    "discounts": (
        Key("cloud", "whose prices are lower", example="aws", words=CLOUDS[:-1], required=True),
        Key("off", "per cent off", "per cent", "20%"),
        Key("usd_per_hour", "instead of off: the price of a machine-hour", "dollars", "1.5"),
        Key("covers", "which prices", example="on-demand", words=COVERS),
        Key("gpu", "only machines with this GPU", example="L4"),
        Key("instance_type", "only this type of machine", example="g6.xlarge"),
        Key("region", "only regions of this pattern", example="us-*"),
    ),
}  # fmt: skip


def names(section: str) -> tuple[str, ...]:
    """The keys of a section, in their order; "" is the top of the file."""
    return tuple(key.name for key in SECTIONS[section])
