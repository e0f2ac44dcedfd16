"""Measure this machine at a job's own mix of lengths: the bare engine, matrix products, then a run in small.

Gives the JSON of `bench`, schema embedfleet/measured/1, and the record that the ledger keeps. What is kept is the
speed of the workers, whose engines wait now and then: it is what a plan's machines will do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from launcher import __version__
from launcher.bench.trial_run import Rehearsed, Wanted, rehearse
from launcher.errors import Problem
from launcher.format import duration
from launcher.ledger.records import SpeedSeen
from launcher.throughput import predict as speed
from launcher.throughput.calibration import BENCH
from launcher.throughput.local_machine import CPU, Asked, Measured, Slots, measure
from launcher.throughput.predict import Shape, mean_flops
from launcher.throughput.spread import Spread
from pricing import gpu as gpus
from tasks.formats.vector_file import Dtype

SCHEMA = "embedfleet/measured/1"
PRODUCTS = 1.5  # seconds of matrix products
MOST_OF_PEAK = 0.85  # of a data sheet's dense peak: docs/speed-model.md#kernel-ceilings


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured. `gpu`: the name to keep it under, None as it is found; `shape` None: nobody knows it."""

    asked: Asked
    use: Slots
    origin: str  # of the texts, for people
    shape: Shape | None
    gpu: str | None = None
    dtype: Dtype = "float32"  # of the vectors, as stored
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    subject: Subject
    bare: Measured
    pipeline: Rehearsed
    host: str
    at: datetime

    @property
    def gpu(self) -> str | None:
        return self.subject.gpu or self.bare.gpu

    @property
    def units(self) -> int:
        """GPUs that worked; 1 for the processors of a machine."""
        use = self.subject.use
        return min(use.gpus, use.workers) if self.bare.device != CPU and use.gpus else 1


def trial(
    subject: Subject, seconds: float, host: str, now: Callable[[], datetime], say: Callable[[str], None]
) -> Found:
    """Half of the seconds for the bare engine, half for the workers; loading comes on top.

    Raises:
        Problem: the engine or a worker cannot run here.
    """
    use, half = subject.use, seconds / 2
    many = f"{use.workers} worker{'s' if use.workers > 1 else ''}"
    say(f"loading {many}, then the bare engine for {duration(half)}")
    bare = measure(subject.asked, use, half, PRODUCTS)
    say(f"the same with reading, writing and leases for about {duration(half)}, after loading again")
    assert bare.tokens_per_text is not None
    rate = bare.tokens_per_second.mid
    if not rate:
        raise Problem("the texts hold nothing to embed", hint="look at corpus.text in the job file")
    wanted = Wanted(half, rate, bare.tokens_per_text, subject.dtype, subject.dimensions)
    return Found(subject, bare, rehearse(subject.asked, use, wanted), host, now())


def record_of(found: Found) -> SpeedSeen | None:
    """For the ledger: per GPU, or of the whole machine where there is none. None: its GPUs are not alike."""
    if found.gpu is None:
        return None
    bare, rate = found.bare, _kept(found)
    detail: dict[str, Any] = {
        "of": BENCH,
        "host": found.host,
        "workers": found.subject.use.workers,
        "threads": found.subject.use.threads,
        "lengths": [list(pair) for pair in bare.lengths],
        "given": [list(pair) for pair in bare.given],
        "texts": found.subject.origin,
        "device": bare.device,
        "dtype": bare.dtype,
        "dimensions": bare.dimensions,
        "load_seconds": round(bare.load_seconds, 3),
        "seconds": round(bare.seconds + max(one.seconds for one in found.pipeline.workers.values()), 3),
        "mfu": mfu(found),
        "flops_per_second": bare.flops_per_second,
    }
    return SpeedSeen(
        model=found.subject.asked.model,
        gpu=found.gpu,
        engine=bare.engine,
        low=rate.low,
        mid=rate.mid,
        high=rate.high,
        source=f"bench on {found.host} {found.gpu}",
        at=found.at,
        detail=detail,
    )


def _kept(found: Found) -> Spread:
    """What the workers made, with the engine's spread about it, per GPU."""
    bare, part = found.bare.tokens_per_second, found.pipeline.tokens_per_second / found.units
    return Spread(part * bare.low / bare.mid, part, part * bare.high / bare.mid)


def body_of(found: Found) -> dict[str, Any]:
    """The JSON. Rates are of the whole machine unless they say otherwise; unknown is null."""
    bare, subject, pipeline = found.bare, found.subject, found.pipeline
    rate, texts = bare.tokens_per_second, sum(share for share, _ in bare.lengths)
    predicted = _predicted(found)
    model = _flops(found)
    kept = record_of(found)
    return {
        "schema": SCHEMA,
        "at": found.at.isoformat(),
        "host": found.host,
        "model": subject.asked.model,
        "gpu": found.gpu,
        "device": bare.device,
        "engine": bare.engine,
        "dtype": bare.dtype,
        "dimensions": bare.dimensions,
        "workers": subject.use.workers,
        "threads": subject.use.threads,
        "gpus": found.units if bare.device != CPU else 0,
        "texts": subject.origin,
        "tokens": sum(share * tokens for share, tokens in bare.lengths) / texts if texts else None,
        "lengths": [[round(share, 6), round(tokens, 3)] for share, tokens in bare.lengths],
        "seconds": bare.seconds,
        "load_seconds": bare.load_seconds,
        "tokens_per_second": _spread(rate),
        "each": [_spread(one) for one in bare.each],
        "texts_per_second": bare.texts_per_second,
        "tokens_per_cpu_second": bare.tokens / bare.cpu_seconds if bare.cpu_seconds else None,
        "tokens_per_gpu_second": rate.mid / found.units if bare.device != CPU else None,
        "flops_per_token": model,
        "flops_per_second": bare.flops_per_second,
        "mfu": mfu(found),
        "predicted_tokens_per_second": predicted,
        "share_of_predicted": None if predicted is None else rate.mid / predicted,
        "pipeline": {
            "tokens_per_second": pipeline.tokens_per_second,
            "share_of_engine": pipeline.tokens_per_second / rate.mid,
            "shards": pipeline.shards,
            "tokens": pipeline.tokens,
            "seconds": pipeline.seconds,
            "stages": pipeline.stages,
        },
        "kept": kept and {"gpu": kept.gpu, "source": kept.source} | _spread(_kept(found)),
        "mistakes": mistakes(found),
        "versions": {"embedfleet": __version__} | dict(bare.versions),
    }


def _flops(found: Found) -> float | None:
    """For a token of this mix; None of a model whose arithmetic nobody knows."""
    shape = found.subject.shape
    return None if shape is None else mean_flops(shape, found.bare.lengths)


def mfu(found: Found) -> float | None:
    """The bare engine's useful arithmetic over what matrix products reach here; None where either is unknown."""
    each, most = _flops(found), found.bare.flops_per_second
    return None if each is None or not most else each * found.bare.tokens_per_second.mid / most


def mistakes(found: Found) -> list[str]:
    """Figures that cannot be true, and what it may be."""
    out: list[str] = []
    share = mfu(found)
    if share is not None and share > 1:
        out.append(
            f"MFU {share:.2f} is above 1: the machine was busy while its matrix products were timed, "
            f"or the shape of {found.subject.asked.model} is not the model's"
        )
    each, peak = _flops(found), _peak(found)
    if each is not None and peak is not None:
        of_peak = each * found.bare.tokens_per_second.mid / found.units / peak
        if of_peak > MOST_OF_PEAK:
            out.append(
                f"{of_peak:.2f} of the peak of {found.gpu}, above {MOST_OF_PEAK:g}: that is not the GPU here, "
                f"or the shape of {found.subject.asked.model} is not the model's"
            )
    if found.gpu is None:
        out.append("the GPUs of this machine are not alike: their speed is not kept")
    return out


def _peak(found: Found) -> float | None:
    """Of the data sheet in FLOP/s, for one GPU in the dtype of the engine."""
    if found.gpu is None or gpus.canonical(found.gpu) is None:
        return None
    one = gpus.gpu(found.gpu)
    known = {"bfloat16": one.bf16_tflops, "float16": one.fp16_tflops, "float32": one.fp32_tflops}
    tflops = known.get(found.bare.dtype)
    return None if tflops is None else tflops * 1e12


def _predicted(found: Found) -> float | None:
    """What we would have said of this machine without measuring; None of processors, whose ceiling nobody knows."""
    shape, bare = found.subject.shape, found.bare
    if shape is None or found.gpu is None or gpus.canonical(found.gpu) is None:
        return None
    if bare.engine not in speed.ENGINES or not bare.lengths:
        return None
    said = speed.predict(shape, gpus.gpu(found.gpu), bare.engine, bare.lengths, bare.dtype)
    return None if said is None else said.tokens_per_second.mid * found.units


def _spread(rate: Spread) -> dict[str, float]:
    return {"low": rate.low, "mid": rate.mid, "high": rate.high}
