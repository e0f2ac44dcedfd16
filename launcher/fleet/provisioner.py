"""Where a plan's machines come from: worker processes of this machine, or machines rented through SkyPilot.

From a plan's JSON to the cloud that `Drive` speaks with, and to the lots that `fleet.step` reasons about.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any

from launcher.errors import Problem
from launcher.fleet.backends.base import Backend
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.policy import FleetGroup
from launcher.fleet.task_specs import check_reachable, places_of, specs_of
from launcher.throughput import model_shapes
from pricing import provisioning
from pricing.storage import DISK_GB
from tasks import skypilot_task
from tasks.stores.base import Store

# Settings of this environment that workers on other machines are to have too. None of them is a secret.
PASSED_SETTINGS = (
    "EMBEDFLEET_HASH_SECONDS",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_DEFAULT_REGION",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
)
PREBUILT_VARIABLE = "EMBEDFLEET_WORKER_ENV"  # the folder of an environment that the machines have already
COLD_START_VARIABLE = "EMBEDFLEET_COLD_START_SECONDS"  # as measured, instead of what is known of the cloud
UNKNOWN_MODEL_GB = 20  # room for a model of unknown size


@dataclass(frozen=True, slots=True)
class Provisioned:
    """The machines of one run: who gives them, and the policy's view of the lots."""

    backend: Backend
    groups: tuple[FleetGroup, ...]
    recipes: tuple[skypilot_task.Recipe, ...] = ()


def is_rented(body: Mapping[str, Any]) -> bool:
    """Whether the plan's machines are to be rented."""
    return any(lot["cloud"] != "local" for lot in body["lots"])


def provision(
    body: Mapping[str, Any], output: str, store: Store, folder: Path, secrets: Sequence[str] = ()
) -> Provisioned:
    """Who gives the machines of this plan. Asks nobody yet.

    Raises:
        Problem: the machines could not reach what they need, or the plan mixes what cannot be mixed.
    """
    if not is_rented(body):
        return _here(body, output, folder)
    if any(lot["cloud"] == "local" for lot in body["lots"]):
        raise Problem(
            "the plan mixes this machine with rented ones", hint="plan again with --on local, or without"
        )
    from launcher.fleet.backends.skypilot import SkyPilotBackend  # noqa: PLC0415 - most runs rent nothing

    check_reachable(body, output)
    found = task_specs(body, output, secrets)
    cloud = SkyPilotBackend(folder, store, body["run"], {recipe.lot: recipe for recipe in found})
    return Provisioned(cloud, tuple(_lot(body, number) for number in range(len(body["lots"]))), found)


def check_access(body: Mapping[str, Any]) -> None:
    """Whether this environment can rent what the plan needs, before anybody is asked to pay.

    Raises:
        Problem: SkyPilot is not installed here, does not answer, or may not use a cloud of the plan.
    """
    if not is_rented(body):
        return
    from launcher.fleet.backends import skypilot  # noqa: PLC0415 - most runs rent nothing

    skypilot.load_sky()
    needed = sorted({lot["cloud"] for lot in body["lots"]})
    may = skypilot.enabled_clouds(needed)
    missing = [cloud for cloud in needed if cloud not in may]
    if missing:
        raise Problem(
            f"the plan rents on {', '.join(needed)}, and SkyPilot may use {', '.join(may) or 'no cloud'}",
            hint=f"sky check {' '.join(missing)} says what it lacks",
        )


def task_specs(
    body: Mapping[str, Any], output: str, secrets: Sequence[str] = ()
) -> tuple[skypilot_task.Recipe, ...]:
    """How each lot's machines are asked for and set up, from here."""
    return specs_of(
        body,
        output,
        str(Path(skypilot_task.__file__).parent),
        disk_gb=_disk_gb(body),
        prebuilt=os.environ.get(PREBUILT_VARIABLE),
        settings={name: os.environ[name] for name in PASSED_SETTINGS if name in os.environ},
        secrets=secrets,
    )


def _here(body: Mapping[str, Any], output: str, folder: Path) -> Provisioned:
    lot: Mapping[str, Any] = body["lots"][0]
    words = ["--store", output, "--run", body["run"], "--heartbeat", "2"]
    if lot["threads"]:
        words += ["--threads", str(lot["threads"])]
    workers = int(lot["workers"])
    usd = None if lot["usd_per_hour"] is None else Decimal(lot["usd_per_hour"]) / workers
    return Provisioned(
        LocalBackend(folder, words),
        (FleetGroup(0, workers, f"{body['run']}-w", gpu=str(lot["gpu"]), usd_per_hour=usd),),
    )


def _lot(body: Mapping[str, Any], number: int) -> FleetGroup:
    lot: Mapping[str, Any] = body["lots"][number]
    boot = provisioning.cold_start(lot["cloud"])
    return FleetGroup(
        number=number,
        slots=lot["machines"],
        name=f"{skypilot_task.prefix(body['run'])}-l{number}m",
        places=places_of(lot),
        counts=tuple(seat["machines"] for seat in lot["places"]),
        workers=lot["workers"],
        cold_start=float(os.environ.get(COLD_START_VARIABLE, boot.seconds_mid)),
        tokens_per_second=lot["tokens_per_second"] or None,
        gpu=lot["gpu"],
        gpus=lot["gpus_per_machine"],
        purchase="spot" if lot["spot"] else "on-demand",
        disk_gb=_disk_gb(body),
        usd_per_hour=None if lot["usd_per_hour"] is None else Decimal(lot["usd_per_hour"]),
    )


def _disk_gb(body: Mapping[str, Any]) -> int:
    """As the plan priced it."""
    work: Mapping[str, Any] = body["work"]
    shape: Mapping[str, Any] | None = work["job"].get("shape")
    try:
        known = (
            model_shapes.from_mapping(work["model"], shape) if shape else model_shapes.shape(work["model"])
        )
    except Problem:
        return DISK_GB + UNKNOWN_MODEL_GB
    return DISK_GB + ceil(2 * known.params_total / 10**9)
