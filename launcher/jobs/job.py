"""A Job: what the user wants, read once from job.yaml into a value that does not change.

Knows what may be said and what it means; `jobfile` knows how it is written. Knows no disk: paths stay as they were
written, GPU names and models are checked by those who know them.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from math import fsum
from typing import Any, Literal, cast

from launcher.jobs.yaml_fields import (
    DATE,
    BadJob,
    Field,
    choice,
    count,
    dollars,
    flag,
    hours,
    items,
    missing,
    moment,
    number,
    read,
    shown,
    table,
    text,
    words,
)

Dtype = Literal["float32", "float16", "int8", "binary"]
Engine = Literal["auto", "vllm", "torch", "hash"]
Spot = Literal["only", "prefer", "never"]

DTYPES: tuple[Dtype, ...] = ("float32", "float16", "int8", "binary")
OURS = ("id", "chunk", "vector", "scale")  # columns of the output, so nothing else may be called that
ENGINES: tuple[Engine, ...] = ("auto", "vllm", "torch", "hash")
SPOTS: tuple[Spot, ...] = ("only", "prefer", "never")
CLOUDS = ("aws", "gcp", "azure", "lambda", "nebius", "runpod", "vast", "hyperstack", "do", "local")
STORES = (*CLOUDS[:3], "r2", "local")  # whose storage has a price here
NOWHERE = ("r2", "local")  # without regions
POOLINGS = ("mean", "cls", "last")
FLAGS = ("glu", "causal")
SIZES = (
    *("layers", "hidden", "heads", "kv_heads", "head_dim"),
    *("intermediate", "vocabulary", "max_tokens", "dimensions"),
)
KEYS = (
    *("name", "corpus", "model", "chunk", "truncate", "output"),
    *("limits", "quota", "local", "engine", "prompt", "speed", "notify"),
)

VARIABLE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]{0,63}")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")  # it becomes part of machine names and labels
CENT = Decimal("0.01")
LEAST_SHARE = Decimal("1e-9")
SHARES_OFF = 1e-6  # how far from 1 shares written by hand may sum


@dataclass(frozen=True, slots=True)
class CorpusSource:
    """A corpus that can be read: a folder, a glob or a file."""

    path: str
    text: str = "text"  # column or key of the text
    id: str | None = None  # column or key of the document's id; None: file and position
    region: str | None = None  # where it lies, as cloud/region; None: not said


@dataclass(frozen=True, slots=True)
class DeclaredCorpus:
    """A corpus that is only described, to plan without data."""

    documents: int
    lengths: tuple[tuple[float, float], ...]  # (share of the documents, tokens); shares sum to 1
    region: str | None = None  # where it will lie


@dataclass(frozen=True, slots=True)
class Chunking:
    """How a document becomes chunks; all None: one chunk, cut at the model's maximum."""

    tokens: int | None = None
    overlap: int = 0
    truncate: int | None = None  # one chunk, cut here; never beside `tokens`


@dataclass(frozen=True, slots=True)
class JobOutput:
    path: str
    dtype: Dtype = "float32"
    dimensions: int | None = None  # leading dimensions to keep; None: all
    region: str | None = None  # where it lies, as cloud/region; None: not said
    keep: tuple[str, ...] = ()  # columns or keys of the corpus that lie beside the vectors


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What the plan must keep to. None and empty: no limit."""

    deadline_hours: float | None = None
    budget: Decimal | None = None
    gpus: tuple[str, ...] = ()
    clouds: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()  # glob patterns
    spot: Spot = "prefer"
    machines: int | None = None
    deadline_at: str | None = None  # a moment, ISO 8601 with its offset, instead of hours
    machines_per_region: int | None = None  # of one GPU type; None: as many as are known to be obtainable


@dataclass(frozen=True, slots=True)
class QuotaLimit:
    """How many GPUs an account may have in one region; None: not said."""

    cloud: str
    region: str
    gpu: str
    spot: int | None
    on_demand: int | None


@dataclass(frozen=True, slots=True)
class LocalMachine:
    """This machine. What its hour costs is unknown (None) until the user says so; 0 is a statement."""

    workers: int | None = None
    usd_per_hour: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    corpus: CorpusSource | DeclaredCorpus
    model: str
    shape: Mapping[str, int | bool | str] | None = None
    chunk: Chunking = Chunking()
    output: JobOutput | None = None  # None only beside a declared corpus
    limits: JobLimits = JobLimits()
    quota: tuple[QuotaLimit, ...] = ()
    local: LocalMachine = LocalMachine()
    engine: Engine = "auto"
    prompt: str = ""  # put before every document
    speed: Mapping[str, float] = field(
        default_factory=dict[str, float]
    )  # tokens/s of one GPU, as the user knows it
    remote_code: bool = False  # run code that comes with the model; only on the user's word
    notify: str | None = None  # $NAME of the environment variable that holds a webhook's address


def parse(text: str, *, where: str = "job.yaml") -> Job:
    """The job in this text; `where` names the file in messages.

    Raises:
        BadJob: with every mistake and its line.
    """
    top = read(text, where)
    job = _job(top)
    if top.mistakes:
        raise BadJob(where, top.mistakes)
    return job


# Below, what is missing or wrong is noted and stands as "" or 0, in a value that `parse` then throws away.


def _job(top: Field) -> Job:
    at = table(top, KEYS, required=("name", "corpus", "model"))
    corpus = _corpus(at.get("corpus"))
    model, shape, remote_code = _model(at.get("model"))
    if "output" not in at and isinstance(corpus, CorpusSource):
        missing(top, "output")
    return Job(
        name=_name(at.get("name")),
        corpus=corpus,
        model=model,
        shape=shape,
        chunk=_chunking(at.get("chunk"), at.get("truncate")),
        output=_output(at["output"]) if "output" in at else None,
        limits=_limits(at.get("limits")),
        quota=_quota(at.get("quota")),
        local=_local(at.get("local")),
        engine=choice(at.get("engine"), ENGINES) or "auto",
        prompt=text(at.get("prompt"), blank=True) or "",
        speed=_speed(at.get("speed")),
        remote_code=remote_code,
        notify=_notify(at.get("notify")),
    )


def _notify(field: Field | None) -> str | None:
    """The name of a variable and never an address, which is a secret and would lie in the plan and in the ledger."""
    name = text(field)
    if field is None or name is None or VARIABLE.fullmatch(name):
        return name
    field.wrong("must name the environment variable that holds the webhook's address, such as $SLACK_WEBHOOK")
    return None


def _name(field: Field | None) -> str:
    name = text(field)
    if field is None or name is None or NAME.fullmatch(name):
        return name or ""
    plain = unicodedata.normalize("NFKD", name[:200]).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].rstrip("-")
    offer = f"; write {slug}" if slug else ""
    field.wrong(f"must be 1 to 48 of a-z, 0-9 and -, not - first; this is {shown(name)}{offer}")
    return name


def _corpus(field: Field | None) -> CorpusSource | DeclaredCorpus:
    if field is None or field.holds_text:
        return CorpusSource(text(field) or "")
    source, declared = ("path", "text", "id"), ("documents", "tokens_per_document")
    at = table(field, (*source, *declared, "region"))
    to_read, said = [k for k in source if k in at], [k for k in declared if k in at]
    if to_read and said:
        field.wrong(
            f"{to_read[0]} and {said[0]} together; a corpus is either read (path, text, id) "
            "or declared (documents, tokens_per_document)"
        )
    elif at:
        for name in declared if said else ("path",):
            if name not in at:
                missing(field, name)
    lengths = _lengths(at.get("tokens_per_document"))
    documents = count(at.get("documents")) or 0
    region = _region(at.get("region"))
    found = CorpusSource(
        text(at.get("path")) or "", text(at.get("text")) or "text", text(at.get("id")), region
    )
    return DeclaredCorpus(documents, lengths, region) if said else found


def _region(field: Field | None) -> str | None:
    """Where files lie: aws/us-east-1, or r2 alone."""
    written = text(field)
    if field is None or written is None:
        return None
    cloud, _, region = written.partition("/")
    if cloud in STORES and (region or cloud in NOWHERE):
        return written
    return field.wrong(f"must be cloud/region, such as aws/us-east-1, or r2; this is {shown(written)}")


def _lengths(field: Field | None) -> tuple[tuple[float, float], ...]:
    """One length for all, or [share, tokens] pairs."""
    if field is None:
        return ()
    if field.holds_text:
        return ((1.0, _tokens(field)),)
    before, lengths = len(field.mistakes), list[tuple[float, float]]()
    for pair in items(field, "[[0.9, 100], [0.1, 800]]"):
        both = items(pair, "[0.9, 100]")
        if len(both) == 2:
            share = number(both[0], LEAST_SHARE, "a share of the documents above 0, such as 0.9")
            lengths.append((float(share or 0), _tokens(both[1])))
        elif both:
            pair.wrong(f"must be [share, tokens], such as [0.9, 100]; this has {len(both)} entries")
    total = fsum(share for share, _ in lengths)
    if len(field.mistakes) == before and abs(total - 1) > SHARES_OFF:
        field.wrong(f"shares must sum to 1; they sum to {total:.9g}")
    return tuple(lengths)


def _tokens(field: Field) -> float:
    return float(number(field, Decimal(1), "a number of tokens, 1 or more, such as 102") or 0)


def _model(field: Field | None) -> tuple[str, Mapping[str, int | bool | str] | None, bool]:
    """Its name, its shape where one is given, and whether its own code may run."""
    if field is None or field.holds_text:
        return text(field) or "", None, False
    at = table(field, ("name", *SIZES, "pooling", *FLAGS, "trust_remote_code"), required=("name",))
    given = (
        {name: count(at[name]) for name in SIZES if name in at}
        | {name: flag(at[name]) for name in FLAGS if name in at}
        | {name: choice(at[name], POOLINGS) for name in ("pooling",) if name in at}
    )
    for name in ("layers", "hidden"):  # without these a shape says nothing; the rest has usual values
        if given and name not in given:
            missing(field, name)
    shape = {k: v for k, v in given.items() if v is not None} or None
    return text(at.get("name")) or "", shape, flag(at.get("trust_remote_code")) or False


def _chunking(chunk: Field | None, truncate: Field | None) -> Chunking:
    at = table(chunk, ("tokens", "overlap", "truncate"))
    if chunk and truncate:
        truncate.wrong(f"chunk is given too, in line {chunk.line}; keep one")
    if chunk and "tokens" in at and "truncate" in at:
        chunk.wrong("tokens and truncate together; keep one")
    if "overlap" in at and "tokens" not in at:
        at["overlap"].wrong("says nothing without chunk.tokens; add tokens")
    tokens, overlap = count(at.get("tokens")), count(at.get("overlap"), least=0) or 0
    if tokens and overlap >= tokens:
        at["overlap"].wrong(f"must be less than tokens, {tokens}; this is {overlap}")
    cut = count(truncate)
    return Chunking(tokens, overlap, count(at.get("truncate")) or cut)


def _output(field: Field) -> JobOutput:
    if field.holds_text:
        return JobOutput(text(field) or "")
    at = table(field, ("path", "dtype", "dimensions", "region", "keep"), required=("path",))
    path, dtype = text(at.get("path")) or "", choice(at.get("dtype"), DTYPES) or "float32"
    dimensions = count(at.get("dimensions"))
    if dtype == "binary" and dimensions and dimensions % 8:
        near = max(8, dimensions - dimensions % 8)
        at["dimensions"].wrong(f"must be a multiple of 8 for binary, such as {near}; this is {dimensions}")
    return JobOutput(path, dtype, dimensions, _region(at.get("region")), _keep(at.get("keep")))


def _keep(field: Field | None) -> tuple[str, ...]:
    kept: list[str] = []
    for entry in words(field, "[text, title]"):
        name = text(entry)
        if name in OURS:
            entry.wrong(f"{name} is a column of the output already; it has {', '.join(OURS)}")
        elif name in kept:
            entry.wrong(f"{shown(name)} is named twice")
        elif name is not None:
            kept.append(name)
    return tuple(kept)


def _limits(field: Field | None) -> JobLimits:
    named = ("deadline", "budget", "gpus", "clouds", "regions", "spot", "machines", "machines_per_region")
    at = table(field, named)
    date = (
        DATE.match(deadline.node.value) if (deadline := at.get("deadline")) and deadline.holds_text else None
    )
    return JobLimits(
        deadline_hours=None if date else hours(deadline),
        deadline_at=moment(deadline) if date else None,
        budget=dollars(at.get("budget"), CENT),
        gpus=tuple(text(f) or "" for f in words(at.get("gpus"), "[L4, H100]")),
        clouds=tuple(choice(f, CLOUDS) or "" for f in words(at.get("clouds"), "[aws, gcp]")),
        regions=tuple(text(f) or "" for f in words(at.get("regions"), "[us-*, europe-*]")),
        spot=choice(at.get("spot"), SPOTS) or "prefer",
        machines=count(at.get("machines")),
        machines_per_region=count(at.get("machines_per_region")),
    )


def _speed(field: Field | None) -> dict[str, float]:
    """Tokens per second of one GPU, by GPU."""
    what = "tokens a second of one GPU, above 0, such as 897"
    return {gpu: float(number(f, Decimal("0.001"), what) or 0) for gpu, f in table(field).items()}


def _quota(field: Field | None) -> tuple[QuotaLimit, ...]:
    return tuple(
        QuotaLimit(cloud, region, gpu, count(at.get("spot"), least=0), count(at.get("on_demand"), least=0))
        for cloud, regions in table(field, CLOUDS).items()
        for region, gpus in table(regions).items()
        for gpu, limit in table(gpus).items()
        for at in [table(limit, ("spot", "on_demand"))]
    )


def _local(field: Field | None) -> LocalMachine:
    at = table(field, ("workers", "usd_per_hour"))
    return LocalMachine(count(at.get("workers")), dollars(at.get("usd_per_hour"), Decimal(0)))


def dump(job: Job) -> dict[str, Any]:
    """The job as plain JSON values, for plan.json; money is text."""
    return cast("dict[str, Any]", _plain(asdict(job)))


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {k: _plain(v) for k, v in cast("dict[str, Any]", value).items()}
        case list() | tuple():
            return [_plain(v) for v in cast("list[Any]", value)]
        case Decimal():
            return str(value)
        case _:
            return value


def load(plain: Mapping[str, Any]) -> Job:
    """The job that `dump` wrote."""
    corpus, limits, local = plain["corpus"], plain["limits"], plain["local"]
    tuples = {k: tuple(limits[k]) for k in ("gpus", "clouds", "regions")}
    nested: dict[str, Any] = {
        "corpus": DeclaredCorpus(**corpus | {"lengths": tuple((s, t) for s, t in corpus["lengths"])})
        if "documents" in corpus
        else CorpusSource(**corpus),
        "chunk": Chunking(**plain["chunk"]),
        "output": _written(plain["output"]) if plain["output"] else None,
        "limits": JobLimits(**limits | tuples | {"budget": _money(limits["budget"])}),
        "quota": tuple(QuotaLimit(**q) for q in plain["quota"]),
        "local": LocalMachine(**local | {"usd_per_hour": _money(local["usd_per_hour"])}),
    }
    return Job(**dict(plain) | nested)


def _written(plain: Mapping[str, Any]) -> JobOutput:
    fields: dict[str, Any] = dict(plain) | {"keep": tuple(plain.get("keep", ()))}  # older plans have no keep
    return JobOutput(**fields)


def _money(plain: str | None) -> Decimal | None:
    return None if plain is None else Decimal(plain)
