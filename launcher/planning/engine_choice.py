"""The engine where a job says `auto`: another than the usual one where it was measured to be faster.

On rented machines an engine goes first when runs or `bench` on this laptop measured the model with it, and on each GPU
type on which they did its P10 is above the P90 of the usual engine there, measured or predicted. On this machine, where
`bench` measured both side by side and no money is at stake, its median has to be LEAST_GAIN_HERE times as high. Pure.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from launcher.ledger.records import MeasuredSpeed
from launcher.planning.request import PlanRequest, model_shape
from launcher.throughput import lookup
from launcher.throughput.local_machine import LocalSpeed
from launcher.throughput.predict import ModelShape, Speed
from pricing import gpu as gpus

# Two measurements of one engine on one machine differ by less where it is quiet. A judgement, not a measurement.
LEAST_GAIN_HERE = 1.1


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The speeds of two engines on one GPU type."""

    measured: Speed
    usual: Speed

    @property
    def is_faster(self) -> bool:
        """Whether the measured one is, beyond doubt."""
        return self.measured.tokens_per_second.low > self.usual.tokens_per_second.high

    @property
    def text(self) -> str:
        ours, usual = self.measured, self.usual
        return (
            f"on {ours.gpu} it was measured at {ours.tokens_per_second.mid:,.0f} tokens/s "
            f"(P10 {ours.tokens_per_second.low:,.0f}), {usual.engine} has {usual.tokens_per_second.mid:,.0f} "
            f"(P90 {usual.tokens_per_second.high:,.0f})"
        )


def with_measured_engine(
    request: PlanRequest, lengths: lookup.Lengths, say: Callable[[str], None]
) -> PlanRequest:
    """The request with the engine first that was measured to be faster; `say` gets the reason.

    Unchanged where the job names an engine or a precision, or where nothing is known of the model.
    """
    job, engines = request.job, request.engines
    if engines is None or job.engine != "auto" or job.precision is not None:
        return request
    usual, *others = engines
    if not any(one.engine in others for one in request.options.speeds):
        return request
    shape = model_shape(job, request.model)  # last, since the hub may have to be asked
    if shape is None:
        return request
    for engine in others:
        found = _compared(request, shape, lengths, engine, usual)
        if found and all(one.is_faster for one in found):
            say(f"engine {engine}: {found[0].text}")
            return replace(request, engines=(engine, *(one for one in engines if one != engine)))
    return request


def fastest_here(
    usual: str,
    others: Iterable[str],
    measured: Callable[[str], LocalSpeed | None],
    say: Callable[[str], None],
) -> str:
    """The engine of this machine: the fastest of `others` that beats `usual`, else `usual`; `say` gets the reason.

    `measured` gives what `bench` found here of an engine; None: it was not measured.
    """
    base = measured(usual)
    if base is None:
        return usual
    least = base.tokens_per_second.mid * LEAST_GAIN_HERE
    rates = {
        engine: found.tokens_per_second.mid for engine in others if (found := measured(engine)) is not None
    }
    faster = {engine: rate for engine, rate in rates.items() if rate >= least}
    if not faster:
        return usual
    best = max(faster, key=faster.__getitem__)
    say(
        f"engine {best}: bench measured it here at {faster[best]:,.0f} tokens/s, "
        f"{usual} at {base.tokens_per_second.mid:,.0f}"
    )
    return best


def _compared(
    request: PlanRequest, shape: ModelShape, lengths: lookup.Lengths, engine: str, usual: str
) -> list[_Comparison]:
    """The two engines on each GPU type on which `engine` was measured and a speed of `usual` is known."""
    seen = request.options.speeds
    out: list[_Comparison] = []
    for name in _measured_on(seen, engine, (shape.name, request.model)):
        gpu = gpus.gpu(name)
        ours, other = (
            lookup.speed_of(shape, gpu, each, lengths, seen=seen, model=request.model)
            for each in (engine, usual)
        )
        if ours is not None and other is not None:
            out.append(_Comparison(ours, other))
    return out


def _measured_on(seen: Sequence[MeasuredSpeed], engine: str, models: Sequence[str]) -> list[str]:
    """GPU types with a measured speed of one of these names of a model, in the order of the records."""
    names = (
        gpus.canonical(one.gpu)
        for one in seen
        if one.engine == engine and one.model in models and one.detail.get("precision") is None
    )
    return list(dict.fromkeys(name for name in names if name is not None))
