"""Where a plan's machines come from: worker processes of this machine, or machines rented through SkyPilot.

Turns a plan into the backend that the controller acts through, and into the groups that `policy.step` decides about.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from launcher.errors import Problem
from launcher.fleet.backends import skypilot_client
from launcher.fleet.backends.base import Backend
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.provisioning.task_specs import place_of, places_of, specs_of, steered_kinds
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.jobs.paths import holds_credentials
from launcher.planning.reach import check_reachable
from launcher.planning.saved.saved_plan import PlannedWork, SavedPlan
from launcher.planning.saved.steering_plan import SteeredKind
from launcher.throughput import model_shapes
from launcher.throughput.folder_shape import hub_shape
from launcher.throughput.predict import ModelShape
from pricing import provisioning
from pricing.charges.storage import DISK_GB
from tasks import skypilot_task
from tasks.models.files import HASH_MODEL
from tasks.stores.base import Store

LOCAL = "local"  # the cloud of a group that is this machine
# Settings of this environment that workers on other machines are to have too. None of them may hold a secret.
PASSED_SETTINGS = (
    "EMBEDFLEET_HASH_SECONDS",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_DEFAULT_REGION",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "EMBEDFLEET_METRICS",
)
PREBUILT_VARIABLE = "EMBEDFLEET_WORKER_ENV"  # the folder of an environment that the machines have already
COLD_START_VARIABLE = "EMBEDFLEET_COLD_START_SECONDS"  # as measured, instead of what is known of the cloud
UNKNOWN_MODEL_GB = 20  # of disk, for a model of unknown size
LOCAL_HEARTBEAT_SECONDS = "2"  # more often than on rented machines: the store is near


@dataclass(frozen=True, slots=True)
class Provisioned:
    """The machines of one run: the backend that gives them, and the policy's groups."""

    backend: Backend
    groups: tuple[FleetGroup, ...]
    specs: tuple[skypilot_task.TaskSpec, ...] = ()


def is_rented(plan: SavedPlan) -> bool:
    """Whether the plan's machines are to be rented."""
    return any(group.cloud != LOCAL for group in plan.lots)


def clouds_rented(plan: SavedPlan) -> set[str]:
    """The clouds that a launch of the plan needs: those where it would begin."""
    return {group.cloud for group in plan.lots}


def provision(
    plan: SavedPlan, output: str, store: Store, folder: Path, secrets: Sequence[str] = ()
) -> Provisioned:
    """Choose the backend of a plan, and its groups. Contacts no cloud yet; `folder` is the run's own.

    Raises:
        Problem: the machines could not reach what they need, or the plan mixes this machine with rented ones.
    """
    if not is_rented(plan):
        return _provision_local(plan, output, folder)
    if any(group.cloud == LOCAL for group in plan.lots):
        raise Problem(
            "the plan mixes this machine with rented ones", hint="plan again with --on local, or without"
        )
    from launcher.fleet.backends.skypilot import SkyPilotBackend  # noqa: PLC0415 - most runs rent nothing

    check_reachable(plan, output)
    specs = task_specs(plan, output, secrets)
    backend = SkyPilotBackend(folder, store, plan.run, {spec.group: spec for spec in specs})
    return Provisioned(backend, fleet_groups(plan), specs)


def fleet_groups(plan: SavedPlan) -> tuple[FleetGroup, ...]:
    """The policy's groups of a plan; needs no backend."""
    if not is_rented(plan):
        return (_local_group(plan),)
    kinds = steered_kinds(plan)
    if kinds:
        return tuple(_kind_group(plan, number, kind) for number, kind in kinds.items())
    return tuple(_rented_group(plan, number) for number in range(len(plan.lots)))


def check_access(plan: SavedPlan) -> None:
    """Check that this environment can rent what the plan needs, before the user is asked to pay.

    Raises:
        Problem: SkyPilot is not installed here, does not answer, or may not use a cloud of the plan.
    """
    if not is_rented(plan):
        return

    skypilot_client.load_sky()
    needed = sorted(clouds_rented(plan))
    enabled = skypilot_client.enabled_clouds(needed)
    missing = [cloud for cloud in needed if cloud not in enabled]
    if missing:
        raise Problem(
            f"the plan rents on {', '.join(needed)}, and SkyPilot may use {', '.join(enabled) or 'no cloud'}",
            hint=f"sky check {' '.join(missing)} says what it lacks",
        )


def usable_groups(plan: SavedPlan, groups: tuple[FleetGroup, ...]) -> tuple[FleetGroup, ...]:
    """The kinds of a steered plan that SkyPilot may rent from here; all groups of any other plan.

    A plan names the clouds of the price book; which of them this account may use is known only here.
    """
    if plan.steering is None:
        return groups
    enabled = skypilot_client.enabled_clouds()
    return tuple(group for group in groups if group.places[0].cloud in enabled)


def task_specs(
    plan: SavedPlan, output: str, secrets: Sequence[str] = ()
) -> tuple[skypilot_task.TaskSpec, ...]:
    """How the machines of each group are requested and set up from this laptop.

    Raises:
        Problem: a setting that the machines are to have holds a password, and is not passed as a secret.
    """
    return specs_of(
        plan,
        output,
        str(Path(skypilot_task.__file__).parent),
        disk_gb=_disk_gb(plan.work),
        prebuilt=os.environ.get(PREBUILT_VARIABLE),
        settings=passed_settings(os.environ, secrets),
        secrets=secrets,
    )


def passed_settings(environ: Mapping[str, str], secrets: Sequence[str]) -> dict[str, str]:
    """The settings that stand in the task files; those named in `secrets` are passed otherwise.

    Raises:
        Problem: one of them holds a password.
    """
    found = {name: environ[name] for name in PASSED_SETTINGS if name in environ and name not in secrets}
    for name, value in found.items():
        if holds_credentials(value):
            raise Problem(
                f"{name} holds a user name or a password, and would stand in the task files",
                hint=f"--secret {name} passes it as a secret",
            )
    return found


def _provision_local(plan: SavedPlan, output: str, folder: Path) -> Provisioned:
    group = plan.lots[0]
    options = ["--store", output, "--run", plan.run, "--heartbeat", LOCAL_HEARTBEAT_SECONDS]
    if group.threads:
        options += ["--threads", str(group.threads)]
    return Provisioned(LocalBackend(folder, options), fleet_groups(plan))


def _local_group(plan: SavedPlan) -> FleetGroup:
    """Each worker of this machine is a machine of its own to the policy, at its share of the price."""
    group = plan.lots[0]
    usd = None if group.usd_per_hour is None else group.usd_per_hour / group.workers
    return FleetGroup(0, group.workers, f"{plan.run}-w", gpu=group.gpu, usd_per_hour=usd)


def _rented_group(plan: SavedPlan, number: int) -> FleetGroup:
    group = plan.lots[number]
    return FleetGroup(
        number=number,
        slots=group.machines,
        name=f"{skypilot_task.machine_prefix(plan.run)}-l{number}m",
        places=places_of(group),
        counts=tuple(place.machines for place in group.places),
        workers=group.workers,
        cold_start=float(os.environ.get(COLD_START_VARIABLE, _start_seconds(plan, group.cloud))),
        tokens_per_second=group.tokens_per_second or None,
        gpu=group.gpu,
        gpus=group.gpus_per_machine,
        purchase="spot" if group.spot else "on-demand",
        disk_gb=_disk_gb(plan.work),
        usd_per_hour=group.usd_per_hour,
    )


def _kind_group(plan: SavedPlan, number: int, kind: SteeredKind) -> FleetGroup:
    """A kind that a steered run may rent: a group with one place."""
    given = os.environ.get(COLD_START_VARIABLE)
    return FleetGroup(
        number=number,
        slots=kind.machines,
        name=f"{skypilot_task.machine_prefix(plan.run)}-l{number}m",
        places=(place_of(kind),),
        counts=(kind.machines,),
        workers=kind.workers,
        cold_start=float(given) if given else kind.cold_start_seconds,
        cold_start_p90=float(given) if given else kind.cold_start_seconds_p90,
        tokens_per_second=kind.tokens_per_second or None,
        tokens_per_second_p10=kind.tokens_per_second_p10 or None,
        gpu=kind.gpu,
        gpus=kind.gpus_per_machine,
        purchase="spot" if kind.spot else "on-demand",
        disk_gb=_disk_gb(plan.work),
        usd_per_hour=kind.usd_per_hour,
        egress_usd_per_token=kind.egress_usd_per_token,
    )


def _start_seconds(plan: SavedPlan, cloud: str) -> float:
    """Seconds from a machine that is there until it embeds, as plans assume; without the download of an unknown model."""
    known = _shape(plan.work)
    parameters = known.params_total if known else 0
    return provisioning.machine_start(cloud, plan.work.engine, parameters)[1]


def _shape(work: PlannedWork) -> ModelShape | None:
    if work.model == HASH_MODEL:
        return None
    shape = work.job.get("shape")
    with suppress(Problem):
        return model_shapes.from_mapping(work.model, shape) if shape else model_shapes.shape(work.model)
    with suppress(Problem):
        return hub_shape(work.model)
    return None


def _disk_gb(work: PlannedWork) -> int:
    """Gigabytes of disk for each machine, as the plan priced them: the model twice, and DISK_GB."""
    known = _shape(work)
    return DISK_GB + (UNKNOWN_MODEL_GB if known is None else ceil(2 * known.params_total / 10**9))
