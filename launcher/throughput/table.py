"""The rows of `embedfleet speed`: one for each device and text length. `SpeedRow` is an element of `speed --json`."""

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.format import plural
from launcher.ledger.records import MeasuredSpeed
from launcher.throughput.gpu_memory import fit_model
from launcher.throughput.lookup import PROCESSORS, local_speed_of, speed_of
from launcher.throughput.predict import ModelShape, Speed
from launcher.throughput.spread import Spread
from pricing.gpu import Gpu


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedRow:
    """The speed of a model on one device for texts of one length. None: unknown, or it does not run there."""

    model: str
    gpu: str
    engine: str | None
    tokens: int  # of a text
    tokens_per_second: Spread | None  # of one GPU, or of all processors of this machine
    share_of_ceiling: float | None
    source: str | None
    dtype: str | None
    fits: bool | None
    needs_gb: float | None
    has_gb: float | None
    reason: str | None  # why there is no speed
    note: str | None


def gpu_rows(
    model: ModelShape,
    gpus: Sequence[Gpu],
    lengths: Sequence[int],
    engine: str,
    *,
    dtype: str | None = None,
    seen: Sequence[MeasuredSpeed] = (),
    name: str | None = None,
) -> list[SpeedRow]:
    """A row for each GPU and text length. `name` is the model's name in the ledger when it is a folder."""
    return [
        _gpu_row(model, gpu, tokens, engine, dtype=dtype, seen=seen, name=name)
        for gpu in gpus
        for tokens in lengths
    ]


def _gpu_row(
    model: ModelShape,
    gpu: Gpu,
    tokens: int,
    engine: str,
    *,
    dtype: str | None,
    seen: Sequence[MeasuredSpeed],
    name: str | None,
) -> SpeedRow:
    fit = fit_model(model, gpu, engine=engine, dtype=dtype, tokens=tokens)
    found = None
    if fit.ok:
        found = speed_of(model, gpu, engine, [(1, tokens)], seen=seen, dtype=dtype, model=name)
    reason = fit.reason
    if reason is None and found is None:
        reason = f"no kernel ceiling is known of {gpu.name} in {fit.dtype}"
    notes = [fit.note] if fit.note else []
    if fit.ok and not fit_model(model, gpu, engine=engine, dtype=dtype).ok:
        notes.append(f"texts of {plural(model.max_tokens, 'token')}, the model's maximum, would not fit")
    if tokens > model.max_tokens:
        notes.append(_too_long(model))
    share = found and found.share_of_ceiling
    return SpeedRow(
        model=model.name,
        gpu=gpu.name,
        engine=engine,
        tokens=tokens,
        tokens_per_second=_rounded(found),
        share_of_ceiling=None if share is None else round(share, 4),
        source=found and found.source,
        dtype=fit.dtype,
        fits=fit.ok,
        needs_gb=round(fit.needs_gb, 2),
        has_gb=round(fit.has_gb, 2),
        reason=reason,
        note="; ".join(notes) or None,
    )


def cpu_rows(
    model: ModelShape,
    lengths: Sequence[int],
    engine: str | None,
    *,
    seen: Sequence[MeasuredSpeed],
    name: str | None = None,
    asked: bool = True,
) -> list[SpeedRow]:
    """A row for each text length on this machine's processors: measured speeds only, as none can be predicted.

    With `asked` false the list is empty unless a speed was measured.
    """
    rows: list[SpeedRow] = []
    for tokens in lengths:
        found, record = local_speed_of(model, [(1, tokens)], seen, engine, name) or (None, None)
        reason = f"never measured here: embedfleet bench --model {name or model.name} does it"
        rows.append(
            SpeedRow(
                model=model.name,
                gpu=PROCESSORS,
                engine=found.engine if found else engine,
                tokens=tokens,
                tokens_per_second=_rounded(found),
                share_of_ceiling=None,
                source=found and found.source,
                dtype=record and record.detail.get("dtype"),
                fits=True if found else None,
                needs_gb=None,
                has_gb=None,
                reason=None if found else reason,
                note=_too_long(model) if tokens > model.max_tokens else None,
            )
        )
    return rows if asked or any(row.tokens_per_second for row in rows) else []


def _too_long(model: ModelShape) -> str:
    return f"the model takes {plural(model.max_tokens, 'token')} by default"


def _rounded(speed: Speed | None) -> Spread | None:
    if speed is None:
        return None
    rate = speed.tokens_per_second
    return Spread(round(rate.low, 1), round(rate.mid, 1), round(rate.high, 1))
