"""`embedfleet bench`: how fast this machine embeds, where the time goes, and which share of the hardware that is.

Takes texts, model and chunking from a job, or makes synthetic texts. Records the speed in the ledger, which `plan` and
`speed` prefer to a prediction. Uses this machine alone and rents nothing.
"""

import argparse
import socket
from dataclasses import replace
from pathlib import Path

from launcher.bench.measure import BenchSubject, document, run_bench, speed_record
from launcher.bench.synthetic_texts import texts
from launcher.cli.console import say, show
from launcher.cli.options.planning import MEASURED_TEXT_TOKENS
from launcher.corpus.chunking import chunk_spec_of, prompt_of
from launcher.corpus.inspect import inspect_corpus
from launcher.errors import Problem, Usage
from launcher.format import plural
from launcher.jobs.job import DeclaredCorpus, Job
from launcher.jobs.keys import ENGINES
from launcher.jobs.model_reference import resolve
from launcher.jobs.parse import read_job
from launcher.ledger.ledger import Ledger
from launcher.planning.precision import why_not_here
from launcher.reports.terminal.benchmark import bench_text
from launcher.throughput import model_shapes
from launcher.throughput.local_machine import ProbeRequest, WorkerSlots, worker_slots
from launcher.throughput.predict import ModelShape
from pricing.gpu import canonical, gpus, nearest
from tasks.clock import utc
from tasks.engines.load import resolve_engine
from tasks.models.fingerprint import fingerprint_of
from tasks.models.precision import PRECISION_ENGINE, PRECISIONS, Precision
from tasks.models.tokenizing.pieces import ChunkSpec, piece_limit

AUTO = "auto"


def run(arguments: argparse.Namespace) -> int:
    """Measure, record the speed in the ledger, and print the result."""
    subject = _subject(arguments)
    path: Path = arguments.runs / "ledger.db"
    # Opened first: if the ledger cannot be opened, the error comes before a minute is spent on measuring.
    with Ledger.open(path) as ledger:
        found = run_bench(subject, arguments.seconds, socket.gethostname(), utc, say)
        record = speed_record(found)
        if record:
            ledger.speeds.record(record)
            say(f"recorded in {path}: `plan` and `speed` use it")
    show(document(found), bench_text, as_json=arguments.json)
    return 0


def _subject(arguments: argparse.Namespace) -> BenchSubject:
    """What to measure, from a job or from the command line.

    Raises:
        Usage: neither names a model, or both do.
    """
    if arguments.job is None and arguments.model is None:
        raise Usage("nothing to measure", hint="name a job file, or a model with --model")
    both = [f"--{name}" for name in ("model", "tokens") if getattr(arguments, name) is not None]
    if arguments.job is not None and both:
        raise Usage(
            f"{both[0]} is given, and the job file has its own", hint="leave out the one or the other"
        )
    if arguments.workers is not None and arguments.workers < 1:
        raise Usage(f"--workers: {arguments.workers} is not a number of workers", hint="give 1 or more")
    return _of_model(arguments) if arguments.job is None else _of_job(arguments)


def _of_model(arguments: argparse.Namespace) -> BenchSubject:
    """Synthetic texts of one length, for the model that --model names."""
    tokens = MEASURED_TEXT_TOKENS if arguments.tokens is None else arguments.tokens
    if not 3 <= tokens <= 1_000_000:
        raise Usage(
            f"--tokens: {tokens} is not a length of a text", hint="give 3 or more, such as --tokens 256"
        )
    model = resolve(arguments.model, Path())
    longest = piece_limit(model, tokens)
    origin = f"synthetic, from its vocabulary, {plural(longest, 'token')} each"
    if longest < tokens:
        origin += f", the most that it takes (not {tokens})"
    precision = _precision(arguments.precision or AUTO)
    asked = ProbeRequest(
        model=model,
        engine=_engine(arguments.engine or AUTO, model, precision),
        texts=texts(model, [(1.0, longest)], ChunkSpec(longest)),
        tokens=longest,
        overlap=None,
        prompt="",
        precision=precision,
    )
    use = worker_slots(arguments.workers)
    return BenchSubject(asked, use, origin, _shape(model), gpu=_gpu(arguments.gpu, use))


def _of_job(arguments: argparse.Namespace) -> BenchSubject:
    """Texts of the job's corpus, or synthetic ones of the lengths that a declared corpus has."""
    job, base = read_job(arguments.job)
    model = resolve(job.model, base)
    precision = _precision(arguments.precision or job.precision or AUTO)  # refused before the corpus is read
    engine = _engine(arguments.engine or job.engine, model, precision)
    cut = chunk_spec_of(job, model)
    if isinstance(job.corpus, DeclaredCorpus):
        found = texts(model, job.corpus.lengths, cut)
        origin = "synthetic, from its vocabulary, of the lengths that the job declares"
    else:
        sampled = inspect_corpus(job, base, model, fingerprint_of(model), say).sampled
        assert sampled is not None  # the corpus is there
        found = sampled.texts
        origin = f"{len(found):,} of the corpus of {job.name}"
    if not found:
        raise Problem("the corpus holds no text", hint="look at corpus.path and corpus.text in the job file")
    asked = ProbeRequest(
        model=model,
        engine=engine,
        texts=found,
        tokens=cut.tokens,
        overlap=cut.overlap,
        prompt=prompt_of(job, model),
        remote_code=job.remote_code,
        precision=precision,
    )
    use = worker_slots(arguments.workers or job.local.workers)
    subject = BenchSubject(asked, use, origin, _shape_of(job, model), gpu=_gpu(arguments.gpu, use))
    if job.output is None:
        return subject
    return replace(subject, dtype=job.output.dtype, dimensions=job.output.dimensions)


def _shape_of(job: Job, model: str) -> ModelShape | None:
    return model_shapes.from_mapping(job.model, job.shape) if job.shape else _shape(model)


def _shape(model: str) -> ModelShape | None:
    """The shape of a model; None if it is unknown, which does not prevent measuring."""
    try:
        return model_shapes.shape(model)
    except Problem:
        return None


def _engine(name: str, model: str, precision: Precision | None) -> str:
    """The engine that computes, by the name that is asked for.

    Raises:
        Usage: there is none of this name, or it does not compute in this precision.
    """
    if name not in ENGINES:
        raise Usage(f"--engine: no engine {name!r}", hint=f"pass --engine {' or '.join(ENGINES)}")
    if precision is None:
        return resolve_engine(name, model)
    if name not in (AUTO, PRECISION_ENGINE):
        raise Usage(
            f"--engine {name}: {precision} is computed by the engine {PRECISION_ENGINE} alone",
            hint=f"pass --engine {PRECISION_ENGINE}, or --precision auto",
        )
    return PRECISION_ENGINE


def _precision(name: str) -> Precision | None:
    """The precision of this name; None for `auto`, the usual one.

    Raises:
        Usage: there is none of this name, or this machine does not compute in it.
    """
    if name == AUTO:
        return None
    known: dict[str, Precision] = {one: one for one in PRECISIONS}
    found = known.get(name)
    if found is None:
        words = " or ".join((AUTO, *PRECISIONS))
        raise Usage(f"--precision: no precision {name!r} is known", hint=f"pass --precision {words}")
    why = why_not_here(found)
    if why is not None:
        raise Usage(why, hint="pass --precision auto, or run bench on a machine with such a GPU")
    return found


def _gpu(name: str, use: WorkerSlots) -> str | None:
    """Our name for the GPU that the user names; None for `auto`, the name that its driver gives.

    Raises:
        Usage: the name is unknown, or this machine has no GPU.
    """
    if name == AUTO:
        return None
    known = canonical(name)
    if known is None:
        near = nearest(name) or tuple(one.name for one in gpus())
        raise Usage(f"--gpu: no GPU {name!r} is known", hint=f"pass --gpu {' or '.join(near)}, or auto")
    if not use.gpus:
        raise Usage(
            f"--gpu {known}: this machine has no GPU that embedfleet may use",
            hint="leave it out to measure the processors, or run bench on a machine with that GPU",
        )
    return known
