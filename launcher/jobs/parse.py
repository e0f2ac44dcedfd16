"""Parse a job file into a Job, and report every mistake with its line.

Knows which keys a job has and what their values may be; `yaml_fields` knows how values are written. Checks no paths, GPU
names or models: the planner does, with those who know them.
"""

import codecs
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from math import fsum
from pathlib import Path

from launcher import files
from launcher.jobs.job import (
    CorpusSource,
    DeclaredCorpus,
    Dtype,
    Engine,
    Job,
    JobChunking,
    JobLimits,
    JobOutput,
    LocalMachine,
    QuotaLimit,
    Spot,
)
from launcher.jobs.paths import check_location, expand
from launcher.jobs.yaml_fields import (
    DATE,
    BadJob,
    Field,
    choice,
    count,
    dollars,
    entries,
    excerpt,
    flag,
    hours,
    mapping,
    moment,
    number,
    read_fields,
    report_missing,
    text,
    word_entries,
)
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.shard import KINDS

DTYPES: tuple[Dtype, ...] = ("float32", "float16", "int8", "binary")
ENGINES: tuple[Engine, ...] = ("auto", "vllm", "torch", "packed", "hash")
SPOTS: tuple[Spot, ...] = ("only", "prefer", "never")
CLOUDS = ("aws", "gcp", "azure", "lambda", "nebius", "runpod", "vast", "hyperstack", "do", "local")
STORE_CLOUDS = (*CLOUDS[:3], "r2", "local")  # whose storage has a price here
REGIONLESS_STORES = ("r2", "local")
OUTPUT_COLUMNS = ("id", "chunk", "vector", "scale")  # of the output: a kept column may not have these names
POOLINGS = ("mean", "cls", "last")
SHAPE_FLAGS = ("glu", "causal")
SHAPE_SIZES = (
    *("layers", "hidden", "heads", "kv_heads", "head_dim"),
    *("intermediate", "vocabulary", "max_tokens", "dimensions"),
)
JOB_KEYS = (
    *("name", "corpus", "model", "chunk", "truncate", "output"),
    *("limits", "quota", "local", "engine", "prompt", "speed", "notify"),
)
SOURCE_KEYS = ("path", "text", "id", "csv", "format", "join")
CSV_KEYS = ("delimiter", "quote", "escape", "header", "encoding")
LIMIT_KEYS = ("deadline", "budget", "gpus", "clouds", "regions", "spot", "machines", "machines_per_region")

ENVIRONMENT_VARIABLE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]{0,63}")
JOB_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")  # it becomes part of machine names and labels
CENT = Decimal("0.01")
LEAST_SHARE = Decimal("1e-9")
SHARES_TOLERANCE = 1e-6  # by which the sum of shares written by hand may differ from 1


def read_job(path: Path) -> tuple[Job, Path]:
    """The job in a file, and the folder that its relative paths are relative to.

    Raises:
        Usage: the file cannot be read.
        BadJob: with every mistake and its line.
    """
    return parse(files.read(path), where=path.name), path.absolute().parent


def parse(text: str, *, where: str = "job.yaml") -> Job:
    """The job in this text. `where` names the file in messages.

    Raises:
        BadJob: with every mistake and its line.
    """
    top = read_fields(text, where)
    job = _job(top)
    if top.mistakes:
        raise BadJob(where, top.mistakes)
    return job


# Below, a missing or wrong value is reported and replaced by "" or 0, in a Job that `parse` then discards.


def _job(top: Field) -> Job:
    at = mapping(top, JOB_KEYS, required=("name", "corpus", "model"))
    corpus = _corpus(at.get("corpus"))
    model, shape, remote_code = _model(at.get("model"))
    if "output" not in at and isinstance(corpus, CorpusSource):
        report_missing(top, "output")
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
        prompt=text(at.get("prompt"), blank=True),
        speed=_speed(at.get("speed")),
        remote_code=remote_code,
        notify=_notify(at.get("notify")),
    )


def _notify(field: Field | None) -> str | None:
    """The name of an environment variable. Never an address: it is a secret, and would be in the plan and the ledger."""
    name = text(field)
    if field is None or name is None or ENVIRONMENT_VARIABLE.fullmatch(name):
        return name
    field.reject(
        "must name the environment variable that holds the webhook's address, such as $SLACK_WEBHOOK"
    )
    return None


def _name(field: Field | None) -> str:
    name = text(field)
    if field is None or name is None or JOB_NAME.fullmatch(name):
        return name or ""
    plain = unicodedata.normalize("NFKD", name[:200]).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].rstrip("-")
    offer = f"; write {slug}" if slug else ""
    field.reject(f"must be 1 to 48 of a-z, 0-9 and -, not - first; this is {excerpt(name)}{offer}")
    return name


def _path(field: Field | None) -> str | None:
    """A path or a URL; its `~` and variables are replaced here, so that a plan means the same for every reader."""
    written = text(field)
    if field is None or written is None:
        return None
    try:
        return check_location(expand(written))
    except ValueError as error:
        return field.reject(str(error))


def _model_name(field: Field | None) -> str:
    """A folder or a hub id."""
    written = text(field)
    if field is None or written is None:
        return ""
    if "://" in written:
        return field.reject("must be a folder or a hub id, such as BAAI/bge-m3, and no URL") or ""
    try:
        return expand(written)
    except ValueError as error:
        return field.reject(str(error)) or ""


def _corpus(field: Field | None) -> CorpusSource | DeclaredCorpus:
    if field is None or field.is_scalar:
        return CorpusSource(_path(field) or "")
    source_keys, declared_keys = SOURCE_KEYS, ("documents", "tokens_per_document")
    at = mapping(field, (*source_keys, *declared_keys, "region"))
    source, declared = [k for k in source_keys if k in at], [k for k in declared_keys if k in at]
    if source and declared:
        field.reject(
            f"{source[0]} and {declared[0]} together; a corpus is either read ({', '.join(source_keys)}) "
            "or declared (documents, tokens_per_document)"
        )
    elif at:
        for name in declared_keys if declared else ("path",):
            if name not in at:
                report_missing(field, name)
    lengths, documents = _lengths(at.get("tokens_per_document")), count(at.get("documents")) or 0
    region = _region(at.get("region"))
    found = CorpusSource(
        path=_path(at.get("path")) or "",
        text=text(at.get("text")) or "text",
        id=text(at.get("id")),
        region=region,
        csv=_csv_format(at.get("csv")),
        format=choice(at.get("format"), KINDS),
        join=text(at.get("join"), blank=True),
    )
    return DeclaredCorpus(documents, lengths, region) if declared else found


def _csv_format(field: Field | None) -> CsvFormat | None:
    """How CSV and TSV files are written. None: as is usual."""
    if field is None:
        return None
    at = mapping(field, CSV_KEYS)
    found = CsvFormat(
        delimiter=_character(at.get("delimiter"), {"tab": "\t"}),
        quote=_character(at.get("quote"), {"none": ""}),
        escape=_character(at.get("escape"), {"none": ""}),
        header=_csv_header(at.get("header")),
        encoding=_encoding(at.get("encoding")),
    )
    quote = '"' if found.quote is None else found.quote
    if found.delimiter and found.delimiter in (quote, found.escape):
        at["delimiter"].reject("is the quote or the escape, too")
    return None if found == CsvFormat() else found


def _character(field: Field | None, words: Mapping[str, str]) -> str | None:
    """One character, or a word that stands for one, or for none."""
    written = text(field, blank=True)
    if field is None or written is None:
        return None
    if written in words or (written == "" in words.values()):
        return words.get(written, "")
    if len(written) == 1 and written not in "\r\n":
        return written
    return field.reject(f"must be one character, or {' or '.join(words)}; this is {excerpt(written)}")


def _csv_header(field: Field | None) -> bool | tuple[str, ...]:
    """Whether there is a header, or the names of the columns."""
    if field is None:
        return True
    if field.is_scalar:
        given = flag(field)
        return True if given is None else given
    names = tuple(text(entry) or "" for entry in entries(field, "[id, text]"))
    for name in names:
        if names.count(name) > 1:
            field.reject(f"{excerpt(name)} is named twice")
            break
    return names


def _encoding(field: Field | None) -> str | None:
    """The name of an encoding that Python knows, in its usual form. None: UTF-8."""
    written = text(field)
    if field is None or written is None:
        return None
    try:
        codec = codecs.lookup(written)
        "".encode(written)  # refuses codecs that are not of text, such as base64
    except (LookupError, ValueError):
        return field.reject(f"must be an encoding, such as utf-16 or latin-1; this is {excerpt(written)}")
    return None if codec.name in ("utf-8", "utf-8-sig") else codec.name


def _region(field: Field | None) -> str | None:
    """Where files are: cloud/region, such as aws/us-east-1, or r2 alone."""
    written = text(field)
    if field is None or written is None:
        return None
    cloud, _, region = written.partition("/")
    if cloud in STORE_CLOUDS and (region or cloud in REGIONLESS_STORES):
        return written
    return field.reject(f"must be cloud/region, such as aws/us-east-1, or r2; this is {excerpt(written)}")


def _lengths(field: Field | None) -> tuple[tuple[float, float], ...]:
    """One length for all documents, or [share, tokens] pairs."""
    if field is None:
        return ()
    if field.is_scalar:
        return ((1.0, _tokens(field)),)
    before, lengths = len(field.mistakes), list[tuple[float, float]]()
    for pair in entries(field, "[[0.9, 100], [0.1, 800]]"):
        both = entries(pair, "[0.9, 100]")
        if len(both) == 2:
            share = number(both[0], LEAST_SHARE, "a share of the documents above 0, such as 0.9")
            lengths.append((float(share or 0), _tokens(both[1])))
        elif both:
            pair.reject(f"must be [share, tokens], such as [0.9, 100]; this has {len(both)} entries")
    total = fsum(share for share, _ in lengths)
    if len(field.mistakes) == before and abs(total - 1) > SHARES_TOLERANCE:
        field.reject(f"shares must sum to 1; they sum to {total:.9g}")
    return tuple(lengths)


def _tokens(field: Field) -> float:
    return float(number(field, Decimal(1), "a number of tokens, 1 or more, such as 102") or 0)


def _model(field: Field | None) -> tuple[str, Mapping[str, int | bool | str] | None, bool]:
    """The model's name, its shape when one is given, and whether code that comes with it may run."""
    if field is None or field.is_scalar:
        return _model_name(field), None, False
    keys = ("name", *SHAPE_SIZES, "pooling", *SHAPE_FLAGS, "trust_remote_code")
    at = mapping(field, keys, required=("name",))
    given = (
        {name: count(at[name]) for name in SHAPE_SIZES if name in at}
        | {name: flag(at[name]) for name in SHAPE_FLAGS if name in at}
        | {name: choice(at[name], POOLINGS) for name in ("pooling",) if name in at}
    )
    for name in ("layers", "hidden"):  # without these a shape says nothing; the rest has usual values
        if given and name not in given:
            report_missing(field, name)
    shape = {k: v for k, v in given.items() if v is not None} or None
    return _model_name(at.get("name")), shape, flag(at.get("trust_remote_code")) or False


def _chunking(chunk: Field | None, truncate: Field | None) -> JobChunking:
    at = mapping(chunk, ("tokens", "overlap", "truncate"))
    if chunk and truncate:
        truncate.reject(f"chunk is given too, in line {chunk.line}; keep one")
    if chunk and "tokens" in at and "truncate" in at:
        chunk.reject("tokens and truncate together; keep one")
    if "overlap" in at and "tokens" not in at:
        at["overlap"].reject("says nothing without chunk.tokens; add tokens")
    tokens, overlap = count(at.get("tokens")), count(at.get("overlap"), least=0) or 0
    if tokens and overlap >= tokens:
        at["overlap"].reject(f"must be less than tokens, {tokens}; this is {overlap}")
    cut = count(truncate)
    return JobChunking(tokens, overlap, count(at.get("truncate")) or cut)


def _output(field: Field) -> JobOutput:
    if field.is_scalar:
        return JobOutput(_path(field) or "")
    at = mapping(field, ("path", "dtype", "dimensions", "region", "keep"), required=("path",))
    path, dtype = _path(at.get("path")) or "", choice(at.get("dtype"), DTYPES) or "float32"
    dimensions = count(at.get("dimensions"))
    if dtype == "binary" and dimensions and dimensions % 8:
        near = max(8, dimensions - dimensions % 8)
        at["dimensions"].reject(f"must be a multiple of 8 for binary, such as {near}; this is {dimensions}")
    return JobOutput(
        path=path,
        dtype=dtype,
        dimensions=dimensions,
        region=_region(at.get("region")),
        keep=_keep(at.get("keep")),
    )


def _keep(field: Field | None) -> tuple[str, ...]:
    """Columns of the corpus to keep in the output."""
    kept: list[str] = []
    for entry in word_entries(field, "[text, title]"):
        name = text(entry)
        if name in OUTPUT_COLUMNS:
            entry.reject(f"{name} is a column of the output already; it has {', '.join(OUTPUT_COLUMNS)}")
        elif name in kept:
            entry.reject(f"{excerpt(name)} is named twice")
        elif name is not None:
            kept.append(name)
    return tuple(kept)


def _limits(field: Field | None) -> JobLimits:
    at = mapping(field, LIMIT_KEYS)
    deadline = at.get("deadline")
    is_date = deadline is not None and deadline.is_scalar and DATE.match(deadline.node.value)
    return JobLimits(
        deadline_hours=None if is_date else hours(deadline),
        deadline_at=moment(deadline) if is_date else None,
        budget=dollars(at.get("budget"), CENT),
        gpus=tuple(text(f) or "" for f in word_entries(at.get("gpus"), "[L4, H100]")),
        clouds=tuple(choice(f, CLOUDS) or "" for f in word_entries(at.get("clouds"), "[aws, gcp]")),
        regions=tuple(text(f) or "" for f in word_entries(at.get("regions"), "[us-*, europe-*]")),
        spot=choice(at.get("spot"), SPOTS) or "prefer",
        machines=count(at.get("machines")),
        machines_per_region=count(at.get("machines_per_region")),
    )


def _speed(field: Field | None) -> dict[str, float]:
    """Tokens per second of one GPU, by GPU."""
    what = "tokens a second of one GPU, above 0, such as 897"
    return {gpu: float(number(f, Decimal("0.001"), what) or 0) for gpu, f in mapping(field).items()}


def _quota(field: Field | None) -> tuple[QuotaLimit, ...]:
    return tuple(
        QuotaLimit(
            cloud=cloud,
            region=region,
            gpu=gpu,
            spot=count(at.get("spot"), least=0),
            on_demand=count(at.get("on_demand"), least=0),
        )
        for cloud, regions in mapping(field, CLOUDS).items()
        for region, gpus in mapping(regions).items()
        for gpu, limit in mapping(gpus).items()
        for at in [mapping(limit, ("spot", "on_demand"))]
    )


def _local(field: Field | None) -> LocalMachine:
    at = mapping(field, ("workers", "usd_per_hour"))
    return LocalMachine(count(at.get("workers")), dollars(at.get("usd_per_hour"), Decimal(0)))
