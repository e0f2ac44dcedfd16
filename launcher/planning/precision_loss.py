"""What a reduced precision loses on the user's own texts, measured before anything is rented.

The texts are embedded twice: as exactly as usual, and in the reduced precision; by vLLM where this machine computes in
it, else emulated in torch, against float32. The figures are of one vector each: cosines, and recall@10, the share of a
text's ten nearest neighbours among these texts that stay among them.

Runs processes of `tasks.probe.vectors`; the comparison is pure.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from launcher.corpus.inspected import InspectedCorpus
from launcher.errors import Problem
from launcher.planning.precision import why_not_here
from launcher.planning.request import PlanRequest
from launcher.planning.saved.saved_plan import PrecisionLoss, ReducedPrecision
from tasks.models.precision import Precision

MOST_TEXTS = 500
NEIGHBOURS = 10
REFERENCE_SHARE = (
    0.25  # of the time, for the exact vectors: emulated ones took 3 times as long (MiniLM, two cores)
)
LOSS_SECONDS = 60.0  # of measuring, unless the command says otherwise
LOAD_SECONDS = 600.0  # for loading, in addition


@dataclass(frozen=True, slots=True)
class LossRequest:
    """What to measure: texts, cut as the job cuts them."""

    model: str
    precision: Precision
    texts: Sequence[str]
    tokens: int | None
    overlap: int | None
    prompt: str
    remote_code: bool = False


def measure_loss(asked: LossRequest, seconds: float) -> PrecisionLoss:
    """Embed up to MOST_TEXTS of the texts twice, as many as fit into about so many seconds beside the loading.

    Raises:
        Problem: the model cannot be computed here; the message is the engine's own.
    """
    emulate = why_not_here(asked.precision) is not None
    with tempfile.TemporaryDirectory(prefix="embedfleet-precision-") as name:
        exact = _vectors(asked, Path(name) / "exact.npy", None, seconds * REFERENCE_SHARE, emulate=emulate)
        count = len(exact)
        reduced = _vectors(
            asked, Path(name) / "reduced.npy", asked.precision, 10 * seconds, emulate=emulate, texts=count
        )
    how = f"emulated in torch, against float32; no GPU computed in {asked.precision}"
    return compare(exact[: len(reduced)], reduced, how if emulate else "computed by vLLM, against bfloat16")


def price_of_precision(
    request: PlanRequest,
    corpus: InspectedCorpus,
    precision: Precision,
    usd_without: Decimal | None,
    say: Callable[[str], None],
) -> ReducedPrecision:
    """What the precision of this job loses on its sample, beside what the job costs without it.

    It is measured where the model is a folder, or where the command says for how long: the weights of a hub id would
    have to be downloaded.

    Raises:
        Problem: it was asked for, and cannot be measured here.
    """
    job, seconds = request.job, request.options.loss_seconds
    if seconds is None and Path(request.model).is_dir():
        seconds = LOSS_SECONDS
    if corpus.sampled is None:
        why = "the corpus is only declared"
    elif seconds is None:
        why = "pass --measure-loss 60 to download the model and measure it here"
    elif not seconds:
        why = "--measure-loss 0"
    else:
        from launcher.corpus.chunking import chunk_spec_of  # noqa: PLC0415 - slow to import

        cut = chunk_spec_of(job, request.model)
        most = min(MOST_TEXTS, len(corpus.sampled.texts))
        say(f"measuring what {precision} loses on up to {most} texts, for about {seconds:.0f} s")
        asked = LossRequest(
            model=request.model,
            precision=precision,
            texts=corpus.sampled.texts,
            tokens=cut.tokens,
            overlap=cut.overlap,
            prompt=cut.prompt or "",
            remote_code=job.remote_code,
        )
        return ReducedPrecision(precision, usd_without, measure_loss(asked, seconds))
    return ReducedPrecision(precision, usd_without, None, why)


def compare(exact: NDArray[np.float32], reduced: NDArray[np.float32], how: str) -> PrecisionLoss:
    """Compare vectors [texts, dimensions] of length 1 of the same texts.

    Raises:
        Problem: there are none, or a vector in reduced precision is not finite.
    """
    if not len(exact):
        raise Problem("the sample holds no text to compare", hint="look at corpus.text in the job file")
    both = np.isfinite(exact).all(1)
    if not np.isfinite(reduced[both]).all():
        raise Problem(
            "in reduced precision the model gives vectors that are not finite",
            hint="leave out `precision` in the job file",
        )
    one, other = exact[both].astype(np.float64), reduced[both].astype(np.float64)
    cosines = (one * other).sum(1)
    return PrecisionLoss(
        texts=len(one),
        cosine_mean=round(float(cosines.mean()), 6),
        cosine_worst=round(float(cosines.min()), 6),
        recall_at_10=_recall(one, other),
        how=how,
    )


def _recall(exact: NDArray[np.float64], reduced: NDArray[np.float64]) -> float | None:
    """The mean share of neighbours that stay; None for fewer texts than each has neighbours to lose."""
    if len(exact) <= 2 * NEIGHBOURS:
        return None
    one, other = _neighbours(exact), _neighbours(reduced)
    same = [len(np.intersect1d(a, b)) for a, b in zip(one, other, strict=True)]
    return round(float(np.mean(same)) / NEIGHBOURS, 4)


def _neighbours(vectors: NDArray[np.float64]) -> NDArray[np.intp]:
    """The ten nearest other texts of each, by cosine."""
    near = vectors @ vectors.T
    np.fill_diagonal(near, -np.inf)
    return np.argpartition(-near, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]


def _vectors(
    asked: LossRequest,
    out: Path,
    precision: Precision | None,
    seconds: float,
    *,
    emulate: bool,
    texts: int = MOST_TEXTS,
) -> NDArray[np.float32]:
    """The vectors of the first texts, by a process of its own: vLLM gives its memory back by ending alone."""
    command = [sys.executable, "-m", "tasks.probe.vectors", "--model", asked.model, "--out", str(out)]
    command += ["--precision", precision] if precision else []
    command += ["--emulate"] if emulate else []
    command += ["--remote-code"] if asked.remote_code else []
    command += ["--seconds", str(seconds)]
    request = json.dumps(
        {
            "texts": _distinct(asked.texts)[:texts],
            "tokens": asked.tokens,
            "overlap": asked.overlap,
            "prompt": asked.prompt,
        }
    )
    try:
        done = subprocess.run(
            command,
            input=request + "\n",
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=LOAD_SECONDS + seconds,
            cwd=Path(__file__).parents[2],
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Problem(
            f"the loss of {asked.precision} was not measured within {error.timeout:.0f} s",
            hint="pass --measure-loss 0 to plan without it",
        ) from error
    if done.returncode:
        raise _failure(done.stderr)
    found: NDArray[np.float32] = np.load(out)
    return found


def _distinct(texts: Sequence[str]) -> list[str]:
    """Each text once, in order: equal texts are each other's neighbours whatever the precision."""
    return list(dict.fromkeys(text for text in texts if text.strip()))


def _failure(stderr: str) -> Problem:
    lines = stderr.strip().splitlines()
    message = next((line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")), None)
    hint = next((line.removeprefix("Try: ") for line in lines if line.startswith("Try: ")), None)
    last = lines[-1] if lines else "it said nothing"
    return Problem(
        f"the loss of precision cannot be measured: {message or last}",
        hint=hint or "pass --measure-loss 0 to plan without it",
    )
