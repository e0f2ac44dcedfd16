"""The engine of rented machines where a job says `auto`: another than the usual one where it was measured to be faster.

An engine goes first when runs or `bench` on this laptop measured the model with it, and on each GPU type on which they
did its P10 is above the P90 of the usual engine there, measured or predicted. Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from launcher.ledger.records import MeasuredSpeed
from launcher.planning.request import PlanRequest
from launcher.throughput import lookup
from launcher.throughput.predict import ModelShape, Speed
from pricing import gpu as gpus


@dataclass(frozen=True, slots=True)
class _Faster:
    """Two engines on one GPU type."""

    measured: Speed
    usual: Speed

    @property
    def text(self) -> str:
        ours, usual = self.measured, self.usual
        return (
            f"on {ours.gpu} it was measured at {ours.tokens_per_second.mid:,.0f} tokens/s "
            f"(P10 {ours.tokens_per_second.low:,.0f}), {usual.engine} has {usual.tokens_per_second.mid:,.0f} "
            f"(P90 {usual.tokens_per_second.high:,.0f})"
        )


def with_measured_engine(
    request: PlanRequest,
    shape: ModelShape | None,
    lengths: lookup.Lengths,
    say: Callable[[str], None] = lambda _line: None,
) -> PlanRequest:
    """The request with the engine first that was measured to be faster; `say` gets the reason.

    Unchanged where the job names an engine or a precision, or where nothing is known of the model.
    """
    job, engines = request.job, request.engines
    if shape is None or engines is None or job.engine != "auto" or job.precision is not None:
        return request
    usual, *others = engines
    for engine in others:
        found = _compared(request, shape, lengths, engine, usual)
        if found and all(_is_faster(one) for one in found):
            say(f"engine {engine}: {found[0].text}")
            return replace(request, engines=(engine, *(one for one in engines if one != engine)))
    return request


def _compared(
    request: PlanRequest, shape: ModelShape, lengths: lookup.Lengths, engine: str, usual: str
) -> list[_Faster]:
    """The two engines on each GPU type on which `engine` was measured and a speed of `usual` is known."""
    seen = request.options.speeds
    out: list[_Faster] = []
    for name in _measured_on(seen, engine, (shape.name, request.model)):
        gpu = gpus.gpu(name)
        ours, other = (
            lookup.speed_of(shape, gpu, each, lengths, seen=seen, model=request.model)
            for each in (engine, usual)
        )
        if ours is not None and other is not None:
            out.append(_Faster(ours, other))
    return out


def _measured_on(seen: Sequence[MeasuredSpeed], engine: str, models: Sequence[str]) -> list[str]:
    """GPU types with a measured speed of one of these names of a model, in the order of the records."""
    names = (
        gpus.canonical(one.gpu)
        for one in seen
        if one.engine == engine and one.model in models and one.detail.get("precision") is None
    )
    return list(dict.fromkeys(name for name in names if name is not None))


def _is_faster(one: _Faster) -> bool:
    return one.measured.tokens_per_second.low > one.usual.tokens_per_second.high
