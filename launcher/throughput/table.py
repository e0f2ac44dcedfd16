"""The table of `embedfleet speed`: a row for each device and text length."""

from collections.abc import Sequence
from typing import Any

from launcher.ledger.records import MeasuredSpeed
from launcher.throughput.gpu_memory import fit_model
from launcher.throughput.lookup import PROCESSORS, local_speed_of, speed_of
from launcher.throughput.predict import ModelShape
from pricing.gpu import Gpu


def gpu_rows(
    model: ModelShape,
    gpus: Sequence[Gpu],
    lengths: Sequence[int],
    engine: str,
    dtype: str | None = None,
    seen: Sequence[MeasuredSpeed] = (),
    name: str | None = None,
) -> list[dict[str, Any]]:
    """A JSON object for each GPU and text length. Its speed is None where the model does not run or none is known."""
    out: list[dict[str, Any]] = []
    for gpu in gpus:
        for tokens in lengths:
            fits = fit_model(model, gpu, engine=engine, dtype=dtype, tokens=tokens)
            found = (
                speed_of(model, gpu, engine, [(1, tokens)], seen=seen, dtype=dtype, model=name)
                if fits.ok
                else None
            )
            rate = found and found.tokens_per_second
            reason = fits.reason
            if reason is None and found is None:
                reason = f"no kernel ceiling is known of {gpu.name} in {fits.dtype}"
            notes = [fits.note] if fits.note else []
            if fits.ok and not fit_model(model, gpu, engine=engine, dtype=dtype).ok:
                notes.append(f"texts of {model.max_tokens} tokens, the model's maximum, would not fit")
            if tokens > model.max_tokens:
                notes.append(f"the model takes {model.max_tokens} tokens by default")
            share = found and found.share_of_ceiling
            out.append(
                {
                    "model": model.name,
                    "gpu": gpu.name,
                    "engine": engine,
                    "tokens": tokens,
                    "tokens_per_second": rate
                    and {k: round(getattr(rate, k), 1) for k in ("low", "mid", "high")},
                    "share_of_ceiling": None if share is None else round(share, 4),
                    "source": found and found.source,
                    "dtype": fits.dtype,
                    "fits": fits.ok,
                    "needs_gb": round(fits.needs_gb, 2),
                    "has_gb": round(fits.has_gb, 2),
                    "reason": reason,
                    "note": "; ".join(notes) or None,
                }
            )
    return out


def cpu_rows(
    model: ModelShape,
    lengths: Sequence[int],
    engine: str | None,
    seen: Sequence[MeasuredSpeed],
    name: str | None = None,
    *,
    asked: bool = True,
) -> list[dict[str, Any]]:
    """A JSON object for each text length on this machine's processors: measured speeds only, as none can be predicted.

    With `asked` false the list is empty unless a speed was measured.
    """
    out: list[dict[str, Any]] = []
    for tokens in lengths:
        found = local_speed_of(model, [(1, tokens)], seen, engine, name)
        rate = found and found[0].tokens_per_second
        reason = f"never measured here: embedfleet bench --model {name or model.name} does it"
        out.append(
            {
                "model": model.name,
                "gpu": PROCESSORS,
                "engine": found[0].engine if found else engine,
                "tokens": tokens,
                "tokens_per_second": rate and {k: round(getattr(rate, k), 1) for k in ("low", "mid", "high")},
                "share_of_ceiling": None,
                "source": found and found[0].source,
                "dtype": found and found[1].detail.get("dtype"),
                "fits": True if found else None,
                "needs_gb": None,
                "has_gb": None,
                "reason": None if found else reason,
                "note": f"the model takes {model.max_tokens} tokens by default"
                if tokens > model.max_tokens
                else None,
            }
        )
    return out if asked or any(row["tokens_per_second"] for row in out) else []
