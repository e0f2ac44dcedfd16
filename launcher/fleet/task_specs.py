"""A plan's lots as recipes for machines: what `tasks.skypilot_task` needs of each.

Pure: knows a plan's JSON and no cloud.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from launcher.errors import Problem
from tasks.skypilot_task import SPOTLESS, Place, Recipe, task, to_yaml

SHARED_FILE_SYSTEM_CLOUDS = ("slurm", "local")  # whose machines see the folders of the laptop


def specs_of(
    body: Mapping[str, Any],
    output: str,
    code: str,
    *,
    disk_gb: int,
    prebuilt: str | None = None,
    settings: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
) -> tuple[Recipe, ...]:
    """A recipe for each lot of a plan, in its order."""
    work: Mapping[str, Any] = body["work"]
    return tuple(
        Recipe(
            run=body["run"],
            lot=number,
            gpu=lot["gpu"],
            gpus=lot["gpus_per_machine"],
            spot=lot["spot"],
            places=places_of(lot),
            output=output,
            corpus=str(work["corpus"] or ""),
            model=work["model"],
            engine=_engine(work),
            workers=lot["workers"],
            threads=lot["threads"],
            code=code,
            disk_gb=disk_gb,
            prebuilt=prebuilt,
            settings=dict(settings or {}),
            secrets=tuple(secrets),
        )
        for number, lot in enumerate(body["lots"])
    )


def places_of(lot: Mapping[str, Any]) -> tuple[Place, ...]:
    """Where the machines of a lot may be."""
    return tuple(
        Place(
            lot["cloud"],
            seat["region"],
            seat["zone"],
            None if lot["cloud"] in SPOTLESS else seat["instance_type"] or None,
            None if seat["usd_per_hour"] is None else Decimal(seat["usd_per_hour"]),
        )
        for seat in lot["places"]
    )


def check_reachable(body: Mapping[str, Any], output: str) -> None:
    """Refuse a plan whose machines could not read its corpus, its model or its output.

    Raises:
        Problem: which of them is a folder of the laptop.
    """
    far = sorted({lot["cloud"] for lot in body["lots"]} - set(SHARED_FILE_SYSTEM_CLOUDS))
    if not far:
        return
    for what, path in (("corpus.path", str(body["work"]["corpus"])), ("output.path", output)):
        if "://" not in path or path.startswith("file://"):
            raise Problem(
                f"{what} is the folder {path}, which machines on {', '.join(far)} cannot see",
                hint=f"put it in a bucket: {what}: s3://BUCKET/PREFIX or gs://BUCKET/PREFIX",
            )
    model = str(body["work"]["model"])
    if model.startswith(("/", "./", "../")):
        raise Problem(
            f"model is the folder {model}, which machines on {', '.join(far)} cannot see",
            hint="name the model by its id on the hub",
        )


def task_yamls(recipes: Sequence[Recipe]) -> dict[str, str]:
    """A file for each lot, by its name: what a person could launch by hand."""
    return {f"lot-{recipe.lot}.yaml": to_yaml(task(recipe)) for recipe in recipes}


def _engine(work: Mapping[str, Any]) -> str:
    engine: str = work["engine"]
    if engine == "auto":
        return "hash" if work["model"] == "hash" else "vllm"
    return engine
