"""A plan's machine groups as SkyPilot tasks: what `tasks.skypilot_task` needs of each. Pure: knows no cloud."""

from collections.abc import Mapping, Sequence

from launcher.errors import Problem
from launcher.planning.saved_plan import MachineGroup, PlannedWork, SavedPlan
from tasks.skypilot_task import CLOUDS_WITHOUT_SPOT, Place, TaskSpec, machine_task, to_yaml

SHARED_FILE_SYSTEM_CLOUDS = ("slurm", "local")  # whose machines see the folders of the laptop


def specs_of(
    plan: SavedPlan,
    output: str,
    code: str,
    *,
    disk_gb: int,
    prebuilt: str | None = None,
    settings: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
) -> tuple[TaskSpec, ...]:
    """A task specification for each machine group of a plan, in the plan's order.

    `code` is the folder `tasks` on this laptop, `prebuilt` an environment that the machines have already, `settings`
    more environment variables, `secrets` the names of secret ones.
    """
    return tuple(
        TaskSpec(
            run=plan.run,
            lot=number,
            gpu=group.gpu,
            gpus=group.gpus_per_machine,
            spot=group.spot,
            places=places_of(group),
            output=output,
            corpus=str(plan.work.corpus or ""),
            model=plan.work.model,
            engine=_engine(plan.work),
            workers=group.workers,
            threads=group.threads,
            code=code,
            disk_gb=disk_gb,
            prebuilt=prebuilt,
            settings=dict(settings or {}),
            secrets=tuple(secrets),
        )
        for number, group in enumerate(plan.lots)
    )


def places_of(group: MachineGroup) -> tuple[Place, ...]:
    """Where the machines of a group may be."""
    return tuple(
        Place(
            cloud=group.cloud,
            region=place.region,
            zone=place.zone,
            instance_type=None if group.cloud in CLOUDS_WITHOUT_SPOT else place.instance_type or None,
            usd_per_hour=place.usd_per_hour,
        )
        for place in group.places
    )


def check_reachable(plan: SavedPlan, output: str) -> None:
    """Refuse a plan whose machines could not read its corpus or its model, or write its output.

    Raises:
        Problem: one of them is a folder of the laptop.
    """
    far = sorted({group.cloud for group in plan.lots} - set(SHARED_FILE_SYSTEM_CLOUDS))
    if not far:
        return
    for what, path in (("corpus.path", str(plan.work.corpus)), ("output.path", output)):
        if "://" not in path or path.startswith("file://"):
            raise Problem(
                f"{what} is the folder {path}, which machines on {', '.join(far)} cannot see",
                hint=f"put it in a bucket: {what}: s3://BUCKET/PREFIX or gs://BUCKET/PREFIX",
            )
    if plan.work.model.startswith(("/", "./", "../")):
        raise Problem(
            f"model is the folder {plan.work.model}, which machines on {', '.join(far)} cannot see",
            hint="name the model by its id on the hub",
        )


def task_yamls(specs: Sequence[TaskSpec]) -> dict[str, str]:
    """A file for each group, by its name: what a user could launch by hand."""
    return {f"lot-{spec.lot}.yaml": to_yaml(machine_task(spec)) for spec in specs}


def _engine(work: PlannedWork) -> str:
    if work.engine == "auto":
        return "hash" if work.model == "hash" else "vllm"
    return work.engine
