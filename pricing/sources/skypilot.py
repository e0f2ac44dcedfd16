"""Prices from SkyPilot's catalogs: the ones it keeps on this machine, or those it publishes.

One CSV per cloud and version of the format. The file is a snapshot that others made: where it is
known to be wrong (a GPU's name or number, a price of 0, a reservation's price on GCP) it is mended or left empty, and
a note says so. What it cannot know: whether a machine can be had, and what a price was made from.
"""

import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pricing.gpu import canonical
from pricing.offer import Quote
from pricing.sources.http import NET, Http, Refused
from pricing.sources.instance_types import by_type
from pricing.sources.result import Fetched, Unanswered, plain
from pricing.sources.skypilot_gcp import joined
from pricing.sources.skypilot_rows import Row, UnreadableError, rows

CLOUDS = ("aws", "gcp", "azure", "lambda", "nebius", "runpod", "vast", "hyperstack", "do")
PUBLISHED = "https://raw.githubusercontent.com/skypilot-org/skypilot-catalog/master/catalogs"
# SkyPilot's own, for when GitHub has had enough (429).
MIRROR = "https://skypilot-catalog.s3.us-east-1.amazonaws.com/catalogs"
VERSIONS = ("v8", "v7", "v6")  # newest first; an older one still holds the clouds that nobody brought forward
MISSING = 404
FRESH = timedelta(hours=7)  # SkyPilot renews its own copy as often

# Clouds whose file SkyPilot makes anew every few hours; the others are edited by hand, so their prices are undated.
RENEWED = frozenset({"aws", "gcp", "lambda", "nebius", "runpod", "vast"})
# Clouds whose file lists every type in every region.
EVERYWHERE = frozenset({"lambda", "runpod"})

# Names that stand for several GPUs, which memory (GiB, within a tenth) tells apart.
VARIANTS = {
    "A100": ((40, "A100-40GB"), (80, "A100-80GB")),
    "V100": ((16, "V100"), (32, "V100-32GB")),
    "H100": ((80, "H100"), (94, "H100-NVL")),
}


def fetch(now: datetime, http: Http = NET, catalogs: Path | None = None) -> Fetched:
    """Every cloud's catalog: this machine's copy while it is fresh, else the published one, else the old copy."""
    home = catalogs or Path(os.environ.get("SKY_RUNTIME_DIR", "~")).expanduser() / ".sky" / "catalogs"
    quotes: list[Quote] = []
    notes: list[str] = []
    down: Unanswered | None = None  # once there is no network, the other clouds need not wait for it again
    for cloud in CLOUDS:
        cached = _cached(home, cloud)
        if cached is None or now - cached[1] > FRESH:
            try:
                if down is not None:
                    raise down
                source, text = _published(http, cloud)
                cached = (source, now, text)
            except Unanswered as unanswered:
                down = unanswered if not isinstance(unanswered, Refused) else down
                if cached is None:
                    notes.append(f"{cloud}: {unanswered.reason}.")
                    continue
                notes.append(f"{cloud}: SkyPilot's copy of {cached[1]:%Y-%m-%d}, as {unanswered.reason}.")
        source, at, text = cached
        try:
            found, said = parse(cloud, text, at.date(), source)
        except UnreadableError as error:
            notes.append(f"{cloud}: {error}.")
            continue
        quotes += found
        notes += said
    if not quotes:
        raise Unanswered(
            f"no SkyPilot catalog: {notes[0] if notes else 'none found'}".rstrip("."),
            down.hint if down else f"let SkyPilot fetch its catalogs (sky gpus list) into {home}",
        )
    known = frozenset((q.instance_type, q.region) for q in quotes if "region_unverified" not in q.flags)
    return Fetched(tuple(quotes), known, tuple(notes))


def parse(cloud: str, text: str, as_of: date, source: str) -> tuple[list[Quote], list[str]]:
    """The GPU machines of one cloud's vms.csv, and what had to be said about it."""
    lines, notes = rows(cloud, text)
    flags = [
        *(["zone_id"] if cloud == "aws" else []),
        *(["as_of_unknown"] if cloud not in RENEWED else []),
        *(["region_unverified"] if cloud in EVERYWHERE else []),
    ]
    if cloud == "gcp":
        lines, more = joined(lines)
        notes += more
    quotes: list[Quote] = []
    zeros = 0
    for row in lines:
        gpu, gpus, doubt = _gpu(cloud, row)
        if not gpu:
            continue  # a machine without GPUs
        zeros += (row.price == 0) + (row.spot == 0)
        quotes.append(
            Quote(
                cloud=cloud,
                region=row.region,
                zone=row.zone,
                instance_type=row.instance_type,
                gpu=gpu,
                gpus=gpus,
                vcpus=row.vcpus,
                memory_gb=row.memory_gb,
                on_demand=plain(row.price)
                if row.price
                else None,  # the catalogs write 0 where they know no price
                spot=plain(row.spot) if row.spot else None,
                as_of=as_of,
                source=source,
                flags=(*(f for f in flags if f != "zone_id" or row.zone is not None), *doubt),
            )
        )
    if zeros:
        notes.append(f"{cloud}: {zeros} prices of 0 are read as unknown.")
    return quotes, notes


def _cached(home: Path, cloud: str) -> tuple[str, datetime, str] | None:
    """Where this machine's newest copy is from, when it came, and its text.

    SkyPilot touches the CSV when a renewal fails, which makes old prices look new; the digest beside it is written
    only when one succeeds. A file without digest was put there by hand.
    """
    versions = sorted(
        home.glob("v*"), key=lambda p: int(p.name[1:]) if p.name[1:].isdecimal() else 0, reverse=True
    )
    for version in versions:
        path = version / cloud / "vms.csv"
        digest = version / ".meta" / cloud / "vms.csv.md5"
        try:
            text = path.read_text(encoding="utf-8")
            at = (digest if digest.exists() else path).stat().st_mtime
        except (OSError, UnicodeDecodeError):
            continue
        return (
            f"SkyPilot catalog {version.name}/{cloud}, this machine's copy",
            datetime.fromtimestamp(at, UTC),
            text,
        )
    return None


def _published(http: Http, cloud: str) -> tuple[str, str]:
    """The newest published catalog of a cloud: what to call it, and its text."""
    for version in VERSIONS:
        try:
            body = _copy(http, f"{version}/{cloud}/vms.csv")
            return f"SkyPilot catalog {version}/{cloud}, published", body.decode("utf-8")
        except Refused as refused:
            if refused.status != MISSING or version == VERSIONS[-1]:
                raise
        except UnicodeDecodeError as error:
            raise Unanswered(f"the catalog is not text: {error}", "try again later") from error
    raise AssertionError("the last version returns or raises")


def _copy(http: Http, path: str) -> bytes:
    try:
        return http.get(f"{PUBLISHED}/{path}")
    except Refused as refused:
        if refused.status == MISSING:  # the mirror has no more files than the original
            raise
        return http.get(f"{MIRROR}/{path}")


def _gpu(cloud: str, row: Row) -> tuple[str, float, list[str]]:
    """The GPU of a row, how many, and a flag where the row alone does not name it."""
    known = by_type(cloud).get(row.instance_type)
    if known is not None:
        sibling = bool(row.accelerator) and canonical(row.accelerator) != canonical(known.gpu)
        return known.gpu, known.gpus, ["gpu_by_instance_type"] if sibling else []
    named = VARIANTS.get(row.accelerator)
    count = row.count or 0
    if named is None:
        return row.accelerator, count, []
    if row.accelerator == "H100" and "pcie" in row.instance_type.casefold():
        return "H100-PCIe", count, ["gpu_by_instance_type"]
    for gib in _memory_gib(row.info, count):
        for size, variant in named:
            if abs(gib - size) <= size / 10:
                return variant, count, ["gpu_by_instance_type"] * (variant != canonical(row.accelerator))
    # Elsewhere the bare name is SkyPilot's for the smaller one; on the market of vast.ai it may be either.
    return row.accelerator, count, ["gpu_variant_unsure"] if cloud == "vast" else []


def _memory_gib(info: str, count: float) -> list[float]:
    """What one GPU may hold, likeliest first. Catalogs differ on whether a size is that of one GPU or of all.

    `GpuInfo` is a Python literal, or JSON's null in one, or lower case, or a bare name: only the numbers are common.
    """
    found = {
        m[1].casefold(): float(m[2]) / 1024
        for m in re.finditer(r"(SizeInMiB|TotalGpuMemoryInMiB)\W+(\d+)", info, re.IGNORECASE)
    }
    total, one = found.get("totalgpumemoryinmib"), found.get("sizeinmib")
    return [*([total / count] if total and count else []), *([one] if one else [])]
