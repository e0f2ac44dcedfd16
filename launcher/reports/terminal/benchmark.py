"""What `bench` found, on one terminal screen. Knows its JSON, not how it was measured."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import compact, count, duration, plain, rate

# What a stage's seconds are of: those of the engine's own thread share out a worker's time, the others run beside it.
OWN: Mapping[str, str] = {
    "engine": "embedding",
    "wait": "the engine waited for texts",
}
BESIDE: Mapping[str, str] = {
    "read": "reading",
    "tokenise": "tokenising",
    "write": "writing files",
    "store": "leases, uploads and receipts",
}
MOST = 8  # workers that are shown one by one


def bench_text(body: Mapping[str, Any]) -> RenderableType:
    kind = body["gpu"] or "GPUs that are not alike"
    machine = f"{body['gpus']} x {kind}" if body["gpus"] else kind
    workers = f"{body['workers']} worker{'s' if body['workers'] > 1 else ''}"
    threads = f" of {body['threads']} thread{'s' if body['threads'] > 1 else ''}" if body["threads"] else ""
    name = str(body["model"]).rstrip("/").rpartition("/")[2]
    head = Text.assemble(
        (plain(name), "bold"),
        f"  by {body['engine']} in {body['dtype']} on {plain(body['host'])}, {plain(machine)}",
    )
    versions = ", ".join(f"{name} {version}" for name, version in body["versions"].items())
    parts: list[RenderableType] = [
        head,
        Text(
            f"{workers}{threads}; texts {plain(body['texts'])}; {duration(body['load_seconds'])} to load",
            "dim",
        ),
        Text(versions, "dim"),
        Text(),
        _speeds(body),
        Text(),
        _figures(body),
        Text(),
        _stages(body["pipeline"]),
    ]
    wrong = [Text(f"mistake: {plain(line)}", "bold red") for line in body["mistakes"]]
    return Group(*parts, *([Text(), *wrong] if wrong else []))


def _speeds(body: Mapping[str, Any]) -> Table:
    """P10, P50 and P90 of the engine, and what the pipeline makes of it."""
    table = _table("Tokens per second", "P10", "P50", "P90")
    machine = body["tokens_per_second"]
    table.add_row("bare engine, the machine", *(count(machine[k]) for k in ("low", "mid", "high")))
    if 1 < len(body["each"]) <= MOST:
        for number, one in enumerate(body["each"], 1):
            table.add_row(f"  worker {number}", *(count(one[k]) for k in ("low", "mid", "high")))
    table.add_row("whole workers", "", count(body["pipeline"]["tokens_per_second"]), "")
    kept = body["kept"]
    if kept:
        what = "kept, of one GPU" if body["gpus"] else "kept"
        table.add_row(what, *(count(kept[k]) for k in ("low", "mid", "high")), style="bold")
    return table


def _figures(body: Mapping[str, Any]) -> Table:
    table = _table("The bare engine", "")
    mean = body["tokens"]
    table.add_row("tokens per text", "?" if mean is None else f"{mean:,.0f}")
    table.add_row("texts per second", compact(body["texts_per_second"]))
    table.add_row("tokens per CPU-second", _whole(body["tokens_per_cpu_second"]))
    if body["gpus"]:
        table.add_row("tokens per GPU-second", _whole(body["tokens_per_gpu_second"]))
    table.add_row("matrix products", _flops(body["flops_per_second"]))
    table.add_row("MFU, of these", _share(body["mfu"]))
    table.add_row("of the predicted speed", _share(body["share_of_predicted"]))
    return table


def _stages(pipeline: Mapping[str, Any]) -> Table:
    """Where the workers' time went. At the end one waits for the other's last shard: that is no work, and no share."""
    stages = pipeline["stages"]
    whole = pipeline["seconds"] - stages.get("idle", 0.0)
    table = _table("Whole workers", "time", "share")
    for names, note in ((OWN, ""), (BESIDE, "beside it: ")):
        for stage, what in names.items():
            if stage in stages:
                took = stages[stage]
                table.add_row(f"{note}{what}", duration(took), _share(took / whole if whole > 0 else None))
    table.add_row(f"all work, {pipeline['shards']} shards", duration(whole), "", style="bold")
    if "idle" in stages:
        table.add_row("at the end, with no shard left", duration(stages["idle"]), "", style="dim")
    speed = pipeline["tokens_per_second"]
    table.add_row("of the bare engine's speed", rate(speed), _share(pipeline["share_of_engine"]))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column(title, header_style="bold", min_width=38)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _whole(figure: float | None) -> str:
    return "?" if figure is None else count(figure)


def _share(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.1f} %"


def _flops(figure: float | None) -> str:
    return "?" if figure is None else f"{figure / 1e12:,.{0 if figure >= 1e14 else 2}f} TFLOP/s"
