"""The text of `embedfleet bench`: speeds, figures of the engine, and where the workers' time went."""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.documents.bench import BenchDocument, RateRange, RecordedSpeed, WorkersMeasured
from launcher.format import compact, count, duration, percent, plain, plural, rate

# Seconds of the engine's own thread add up to a worker's time; those of the other stages pass at the same time.
ENGINE_STAGES: Mapping[str, str] = {
    "engine": "embedding",
    "wait": "the engine waited for texts",
}
PARALLEL_STAGES: Mapping[str, str] = {
    "read": "reading",
    "tokenise": "tokenising",
    "write": "writing files",
    "store": "leases, uploads and receipts",
}
SHOWN_WORKERS = 8  # one by one


def bench_text(bench: BenchDocument) -> RenderableType:
    """What was measured on which machine, on one screen."""
    machine = bench.gpu or "GPUs that are not alike"
    machine = f"{bench.gpus} x {machine}" if bench.gpus else machine
    workers = plural(bench.workers, "worker")
    workers += f" of {plural(bench.threads, 'thread')}" if bench.threads else ""
    name = bench.model.rstrip("/").rpartition("/")[2]
    head = Text.assemble(
        (plain(name), "bold"),
        f"  by {bench.engine} in {bench.dtype} on {plain(bench.host)}, {plain(machine)}",
    )
    texts = f"{workers}; texts {plain(bench.texts)}; {duration(bench.load_seconds)} to load"
    versions = ", ".join(f"{library} {version}" for library, version in bench.versions.items())
    parts: list[RenderableType] = [head, Text(texts, "dim"), Text(versions, "dim")]
    parts += [Text(), _speeds(bench), Text(), _figures(bench), Text(), _stages(bench.pipeline)]
    mistakes = [Text(f"mistake: {plain(line)}", "bold red") for line in bench.mistakes]
    return Group(*parts, *([Text(), *mistakes] if mistakes else []))


def _speeds(bench: BenchDocument) -> Table:
    """P10, P50 and P90 of the engines, the speed of whole workers, and what the ledger keeps."""
    table = _table("Tokens per second", "P10", "P50", "P90")
    table.add_row("bare engine, the machine", *_range(bench.tokens_per_second))
    if 1 < len(bench.each) <= SHOWN_WORKERS:
        for number, one in enumerate(bench.each, 1):
            table.add_row(f"  worker {number}", *_range(one))
    table.add_row("whole workers", "", count(bench.pipeline.tokens_per_second), "")
    if bench.kept:
        what = "recorded, of one GPU" if bench.gpus else "recorded"
        table.add_row(what, *_range(bench.kept), style="bold")
    return table


def _figures(bench: BenchDocument) -> Table:
    table = _table("The bare engine", "")
    table.add_row("tokens per text", count(bench.tokens))
    table.add_row(
        "texts per second", "?" if bench.texts_per_second is None else compact(bench.texts_per_second)
    )
    table.add_row("tokens per CPU-second", count(bench.tokens_per_cpu_second))
    if bench.gpus:
        table.add_row("tokens per GPU-second", count(bench.tokens_per_gpu_second))
    table.add_row("matrix products", _flops(bench.flops_per_second))
    table.add_row("MFU, of these", _share(bench.mfu))
    table.add_row("of the predicted speed", _share(bench.share_of_predicted))
    return table


def _stages(pipeline: WorkersMeasured) -> Table:
    """Where the workers' time went.

    At the end one worker waits for the last shard of another. That is no work, so the shares leave it out.
    """
    stages = pipeline.stages
    total = pipeline.seconds - stages.get("idle", 0.0)
    table = _table("Whole workers", "time", "share")
    for names, note in ((ENGINE_STAGES, ""), (PARALLEL_STAGES, "at the same time: ")):
        for stage, words in names.items():
            if stage in stages:
                share = stages[stage] / total if total > 0 else None
                table.add_row(f"{note}{words}", duration(stages[stage]), _share(share))
    table.add_row(f"all work, {plural(pipeline.shards, 'shard')}", duration(total), "", style="bold")
    if "idle" in stages:
        table.add_row("at the end, with no shard left", duration(stages["idle"]), "", style="dim")
    speed = pipeline.tokens_per_second
    table.add_row("of the bare engine's speed", rate(speed), _share(pipeline.share_of_engine))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column(title, header_style="bold", min_width=38)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _range(rate: RateRange | RecordedSpeed) -> tuple[str, str, str]:
    return count(rate.low), count(rate.mid), count(rate.high)


def _share(share: float | None) -> str:
    return "?" if share is None else percent(share, 1)


def _flops(figure: float | None) -> str:
    return "?" if figure is None else f"{figure / 1e12:,.{0 if figure >= 1e14 else 2}f} TFLOP/s"
