"""Parse a job file into a Job, and report every mistake with its line.

Knows which keys a job has and what their values may be; `yaml_fields` knows how values are written, and `corpus_fields`
reads the corpus. Checks no paths, GPU names or models: the planner does, with those who know them.
"""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from launcher import files
from launcher.jobs.corpus_fields import read_corpus, read_path, read_region
from launcher.jobs.discounts import read_discounts
from launcher.jobs.durations import DATE
from launcher.jobs.job import CorpusSource, Job, JobChunking, JobLimits, JobOutput, LocalMachine
from launcher.jobs.keys import (
    CLOUDS,
    DEDUPLICATES,
    DTYPES,
    ENGINES,
    LIMIT_CLOUDS,
    POOLINGS,
    SHAPE_FLAGS,
    SHAPE_SIZES,
    SPOTS,
    STEERS,
    TOP,
    WHEN_SHORT,
    names,
)
from launcher.jobs.paths import expand
from launcher.jobs.quota_fields import read_quota
from launcher.jobs.sink_fields import read_sink
from launcher.jobs.yaml_fields import (
    BadJob,
    Field,
    choice,
    count,
    dollars,
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
from tasks.models.precision import PRECISION_ENGINE, PRECISIONS, Precision
from tasks.models.tokenizing.chunk_by import CHUNK_BY

OUTPUT_COLUMNS = ("id", "chunk", "vector", "scale")  # of the output: a kept column may not have these names

ENVIRONMENT_VARIABLE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]{0,63}")
JOB_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")  # it becomes part of machine names and labels
CENT = Decimal("0.01")


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
    at = mapping(top, names(TOP), required=("name", "corpus", "model"))
    corpus = read_corpus(at.get("corpus"))
    model, shape, remote_code, query_prompt = _model(at.get("model"))
    if "output" not in at and isinstance(corpus, CorpusSource):
        report_missing(top, "output")
    output = _output(at["output"]) if "output" in at else None
    quota, vcpu_quota = read_quota(at.get("quota"), LIMIT_CLOUDS)
    return Job(
        name=_name(at.get("name")),
        corpus=corpus,
        model=model,
        shape=shape,
        chunk=_chunking(at.get("chunk"), at.get("truncate")),
        output=output,
        limits=_limits(at.get("limits")),
        quota=quota,
        vcpu_quota=vcpu_quota,
        local=_local(at.get("local")),
        engine=choice(at.get("engine"), ENGINES) or "auto",
        precision=_precision(at.get("precision"), at.get("engine")),
        prompt=text(at.get("prompt"), blank=True),
        query_prompt=query_prompt,
        speed=_speed(at.get("speed")),
        remote_code=remote_code,
        notify=_notify(at.get("notify")),
        discounts=read_discounts(at.get("discounts"), CLOUDS[:-1]),
        steer=choice(at.get("steer"), STEERS),
        sink=read_sink(at.get("sink"), output.keep if output else ()),
        deduplicate=choice(at.get("deduplicate"), DEDUPLICATES) or "window",
    )


def _precision(field: Field | None, engine: Field | None) -> Precision | None:
    """fp8, or None for the usual one, which `auto` names."""
    written = text(field)
    if field is None or written in (None, "auto"):
        return None
    if written == "int8":
        return field.reject(
            "int8 is not offered: vLLM converts no dense weights to int8 when it loads them; write fp8, or leave it out"
        )
    found = choice(field, PRECISIONS)
    if engine is not None and engine.is_scalar and engine.node.value not in ("auto", PRECISION_ENGINE):
        field.reject(
            f"{written} is computed by the engine {PRECISION_ENGINE} alone, and engine is {engine.node.value}"
        )
    return found


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


def _model(
    field: Field | None,
) -> tuple[str, Mapping[str, int | bool | str] | None, bool, str | None]:
    """The model's name, its shape when one is given, whether code that comes with it may run, its prompt for queries."""
    if field is None or field.is_scalar:
        return _model_name(field), None, False, None
    at = mapping(field, names("model"), required=("name",))
    given = (
        {name: count(at[name]) for name in SHAPE_SIZES if name in at}
        | {name: flag(at[name]) for name in SHAPE_FLAGS if name in at}
        | {name: choice(at[name], POOLINGS) for name in ("pooling",) if name in at}
    )
    for name in ("layers", "hidden"):  # without these a shape says nothing; the rest has usual values
        if given and name not in given:
            report_missing(field, name)
    shape = {k: v for k, v in given.items() if v is not None} or None
    remote_code = flag(at.get("trust_remote_code")) or False
    return _model_name(at.get("name")), shape, remote_code, text(at.get("query_prompt"), blank=True)


def _chunking(chunk: Field | None, truncate: Field | None) -> JobChunking:
    at = mapping(chunk, names("chunk"))
    if chunk and truncate:
        truncate.reject(f"chunk is given too, in line {chunk.line}; keep one")
    if chunk and "tokens" in at and "truncate" in at:
        chunk.reject("tokens and truncate together; keep one")
    for name in ("overlap", "by"):
        if name in at and "tokens" not in at:
            at[name].reject("says nothing without chunk.tokens; add tokens")
    tokens, overlap = count(at.get("tokens")), count(at.get("overlap"), least=0) or 0
    if tokens and overlap >= tokens:
        at["overlap"].reject(f"must be less than tokens, {tokens}; this is {overlap}")
    cut = count(truncate)
    by = choice(at.get("by"), CHUNK_BY) or "tokens"
    return JobChunking(tokens, overlap, count(at.get("truncate")) or cut, by)


def _output(field: Field) -> JobOutput:
    if field.is_scalar:
        return JobOutput(read_path(field) or "")
    at = mapping(field, names("output"), required=("path",))
    path, dtype = read_path(at.get("path")) or "", choice(at.get("dtype"), DTYPES) or "float32"
    dimensions = count(at.get("dimensions"))
    if dtype == "binary" and dimensions and dimensions % 8:
        near = max(8, dimensions - dimensions % 8)
        at["dimensions"].reject(f"must be a multiple of 8 for binary, such as {near}; this is {dimensions}")
    return JobOutput(
        path=path,
        dtype=dtype,
        dimensions=dimensions,
        region=read_region(at.get("region")),
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
    at = mapping(field, names("limits"))
    deadline = at.get("deadline")
    is_date = deadline is not None and deadline.is_scalar and DATE.match(deadline.node.value)
    return JobLimits(
        deadline_hours=None if is_date else hours(deadline),
        deadline_at=moment(deadline) if is_date else None,
        budget=dollars(at.get("budget"), CENT),
        gpus=tuple(text(f) or "" for f in word_entries(at.get("gpus"), "[L4, H100]")),
        clouds=tuple(choice(f, LIMIT_CLOUDS) or "" for f in word_entries(at.get("clouds"), "[aws, gcp]")),
        regions=tuple(text(f) or "" for f in word_entries(at.get("regions"), "[us-*, europe-*]")),
        spot=choice(at.get("spot"), SPOTS) or "prefer",
        machines=count(at.get("machines")),
        machines_per_region=count(at.get("machines_per_region")),
        opt_in=_opt_in(at.get("opt_in")),
        when_short=choice(at.get("when_short"), WHEN_SHORT) or "late",
        on_demand=count(at.get("on_demand"), least=0),
    )


def _opt_in(field: Field | None) -> tuple[str, ...]:
    """Patterns of places that an account must ask for: `true` is all of them."""
    if field is not None and field.is_scalar and field.node.value in ("true", "false"):
        return ("*",) if flag(field) else ()
    return tuple(text(f) or "" for f in word_entries(field, "[eu-south-2, us-west-2-lax-*], or true"))


def _speed(field: Field | None) -> dict[str, float]:
    """Tokens per second of one GPU, by GPU."""
    what = "tokens a second of one GPU, above 0, such as 897"
    return {gpu: float(number(f, Decimal("0.001"), what) or 0) for gpu, f in mapping(field).items()}


def _local(field: Field | None) -> LocalMachine:
    at = mapping(field, names("local"))
    return LocalMachine(count(at.get("workers")), dollars(at.get("usd_per_hour"), Decimal(0)))
