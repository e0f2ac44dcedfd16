"""Prices from SkyPilot's catalogs: the copies on this machine, or the published ones.

One CSV per cloud and format version. Where a catalog is known to be wrong (a GPU's name or number, a price of 0, a
reservation's price on GCP) the value is corrected or left empty, and a note says so. Catalogs do not say whether a
machine is available, nor where a price comes from.
"""

import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pricing.clouds import CLOUDS
from pricing.gpu import canonical
from pricing.offer import Quote
from pricing.sources.http import HTTP_CLIENT, Http, HttpRefused
from pricing.sources.instance_types import gpus_by_instance_type
from pricing.sources.result import FetchedPrices, SourceUnavailable, without_trailing_zeros
from pricing.sources.skypilot_gcp import join_gpus_to_hosts
from pricing.sources.skypilot_rows import CatalogRow, UnreadableCatalogError, read_catalog

PUBLISHED = "https://raw.githubusercontent.com/skypilot-org/skypilot-catalog/master/catalogs"
# SkyPilot's own mirror, for when GitHub rate-limits (429).
MIRROR = "https://skypilot-catalog.s3.us-east-1.amazonaws.com/catalogs"
VERSIONS = (
    "v8",
    "v7",
    "v6",
    "v5",
)  # newest first; an older version still has clouds that were not carried over
NOT_FOUND = 404
FRESH_FOR = timedelta(hours=7)  # SkyPilot renews its own copy at this interval

# Clouds whose catalog SkyPilot regenerates every few hours; the others are edited by hand, so their prices are undated.
RENEWED_CLOUDS = frozenset(
    {"aws", "gcp", "hyperbolic", "lambda", "nebius", "runpod", "seeweb", "shadeform", "vast", "verda"}
)
# Clouds whose catalog lists every type in every region.
ALL_REGIONS_CLOUDS = frozenset({"lambda", "oci", "runpod"})
# Mithril's catalog has the least bid of its auction in both columns, such as 1 USD for an H100: not what one costs.
AUCTION_CLOUDS = frozenset({"mithril"})
# Clouds that resell machines of others: a bare H100 may be either form, so the slower is assumed.
RESELLERS = frozenset({"primeintellect", "shadeform"})

# Names that stand for several GPUs, which differ in memory (GiB, within 10 %).
VARIANTS = {
    "A100": ((40, "A100-40GB"), (80, "A100-80GB")),
    "V100": ((16, "V100"), (32, "V100-32GB")),
    "H100": ((80, "H100"), (94, "H100-NVL")),
}


def fetch(now: datetime, http: Http = HTTP_CLIENT, catalogs: Path | None = None) -> FetchedPrices:
    """Read every cloud's catalog: this machine's copy if it is fresh, else the published one, else the old copy.

    Raises:
        SourceUnavailable: no cloud has a readable catalog.
    """
    home = catalogs or Path(os.environ.get("SKY_RUNTIME_DIR", "~")).expanduser() / ".sky" / "catalogs"
    quotes: list[Quote] = []
    notes: list[str] = []
    unread: dict[str, list[str]] = {}  # clouds without a catalog, by reason
    # The first failed connection: the other clouds are then not tried, to save their timeouts.
    down: SourceUnavailable | None = None
    for cloud in CLOUDS:
        cached = _cached_catalog(home, cloud)
        if cached is None or now - cached[1] > FRESH_FOR:
            try:
                if down is not None:
                    raise down
                source, text = _published_catalog(http, cloud)
                cached = (source, now, text)
            except SourceUnavailable as error:
                down = error if not isinstance(error, HttpRefused) else down
                if cached is None:
                    unread.setdefault(error.reason, []).append(cloud)
                    continue
                notes.append(f"{cloud}: SkyPilot's copy of {cached[1]:%Y-%m-%d}, as {error.reason}.")
        source, at, text = cached
        try:
            found, said = parse_catalog(cloud, text, at.date(), source)
        except UnreadableCatalogError as error:
            notes.append(f"{cloud}: {error}.")
            continue
        quotes += found
        notes += said
    notes = [f"{', '.join(clouds)}: {reason}." for reason, clouds in unread.items()] + notes
    if not quotes:
        raise SourceUnavailable(
            f"no SkyPilot catalog: {next(iter(unread), notes[0] if notes else 'none found')}".rstrip("."),
            down.hint if down else f"let SkyPilot fetch its catalogs (sky gpus list) into {home}",
        )
    known = frozenset((q.instance_type, q.region) for q in quotes if "region_unverified" not in q.flags)
    return FetchedPrices(tuple(quotes), known, tuple(notes))


def parse_catalog(cloud: str, text: str, as_of: date, source: str) -> tuple[list[Quote], list[str]]:
    """Parse the GPU machines of one cloud's vms.csv. Returns quotes, and notes on what was corrected or left out."""
    lines, notes = read_catalog(cloud, text)
    flags = [
        *(["zone_id"] if cloud == "aws" else []),
        *(["as_of_unknown"] if cloud not in RENEWED_CLOUDS else []),
        *(["region_unverified"] if cloud in ALL_REGIONS_CLOUDS else []),
    ]
    if cloud == "gcp":
        lines, more = join_gpus_to_hosts(lines)
        notes += more
    quotes: list[Quote] = []
    zeros = 0
    for row in lines:
        gpu, gpus, doubt = _gpu(cloud, row)
        if not gpu:
            continue  # no GPUs
        zeros += (row.price == 0) + (row.spot == 0)
        auction = cloud in AUCTION_CLOUDS
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
                on_demand=without_trailing_zeros(row.price)
                if row.price and not auction
                else None,  # the catalogs write 0 where they know no price
                spot=without_trailing_zeros(row.spot) if row.spot else None,
                as_of=as_of,
                source=source,
                flags=(
                    *(f for f in flags if f != "zone_id" or row.zone is not None),
                    *doubt,
                    *(["floor"] if auction else []),
                ),
            )
        )
    if zeros:
        notes.append(f"{cloud}: {zeros} prices of 0 are read as unknown.")
    return quotes, notes


def _cached_catalog(home: Path, cloud: str) -> tuple[str, datetime, str] | None:
    """Read this machine's newest copy: its source, its time, and its text; None without a copy.

    SkyPilot touches the CSV when a renewal fails, which makes old prices look new; the digest next to it is written
    only when a renewal succeeds. A file without digest was placed by hand.
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


def _published_catalog(http: Http, cloud: str) -> tuple[str, str]:
    """Download the newest published catalog of a cloud: its source, and its text."""
    for version in VERSIONS:
        try:
            body = _download(http, f"{version}/{cloud}/vms.csv")
            return f"SkyPilot catalog {version}/{cloud}, published", body.decode("utf-8")
        except HttpRefused as refused:
            if refused.status != NOT_FOUND or version == VERSIONS[-1]:
                raise
        except UnicodeDecodeError as error:
            raise SourceUnavailable(f"the catalog is not text: {error}", "try again later") from error
    raise AssertionError("the last version returns or raises")


def _download(http: Http, path: str) -> bytes:
    try:
        return http.get(f"{PUBLISHED}/{path}")
    except HttpRefused as refused:
        if refused.status == NOT_FOUND:  # the mirror has no more files than the original
            raise
        return http.get(f"{MIRROR}/{path}")


def _gpu(cloud: str, row: CatalogRow) -> tuple[str, float, list[str]]:
    """The GPU of a row, the number of GPUs, and flags if the row alone does not identify the GPU."""
    known = gpus_by_instance_type(cloud).get(row.instance_type)
    if known is not None:
        sibling = bool(row.accelerator) and canonical(row.accelerator) != canonical(known.gpu)
        return known.gpu, known.gpus, ["gpu_by_instance_type"] if sibling else []
    named = VARIANTS.get(row.accelerator)
    count = row.count or 0
    if named is None:
        return row.accelerator, count, []
    if row.accelerator == "H100" and "pcie" in row.instance_type.casefold():
        return "H100-PCIe", count, ["gpu_by_instance_type"]
    if row.accelerator == "H100" and cloud in RESELLERS and "sxm" not in row.instance_type.casefold():
        return "H100-PCIe", count, ["gpu_variant_unsure"]
    for gib in _gpu_memory_gib(row.info, count):
        for size, variant in named:
            if abs(gib - size) <= size / 10:
                return variant, count, ["gpu_by_instance_type"] * (variant != canonical(row.accelerator))
    # In other clouds SkyPilot's bare name means the smaller variant; on vast.ai, a market, it may be either.
    return row.accelerator, count, ["gpu_variant_unsure"] if cloud == "vast" else []


def _gpu_memory_gib(info: str, count: float) -> list[float]:
    """The possible memory sizes of one GPU, most likely first. A catalog's size is that of one GPU or of all.

    `GpuInfo` is a Python literal, or one with JSON's null, or in lower case, or a bare name: only the numbers are common.
    """
    found = {
        m[1].casefold(): float(m[2]) / 1024
        for m in re.finditer(r"(SizeInMiB|TotalGpuMemoryInMiB)\W+(\d+)", info, re.IGNORECASE)
    }
    total, one = found.get("totalgpumemoryinmib"), found.get("sizeinmib")
    return [*([total / count] if total and count else []), *([one] if one else [])]
