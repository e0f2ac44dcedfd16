"""Measure this machine at a job's own text lengths: the engine alone, matrix products, then a small run.

The result is the document of `bench --json`, schema embedfleet/measured/1, and the record for the ledger. The ledger
keeps the speed of whole workers, whose engines wait now and then, because that is what a plan's machines will do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from launcher import __version__
from launcher.bench.trial_run import TrialResult, TrialSize, run_trial
from launcher.documents.bench import BenchDocument, RateRange, RecordedSpeed, WorkersMeasured
from launcher.errors import Problem
from launcher.format import duration
from launcher.ledger.records import MeasuredSpeed
from launcher.throughput import predict as speed
from launcher.throughput.calibration import BENCH
from launcher.throughput.local_machine import CPU, LocalSpeed, ProbeRequest, WorkerSlots
from launcher.throughput.predict import ModelShape, mean_flops
from launcher.throughput.probes import loaded_probes
from launcher.throughput.reduced_precision import in_reduced_precision
from launcher.throughput.spread import Spread
from pricing import gpu as gpus
from tasks.protocol.dtypes import Dtype

MATMUL_SECONDS = 1.5  # of matrix products
MAX_SHARE_OF_PEAK = 0.85  # of a data sheet's dense peak, see docs/speed-model.md#kernel-ceilings


@dataclass(frozen=True, slots=True)
class BenchSubject:
    """What is measured.

    `gpu` is the name to record the GPU under, None for the name that its driver gives. `shape` is None for a model whose
    arithmetic is unknown.
    """

    asked: ProbeRequest
    use: WorkerSlots
    origin: str  # of the texts, as a sentence for the report
    shape: ModelShape | None
    gpu: str | None = None
    dtype: Dtype = "float32"  # of the vectors, as stored
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class BenchResult:
    """The measurement of the engine alone (`bare`) and of whole workers (`pipeline`)."""

    subject: BenchSubject
    bare: LocalSpeed
    pipeline: TrialResult
    host: str
    at: datetime

    @property
    def gpu(self) -> str | None:
        return self.subject.gpu or self.bare.gpu

    @property
    def units(self) -> int:
        """How many GPUs worked; 1 for the processors of a machine."""
        use = self.subject.use
        return min(use.gpus, use.workers) if self.bare.device != CPU and use.gpus else 1


def run_bench(
    subject: BenchSubject, seconds: float, host: str, now: Callable[[], datetime], say: Callable[[str], None]
) -> BenchResult:
    """Measure for `seconds`: half for the engine alone, half for whole workers. Loading the model, once, comes on top.

    Raises:
        Problem: the engine or a worker cannot run here.
    """
    use, half = subject.use, seconds / 2
    many = f"{use.workers} worker{'s' if use.workers > 1 else ''}"
    say(f"loading the model in {many}")
    with loaded_probes(subject.asked, use, say) as probes:
        say(f"loaded in {duration(probes.load_seconds)}; measuring the bare engine for {duration(half)}")
        bare = probes.measure(half, MATMUL_SECONDS)
        assert bare.tokens_per_text is not None
        rate = bare.tokens_per_second.mid
        if not rate:
            raise Problem("the texts hold nothing to embed", hint="look at corpus.text in the job file")
        say(f"the same with reading, writing and leases for about {duration(half)}")
        size = TrialSize(half, rate, bare.tokens_per_text, dtype=subject.dtype, dimensions=subject.dimensions)
        pipeline = run_trial(subject.asked, use, size, probes.work)
    return BenchResult(subject, bare, pipeline, host=host, at=now())


def speed_record(found: BenchResult) -> MeasuredSpeed | None:
    """The record for the ledger: per GPU, or of the whole machine if it has none.

    None if the machine's GPUs differ: their speeds cannot be told apart.
    """
    if found.gpu is None:
        return None
    bare, rate = found.bare, _worker_rate(found)
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
    if (
        found.subject.asked.precision is not None
    ):  # a speed of its own: plans of the usual precision do not take it
        detail["precision"] = found.subject.asked.precision
    return MeasuredSpeed(
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


def _worker_rate(found: BenchResult) -> Spread:
    """The speed of whole workers, per GPU, with the relative spread of the engine alone."""
    bare, part = found.bare.tokens_per_second, found.pipeline.tokens_per_second / found.units
    return Spread(part * bare.low / bare.mid, part, part * bare.high / bare.mid)


def document(found: BenchResult) -> BenchDocument:
    """The document of `bench --json`."""
    bare, subject = found.bare, found.subject
    rate, texts = bare.tokens_per_second, sum(share for share, _ in bare.lengths)
    predicted = _predicted(found)
    return BenchDocument(
        at=found.at.isoformat(),
        host=found.host,
        model=subject.asked.model,
        gpu=found.gpu,
        device=bare.device,
        engine=bare.engine,
        dtype=bare.dtype,
        dimensions=bare.dimensions,
        workers=subject.use.workers,
        threads=subject.use.threads,
        gpus=found.units if bare.device != CPU else 0,
        texts=subject.origin,
        tokens=sum(share * tokens for share, tokens in bare.lengths) / texts if texts else None,
        lengths=[(round(share, 6), round(tokens, 3)) for share, tokens in bare.lengths],
        seconds=bare.seconds,
        load_seconds=bare.load_seconds,
        tokens_per_second=_rate_range(rate),
        each=[_rate_range(one) for one in bare.each],
        texts_per_second=bare.texts_per_second,
        tokens_per_cpu_second=bare.tokens / bare.cpu_seconds if bare.cpu_seconds else None,
        tokens_per_gpu_second=rate.mid / found.units if bare.device != CPU else None,
        flops_per_token=_flops(found),
        flops_per_second=bare.flops_per_second,
        mfu=mfu(found),
        predicted_tokens_per_second=predicted,
        share_of_predicted=None if predicted is None else rate.mid / predicted,
        pipeline=_workers(found),
        kept=_recorded(found),
        mistakes=implausible(found),
        versions={"embedfleet": __version__} | dict(bare.versions),
    )


def _workers(found: BenchResult) -> WorkersMeasured:
    pipeline = found.pipeline
    return WorkersMeasured(
        tokens_per_second=pipeline.tokens_per_second,
        share_of_engine=pipeline.tokens_per_second / found.bare.tokens_per_second.mid,
        shards=pipeline.shards,
        tokens=pipeline.tokens,
        seconds=pipeline.seconds,
        stages=pipeline.stages,
    )


def _recorded(found: BenchResult) -> RecordedSpeed | None:
    record, rate = speed_record(found), _worker_rate(found)
    if record is None:
        return None
    return RecordedSpeed(gpu=record.gpu, source=record.source, low=rate.low, mid=rate.mid, high=rate.high)


def _flops(found: BenchResult) -> float | None:
    """FLOP per token of these text lengths; None for a model whose arithmetic is unknown."""
    shape = found.subject.shape
    return None if shape is None else mean_flops(shape, found.bare.lengths)


def mfu(found: BenchResult) -> float | None:
    """Model FLOPs utilisation: the engine's useful arithmetic over what matrix products reach on this machine.

    None where either is unknown.
    """
    each, most = _flops(found), found.bare.flops_per_second
    return None if each is None or not most else each * found.bare.tokens_per_second.mid / most


def implausible(found: BenchResult) -> list[str]:
    """Sentences about figures that cannot be true, with the likely reason."""
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
        if of_peak > MAX_SHARE_OF_PEAK:
            out.append(
                f"{of_peak:.2f} of the peak of {found.gpu}, above {MAX_SHARE_OF_PEAK:g}: that is not the GPU here, "
                f"or the shape of {found.subject.asked.model} is not the model's"
            )
    if found.gpu is None:
        out.append("the GPUs of this machine differ: their speed is not recorded")
    return out


def _peak(found: BenchResult) -> float | None:
    """The data sheet's peak in FLOP/s, for one GPU in the dtype of the engine; None where unknown."""
    if found.gpu is None or gpus.canonical(found.gpu) is None:
        return None
    one = gpus.gpu(found.gpu)
    known = {"bfloat16": one.bf16_tflops, "float16": one.fp16_tflops, "float32": one.fp32_tflops}
    tflops = known.get(found.bare.dtype)
    return None if tflops is None else tflops * 1e12


def _predicted(found: BenchResult) -> float | None:
    """Tokens per second that the speed model predicts for this machine; None for processors, whose ceiling is unknown."""
    shape, bare = found.subject.shape, found.bare
    if shape is None or found.gpu is None or gpus.canonical(found.gpu) is None:
        return None
    if bare.engine not in speed.ENGINES or not bare.lengths:
        return None
    precision, gpu = found.subject.asked.precision, gpus.gpu(found.gpu)
    predicted = speed.predict(shape, gpu, bare.engine, bare.lengths, None if precision else bare.dtype)
    if predicted is not None and precision is not None:
        predicted = in_reduced_precision(predicted, precision, shape, gpu, bare.lengths, None)
    return None if predicted is None else predicted.tokens_per_second.mid * found.units


def _rate_range(rate: Spread) -> RateRange:
    return RateRange(rate.low, rate.mid, rate.high)
