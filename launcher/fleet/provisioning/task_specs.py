"""A plan's machine groups as SkyPilot tasks: what `tasks.skypilot_task` needs of each. Pure: knows no cloud."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from launcher.planning.saved.saved_plan import MachineGroup, PlannedWork, SavedPlan
from launcher.planning.saved.steering_plan import SteeredKind
from launcher.planning.steering.envelope import place_of_kind
from tasks.skypilot_task import Place, TaskSpec, machine_task, to_yaml


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
    """A task specification for each machine group of a plan, in the plan's order; of a steered one for each kind.

    `code` is the folder `tasks` on this laptop, `prebuilt` an environment that the machines have already, `settings`
    more environment variables, `secrets` the names of secret ones.
    """
    common = TaskSpec(
        run=plan.run,
        group=0,
        gpu="",
        gpus=0.0,
        spot=False,
        places=(),
        output=output,
        corpus=str(plan.work.corpus or ""),
        model=plan.work.model,
        engine=_engine(plan.work),
        workers=1,
        code=code,
        disk_gb=disk_gb,
        prebuilt=prebuilt,
        settings=dict(settings or {}),
        secrets=tuple(secrets),
    )
    kinds = steered_kinds(plan)
    if kinds:
        return tuple(
            replace(
                common,
                group=number,
                gpu=kind.gpu,
                gpus=kind.gpus_per_machine,
                spot=kind.spot,
                places=(place_of(kind),),
                workers=kind.workers,
            )
            for number, kind in kinds.items()
        )
    return tuple(
        replace(
            common,
            group=number,
            gpu=group.gpu,
            gpus=group.gpus_per_machine,
            spot=group.spot,
            places=places_of(group),
            workers=group.workers,
            threads=group.threads,
        )
        for number, group in enumerate(plan.lots)
    )


def steered_kinds(plan: SavedPlan) -> dict[int, SteeredKind]:
    """The kinds that a steered plan may rent, by number, above those of its machine groups. None: it is not steered."""
    if plan.steering is None:
        return {}
    return dict(enumerate(plan.steering.envelope.kinds, start=len(plan.lots)))


def place_of(kind: SteeredKind) -> Place:
    """Where the machines of a kind are asked for."""
    return place_of_kind(kind.cloud, kind.region, kind.zone, kind.instance_type, kind.usd_per_hour)


def places_of(group: MachineGroup) -> tuple[Place, ...]:
    """Where the machines of a group may be."""
    return tuple(
        place_of_kind(group.cloud, place.region, place.zone, place.instance_type, place.usd_per_hour)
        for place in group.places
    )


def task_yamls(specs: Sequence[TaskSpec]) -> dict[str, str]:
    """A file for each group, by its name: what a user could launch by hand."""
    return {f"group-{spec.group}.yaml": to_yaml(machine_task(spec)) for spec in specs}


def _engine(work: PlannedWork) -> str:
    if work.engine == "auto":
        return "hash" if work.model == "hash" else "vllm"
    return work.engine
