"""Which speed to believe: what the job says, else what was measured, else what is predicted.

A speed measured on texts of other lengths is carried over by the model's own ratio of the two mixes, where the
record says which lengths it was measured on; where it does not, it is taken as it is, and its source says so.
Pure: the records come from the ledger, the newest first.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from launcher.ledger.records import MeasuredSpeed
from launcher.throughput.predict import ModelShape, Speed, mean_flops, predict, spread_about
from launcher.throughput.spread import Spread
from pricing.gpu import Gpu, canonical

Lengths = Sequence[tuple[float, float]]
PROCESSORS = "cpu"  # what the ledger calls those of one machine, all together

# A speed measured on other lengths, carried over by the model, is surer than a prediction and less sure than a
# measurement: a third of the prediction's sigma beside its own range. A judgement, not a measurement.
CARRIED = 1.18


def speed_of(
    shape: ModelShape,
    gpu: Gpu,
    engine: str,
    lengths: Lengths,
    overrides: Mapping[str, float] | None = None,
    seen: Sequence[MeasuredSpeed] = (),
    dtype: str | None = None,
    model: str | None = None,
) -> Speed | None:
    """The speed of one GPU. None: nobody said it, measured it, or knows the GPU's ceiling.

    `overrides` are tokens per second by GPU, under any of its names; `seen` are records of any model, GPU and engine.
    `model` is what runs call the model where that is not the name of its shape: the full path of a folder.
    """
    said = next((rate for name, rate in (overrides or {}).items() if canonical(name) == gpu.name), None)
    if said is not None:
        exact = Spread(said, said, said)
        return Speed(shape.name, gpu.name, engine, exact, None, "the job file")
    predicted = predict(shape, gpu, engine, lengths, dtype)
    names = (shape.name, model)
    record = next((one for one in seen if one.model in names and _is_of(one, gpu.name, engine)), None)
    if record is None:
        return predicted
    rates, how = _carried(record, shape, gpu, engine, predicted, dtype)
    share = predicted and predicted.share_of_ceiling
    if predicted and share is not None:  # the same arithmetic, done in another time
        share *= rates.mid / predicted.tokens_per_second.mid
    source = f"measured {record.at:%Y-%m-%d}: {record.source}{how}"
    return Speed(shape.name, gpu.name, engine, rates, share, source)


def local_speed_of(
    shape: ModelShape,
    lengths: Lengths,
    seen: Sequence[MeasuredSpeed],
    engine: str | None = None,
    model: str | None = None,
) -> tuple[Speed, MeasuredSpeed] | None:
    """The speed of this machine's processors, all together, as it was measured; None where it never was.

    Nobody knows their ceiling, so nothing is predicted. On other lengths they take as long as there is more to compute.
    `engine` None: whichever was measured last.
    """
    for record in seen:
        fits = record.model in (shape.name, model) and record.gpu == PROCESSORS
        if (
            not fits
            or record.engine != (engine or record.engine)
            or not 0 < record.low <= record.mid <= record.high
        ):
            continue
        rates, how = Spread(record.low, record.mid, record.high), " (on lengths that were not kept)"
        measured = _lengths(record.detail.get("lengths"))
        there = mean_flops(shape, measured) if measured is not None else None
        asked = mean_flops(shape, lengths)
        if there and asked:
            rates, how = _scaled(rates, there / asked)
        source = f"measured {record.at:%Y-%m-%d}: {record.source}{how}"
        return Speed(shape.name, PROCESSORS, record.engine, rates, None, source), record
    return None


def _is_of(record: MeasuredSpeed, gpu: str, engine: str) -> bool:
    """A figure that cannot be a speed is passed over."""
    same = canonical(record.gpu) == gpu and record.engine == engine
    return same and 0 < record.low <= record.mid <= record.high


def _carried(
    record: MeasuredSpeed,
    shape: ModelShape,
    gpu: Gpu,
    engine: str,
    predicted: Speed | None,
    dtype: str | None,
) -> tuple[Spread, str]:
    """The record's rates on the lengths asked for, and what was done to get them."""
    as_it_is = Spread(record.low, record.mid, record.high)
    measured = _lengths(record.detail.get("lengths"))
    if measured is None:
        return as_it_is, " (on lengths that were not kept)"
    there = predict(shape, gpu, engine, measured, dtype)
    if predicted is None or there is None:
        return as_it_is, " (on its own lengths)"
    return _scaled(as_it_is, predicted.tokens_per_second.mid / there.tokens_per_second.mid)


def _scaled(rates: Spread, ratio: float) -> tuple[Spread, str]:
    """To lengths on which the model is so many times as fast, and what was done."""
    if abs(ratio - 1) < 0.02:  # the same mix, or one that costs the same
        return rates, ""
    wider = spread_about(1.0, CARRIED)
    carried = Spread(rates.low * ratio * wider.low, rates.mid * ratio, rates.high * ratio * wider.high)
    return carried, f", x{ratio:.2f} for other lengths"


def _lengths(kept: Any) -> Lengths | None:
    """(share, tokens) pairs as the ledger's JSON holds them; None where they are none."""
    if not isinstance(kept, Sequence) or isinstance(kept, str):
        return None
    pairs: list[tuple[float, float]] = []
    for pair in cast("Sequence[Any]", kept):
        if not isinstance(pair, Sequence) or len(cast("Sequence[Any]", pair)) != 2:
            return None
        share, tokens = cast("Sequence[Any]", pair)
        if not all(isinstance(x, int | float) and x >= 0 for x in (share, tokens)):
            return None
        pairs.append((float(share), float(tokens)))
    return pairs if sum(share * tokens for share, tokens in pairs) > 0 else None
