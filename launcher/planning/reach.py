"""What rented machines can see of a job: its corpus, its model and its output; and the upload that makes them see it.

One rule for plans and for launches. Pure.
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from launcher.errors import Problem
from launcher.planning.saved.saved_plan import NeededUpload, SavedPlan
from pricing.charges import storage

SHARED_FILE_SYSTEM_CLOUDS = ("slurm", "local")  # whose machines see the folders of this machine
CORPUS, OUTPUT, MODEL = "corpus.path", "output.path", "model"


@dataclass(frozen=True, slots=True)
class UnseenPath:
    """A folder of this machine, and the key of the job file that names it."""

    key: str
    path: str


def sees_folders(cloud: str) -> bool:
    """Whether machines of this cloud see the folders of this machine."""
    return cloud in SHARED_FILE_SYSTEM_CLOUDS


def unseen_paths(corpus: str | None, output: str | None, model: str) -> tuple[UnseenPath, ...]:
    """The paths of a job that machines of a cloud cannot see. `model` is a full path, or a hub id."""
    found = [
        UnseenPath(key, path)
        for key, path in ((CORPUS, corpus), (OUTPUT, output))
        if path is not None and ("://" not in path or path.startswith("file://"))
    ]
    if model.startswith(("/", "./", "../")):
        found.append(UnseenPath(MODEL, model))
    return tuple(found)


def check_reachable(plan: SavedPlan, output: str) -> None:
    """Refuse a plan whose machines could not read its corpus or its model, or write its output.

    Raises:
        Problem: one of them is a folder of this machine.
    """
    far = sorted({group.cloud for group in plan.lots if not sees_folders(group.cloud)})
    unseen = unseen_paths(str(plan.work.corpus), output, plan.work.model) if far else ()
    if not unseen:
        return
    folders = " and ".join(f"{one.key} is the folder {one.path}" for one in unseen)
    raise Problem(f"{folders}, which machines on {', '.join(far)} cannot see", hint=_remedy(plan, unseen))


def needed_upload(
    unseen: Iterable[UnseenPath], *, name: str, stored_bytes: int, cloud: str, region: str
) -> NeededUpload | None:
    """What must be done before machines of this cloud can do the work; None: they see everything.

    `stored_bytes` is the size of the corpus files. Transfer into a bucket is free on every cloud that we know.
    """
    paths = {one.key: one.path for one in unseen}
    if not paths or sees_folders(cloud):
        return None
    scheme, copy = ("gs", "gcloud storage rsync --recursive") if cloud == "gcp" else ("s3", "aws s3 sync")
    store = cloud if cloud in ("aws", "gcp", "azure") else "aws"
    size = stored_bytes if CORPUS in paths else 0
    month = storage.storage_month_usd(store, region if store == cloud else "*", size)
    bucket = f"{scheme}://BUCKET/{name}"
    return NeededUpload(
        paths=tuple(paths),
        bytes=size,
        usd_per_month=None if month is None else month.quantize(Decimal("0.00000001")).normalize(),
        command=f"{copy} {shlex.quote(paths[CORPUS])} {bucket}/corpus" if CORPUS in paths else None,
        settings=_settings(paths, bucket),
    )


def _settings(paths: Iterable[str], bucket: str) -> tuple[str, ...]:
    """The keys of the job file to set, with their values."""
    values = {CORPUS: f"{bucket}/corpus", OUTPUT: f"{bucket}/vectors", MODEL: "its id on the hub"}
    return tuple(f"{key}: {values[key]}" for key in paths)


def _remedy(plan: SavedPlan, unseen: Iterable[UnseenPath]) -> str:
    upload = plan.upload
    if upload is not None:
        first = f"{upload.command}; then " if upload.command else ""
        return f"{first}set {', '.join(upload.settings)}, and plan again; or plan with --on local"
    keys = [one.key for one in unseen]
    buckets = [f"{key}: s3://BUCKET/PREFIX or gs://BUCKET/PREFIX" for key in keys if key != MODEL]
    words = [f"put it in a bucket: {', '.join(buckets)}"] if buckets else []
    if MODEL in keys:
        words.append("name the model by its id on the hub")
    return "; ".join(words)
