"""Look up the speed of a model on a GPU.

In this order: what the job file says, what the ledger has of the model itself, what the project measured of a model of
the same shape (`measured_speeds.py`), what is predicted.

A speed that was measured on texts of other lengths is scaled by the predicted ratio of the two mixes, when the record
has its lengths. Otherwise it is used as it is, and its source says so. Pure: records come from the ledger, newest first.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from launcher.ledger.records import MeasuredSpeed
from launcher.throughput.measured_speeds import MeasuredPoint, measured_point
from launcher.throughput.predict import ModelShape, Speed, highest_speed, mean_flops, predict, spread_about
from launcher.throughput.reduced_precision import in_reduced_precision
from launcher.throughput.spread import Spread
from pricing.gpu import Gpu, canonical
from tasks.models.precision import Precision

Lengths = Sequence[tuple[float, float]]
PROCESSORS = "cpu"  # the ledger's name of all processors of one machine together

# A speed that was scaled from other lengths is more certain than a prediction and less than a measurement: a third of
# the prediction's sigma in addition to its own range. A judgement, not a measurement.
SCALED_FACTOR = 1.18
# A speed that the project measured once, with 16 cores and random weights: other hosts and other versions differ.
# A judgement, not a measurement.
ELSEWHERE_FACTOR = 1.2


def speed_of(
    shape: ModelShape,
    gpu: Gpu,
    engine: str,
    lengths: Lengths,
    overrides: Mapping[str, float] | None = None,
    seen: Sequence[MeasuredSpeed] = (),
    dtype: str | None = None,
    model: str | None = None,
    precision: Precision | None = None,
) -> Speed | None:
    """The speed of one GPU. None: it is neither given nor measured, and the GPU has no known ceiling.

    `overrides` are tokens per second by GPU, under any of its names. `seen` are records of any model, GPU and engine.
    `model` is the model's name in the ledger when that is not the name of its shape: the full path of a folder.
    A reduced `precision` that was not measured has the usual speed times a stated ratio.
    """
    given = next((rate for name, rate in (overrides or {}).items() if canonical(name) == gpu.name), None)
    if given is not None:
        return Speed(
            model=shape.name,
            gpu=gpu.name,
            engine=engine,
            tokens_per_second=Spread(given, given, given),
            share_of_ceiling=None,
            source="the job file",
        )
    predicted = predict(shape, gpu, engine, lengths, dtype)
    names = (shape.name, model)
    found = (one for one in seen if one.model in names and _is_of(one, gpu.name, engine, precision))
    record = next(found, None)
    if record is None and precision is not None:
        plain = speed_of(shape, gpu, engine, lengths, seen=seen, dtype=dtype, model=model)
        return plain and in_reduced_precision(plain, precision, shape, gpu, lengths, dtype)
    if record is None:
        point = measured_point(shape, gpu.name, engine, dtype)
        if point is None or predicted is None or predicted.share_of_ceiling is None:
            return predicted
        return _of_point(point, shape, gpu, predicted, lengths, dtype)
    rates, how = _for_lengths(record, shape, gpu, engine, predicted, dtype)
    share = predicted and predicted.share_of_ceiling
    if predicted and share is not None:  # the same arithmetic in another time
        share *= rates.mid / predicted.tokens_per_second.mid
    source = f"measured {record.at:%Y-%m-%d}: {record.source}{how}"
    return Speed(
        model=shape.name,
        gpu=gpu.name,
        engine=engine,
        tokens_per_second=rates,
        share_of_ceiling=share,
        source=source,
    )


def _of_point(
    point: MeasuredPoint, shape: ModelShape, gpu: Gpu, predicted: Speed, lengths: Lengths, dtype: str | None
) -> Speed:
    """The speed of a point that the project measured, carried over to these lengths."""
    there = predict(shape, gpu, point.engine, [(1.0, point.tokens)], dtype)
    assert there is not None
    assert predicted.share_of_ceiling is not None
    unscaled = spread_about(point.tokens_per_second, ELSEWHERE_FACTOR)
    mid = predicted.tokens_per_second.mid
    rates, how = _scaled(unscaled, mid / there.tokens_per_second.mid)
    flops = mean_flops(shape, lengths)
    if flops:
        limit = highest_speed(gpu, flops, precise=point.dtype == "float32")
        rates = Spread(rates.low, rates.mid, max(rates.mid, min(rates.high, limit)))
    return Speed(
        model=shape.name,
        gpu=gpu.name,
        engine=point.engine,
        tokens_per_second=rates,
        share_of_ceiling=predicted.share_of_ceiling * rates.mid / mid,
        source=f"{point.source}, {point.tokens:g} tokens a text{how}",
        bare=True,
    )


def local_speed_of(
    shape: ModelShape,
    lengths: Lengths,
    seen: Sequence[MeasuredSpeed],
    engine: str | None = None,
    model: str | None = None,
) -> tuple[Speed, MeasuredSpeed] | None:
    """The measured speed of all processors of this machine together, and its record; None when it was not measured.

    Nothing is predicted, because their ceiling is unknown. A speed for other lengths is scaled by the operations per
    token. `engine` None: the one that was measured last.
    """
    for record in seen:
        same = record.model in (shape.name, model) and record.gpu == PROCESSORS
        if (
            not same
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
        speed = Speed(
            model=shape.name,
            gpu=PROCESSORS,
            engine=record.engine,
            tokens_per_second=rates,
            share_of_ceiling=None,
            source=source,
        )
        return speed, record
    return None


def _is_of(record: MeasuredSpeed, gpu: str, engine: str, precision: Precision | None) -> bool:
    """Whether the record is of this GPU, engine and precision, with figures that can be a speed."""
    same = canonical(record.gpu) == gpu and record.engine == engine
    same = same and record.detail.get("precision") == precision
    return same and 0 < record.low <= record.mid <= record.high


def _for_lengths(
    record: MeasuredSpeed,
    shape: ModelShape,
    gpu: Gpu,
    engine: str,
    predicted: Speed | None,
    dtype: str | None,
) -> tuple[Spread, str]:
    """The record's rates for the required lengths, and how they were derived, in words."""
    unscaled = Spread(record.low, record.mid, record.high)
    measured = _lengths(record.detail.get("lengths"))
    if measured is None:
        return unscaled, " (on lengths that were not kept)"
    there = predict(shape, gpu, engine, measured, dtype)
    if predicted is None or there is None:
        return unscaled, " (on its own lengths)"
    return _scaled(unscaled, predicted.tokens_per_second.mid / there.tokens_per_second.mid)


def _scaled(rates: Spread, ratio: float) -> tuple[Spread, str]:
    """The rates for lengths on which the model is `ratio` times as fast, and how they were derived, in words."""
    if abs(ratio - 1) < 0.02:  # the same mix, or one that costs the same
        return rates, ""
    wider = spread_about(1.0, SCALED_FACTOR)
    scaled = Spread(rates.low * ratio * wider.low, rates.mid * ratio, rates.high * ratio * wider.high)
    return scaled, f", x{ratio:.2f} for other lengths"


def _lengths(kept: Any) -> Lengths | None:
    """(share, tokens) pairs from the ledger's JSON; None when it holds no valid ones."""
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
