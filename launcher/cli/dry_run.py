"""What a launch would ask for, of `launch --dry-run`: every task and every call of SkyPilot. Asks and rents nothing."""

from collections.abc import Sequence

from launcher.documents.launch import LaunchPreview, TaskFile
from launcher.errors import Problem
from launcher.fleet.scheduling.placement import home_place
from launcher.format import plural
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.saved.steering_plan import SteeringPlan
from tasks.skypilot_task import TaskSpec, by_price, describe, machine_name, machine_task, to_yaml


def launch_preview(
    plan: SavedPlan, output: str, specs: Sequence[TaskSpec], refused: Problem | None = None
) -> LaunchPreview:
    """What a launch of a plan would ask for. `refused` is why it would be refused on this laptop.

    Args:
        plan: the plan.
        output: the output path.
        specs: a task of each machine group of the plan, of a steered one for each kind; none for this machine.
        refused: what a launch from here lacks.
    """
    rented = bool(specs) and plan.lots[0].cloud != "local"
    if not rented:
        tasks, calls = (), (f"{plural(plan.lots[0].workers, 'worker')} of this machine; nothing is rented",)
    elif plan.steering is not None:
        first = {spec.spot: spec for spec in reversed(specs)}
        tasks = tuple(_task(spec) for spec in specs if spec is first[spec.spot])
        calls = _steered_calls(plan.steering, specs)
    else:
        tasks, calls = tuple(map(_task, specs)), _calls(plan, specs)
    machines = sum(group.machines for group in plan.lots)
    return LaunchPreview(
        run=plan.run,
        output=output,
        rented=rented,
        machines=plan.steering.envelope.machines if plan.steering else machines if rented else 0,
        usd_p50=plan.totals.usd.p50,
        usd_p90=plan.most_usd,
        tasks=tasks,
        calls=calls,
        refused=None if refused is None else str(refused),
        hint=None if refused is None else refused.hint,
    )


def preview_text(preview: LaunchPreview) -> str:
    """The YAML of the tasks, then the calls as comments behind it."""
    documents = [f"# {task.name}\n{task.yaml}" for task in preview.tasks]
    calls = "".join(f"# {call}\n" for call in preview.calls)
    return "---\n".join([*documents, calls])


def _task(spec: TaskSpec) -> TaskFile:
    return TaskFile(name=_file(spec), yaml=to_yaml(machine_task(spec)))


def _file(spec: TaskSpec) -> str:
    return f"group-{spec.group}.yaml"


def _calls(plan: SavedPlan, specs: Sequence[TaskSpec]) -> tuple[str, ...]:
    """One call for each machine, with the place that it is asked of first."""
    calls: list[str] = []
    for spec, group in zip(specs, plan.lots, strict=True):
        counts = [place.machines for place in group.places]
        for slot in range(group.machines):
            first = home_place(spec.places, counts, slot) or by_price(spec.places)[0]
            name = machine_name(spec.run, spec.group, slot, 0)
            calls.append(f"sky.jobs.launch({_file(spec)}, name={name!r})  # first {describe(first)}")
    return tuple(calls)


def _steered_calls(steering: SteeringPlan, specs: Sequence[TaskSpec]) -> tuple[str, ...]:
    """Every kind that may be asked for. The tasks that are shown are of the cheapest kind of each purchase."""
    envelope = steering.envelope
    most = f"at most {envelope.machines} of these machines at a time, {envelope.on_demand} on demand"
    kinds = (
        f"{_file(spec)}: {'spot' if spec.spot else 'on demand'}, "
        f"at most {kind.machines} in {describe(spec.places[0])}"
        for spec, kind in zip(specs, envelope.kinds, strict=True)
    )
    return (f"steered ({steering.policy}): sky.jobs.launch of {most}", *kinds)
