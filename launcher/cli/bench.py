"""`embedfleet bench`: how fast this machine embeds, where the time goes, and what of the hardware that is.

Reads a job for its texts, its model and how it cuts them, or makes texts up. Writes what it found into the ledger,
which `plan` and `speed` prefer to a prediction. Uses this machine alone: it rents nothing.
"""

import argparse
import socket
from pathlib import Path

from launcher.bench.measure import Subject, body_of, record_of, trial
from launcher.bench.synthetic_texts import texts
from launcher.cli.console import say, show
from launcher.cli.options import MEASURED_TEXT_TOKENS
from launcher.corpus.chunking import cut_of
from launcher.corpus.inspect import look
from launcher.errors import Problem, Usage
from launcher.jobs.job import ENGINES, Declared, Job
from launcher.jobs.model_reference import resolve
from launcher.jobs.parse import read_job
from launcher.ledger.ledger import Ledger
from launcher.reports.terminal.benchmark import bench_text
from launcher.throughput import model_shapes
from launcher.throughput.local_machine import Asked, Slots, slots
from launcher.throughput.predict import Shape
from pricing.gpu import canonical, gpus, nearest
from tasks.clock import utc
from tasks.engines.base import limit
from tasks.engines.load import choose
from tasks.engines.tokenizer import Cut

AUTO = "auto"


def run(arguments: argparse.Namespace) -> int:
    """Measure, keep it, show it; its exit status."""
    subject = _subject(arguments)
    path: Path = arguments.runs / "ledger.db"
    # Before a minute is spent on it: a ledger that cannot be opened says so now.
    with Ledger.open(path) as ledger:
        found = trial(subject, arguments.seconds, socket.gethostname(), utc, say)
        record = record_of(found)
        if record:
            ledger.record_speed(record)
            say(f"kept in {path}: `plan` and `speed` go by it")
    show(body_of(found), bench_text, as_json=arguments.json)
    return 0


def _subject(arguments: argparse.Namespace) -> Subject:
    """What is to be measured, from a job or from the command line.

    Raises:
        Usage: neither says it, or both do.
    """
    if arguments.job is None and arguments.model is None:
        raise Usage("nothing to measure", hint="name a job file, or a model with --model")
    both = [f"--{name}" for name in ("model", "tokens") if getattr(arguments, name) is not None]
    if arguments.job is not None and both:
        raise Usage(f"{both[0]} beside a job file, which has its own", hint="leave out the one or the other")
    if arguments.workers is not None and arguments.workers < 1:
        raise Usage(f"--workers: {arguments.workers} is no number of workers", hint="give 1 or more")
    return _of_model(arguments) if arguments.job is None else _of_job(arguments)


def _of_model(arguments: argparse.Namespace) -> Subject:
    tokens = MEASURED_TEXT_TOKENS if arguments.tokens is None else arguments.tokens
    if not 3 <= tokens <= 1_000_000:
        raise Usage(f"--tokens: {tokens} is no length of a text", hint="give 3 or more, such as --tokens 256")
    model = resolve(arguments.model, Path())
    longest = limit(model, tokens)
    origin = f"made of its vocabulary, {longest} tokens each"
    if longest < tokens:
        origin += f", the most that it takes (not {tokens})"
    asked = Asked(
        model,
        choose(_engine(arguments.engine or AUTO), model),
        texts(model, [(1.0, longest)], Cut(longest)),
        longest,
        None,
        "",
    )
    use = slots(arguments.workers)
    return Subject(asked, use, origin, _shape(model), _gpu(arguments.gpu, use))


def _of_job(arguments: argparse.Namespace) -> Subject:
    job, base = read_job(arguments.job)
    model = resolve(job.model, base)
    cut = cut_of(job, model)
    if isinstance(job.corpus, Declared):
        found = texts(model, job.corpus.lengths, cut)
        origin = "made of its vocabulary, of the lengths that the job declares"
    else:
        sampled = look(job, base, model, say).sampled
        assert sampled is not None  # the corpus is there
        found = sampled.texts
        origin = f"{len(found):,} of the corpus of {job.name}"
    if not found:
        raise Problem("the corpus holds no text", hint="look at corpus.path and corpus.text in the job file")
    engine = choose(_engine(arguments.engine or job.engine), model)
    asked = Asked(model, engine, found, cut.tokens, cut.overlap, cut.prompt, job.remote_code)
    use = slots(arguments.workers or job.local.workers)
    shape, gpu = _shape_of(job, model), _gpu(arguments.gpu, use)
    if job.output is None:
        return Subject(asked, use, origin, shape, gpu)
    return Subject(asked, use, origin, shape, gpu, job.output.dtype, job.output.dimensions)


def _shape_of(job: Job, model: str) -> Shape | None:
    return model_shapes.from_mapping(job.model, job.shape) if job.shape else _shape(model)


def _shape(model: str) -> Shape | None:
    """None of a model whose arithmetic nobody here knows: it is measured all the same."""
    try:
        return model_shapes.shape(model)
    except Problem:
        return None


def _engine(name: str) -> str:
    if name not in ENGINES:
        raise Usage(f"--engine: no engine {name!r}", hint=f"pass --engine {' or '.join(ENGINES)}")
    return name


def _gpu(name: str, use: Slots) -> str | None:
    """What the user calls this machine's GPU, by our name; None: as its driver calls it.

    Raises:
        Usage: no GPU is called so, or none is here.
    """
    if name == AUTO:
        return None
    known = canonical(name)
    if known is None:
        near = nearest(name) or tuple(one.name for one in gpus())
        raise Usage(f"--gpu: no GPU {name!r} is known", hint=f"pass --gpu {' or '.join(near)}, or auto")
    if not use.gpus:
        raise Usage(
            f"--gpu {known}: this machine has no GPU that we may use",
            hint="leave it out to measure the processors, or run bench on a machine with that GPU",
        )
    return known
