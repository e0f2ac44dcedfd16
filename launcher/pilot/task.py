"""The SkyPilot task of a pilot: readable YAML that a person could launch by hand. Pure: knows no clock and no cloud.

The machine gets this version's own code and an environment from a lock, as machines with a GPU do. SkyPilot gives every
managed job the address of its API server, and a token where the server has service accounts (`api_server_access`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from launcher.pilot import cpu_task
from launcher.planning.pilot_machine import PilotMachine
from tasks.skypilot_task import machine_prefix

PILOT_LABEL = "embedfleet-pilot"  # not that of the run's machines, so that a pilot never takes itself for one
FOLDER = "embedfleet-pilot"  # in the home of the machine
HOME = f"$HOME/{FOLDER}"
PREBUILT = "EMBEDFLEET_PILOT_ENV"  # the folder of an environment that the machine has already
LOCK = "pilot"  # in tasks/requirements
# Exit statuses of a launcher that has said all there is to say: done, out of budget, failed rows, late, stopped.
SAID = (0, 5, 6, 7, 130)


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotSpec:
    """What a pilot drives and with what. `code`: folders of this laptop by the name of their package."""

    run: str
    output: str
    max_cost: Decimal
    machine: PilotMachine
    code: Mapping[str, str]
    prebuilt: str | None = None  # the folder of an environment that is on the machine already
    settings: Mapping[str, str] = field(
        default_factory=dict[str, str]
    )  # further environment variables, nothing secret
    secrets: tuple[str, ...] = ()  # names of environment variables that only the pilot needs
    machine_secrets: tuple[str, ...] = ()  # and of those that it passes on to machines


def pilot_name(run: str) -> str:
    """The name of a run's pilot, and of its managed job. No name of a machine of a run ends like this."""
    return f"{machine_prefix(run)}-pilot"


def pilot_task(spec: PilotSpec) -> dict[str, Any]:
    """The task of a pilot."""
    secrets = (*spec.secrets, *spec.machine_secrets)
    body: dict[str, Any] = {
        "name": pilot_name(spec.run),
        "resources": cpu_task.resources(spec.machine, PILOT_LABEL, spec.run),
        "file_mounts": {f"~/{FOLDER}/code/{name}": folder for name, folder in sorted(spec.code.items())},
        "envs": {
            "EMBEDFLEET_RUN": spec.run,
            "EMBEDFLEET_OUTPUT": spec.output,
            "EMBEDFLEET_MAX_COST": str(spec.max_cost),
            "HF_HUB_OFFLINE": "1",
            **({PREBUILT: spec.prebuilt} if spec.prebuilt else {}),
            **spec.settings,
        },
        "setup": cpu_task.setup(FOLDER, LOCK, PREBUILT if spec.prebuilt else None, "msgspec, numpy, sky"),
        "run": _run(spec),
    }
    if secrets:
        body["secrets"] = dict.fromkeys(secrets)
    return body


def _run(spec: PilotSpec) -> str:
    """The script that drives the run. Values from outside are in variables only, so no shell parses them."""
    environment = cpu_task.environment(FOLDER, LOCK, PREBUILT if spec.prebuilt else None)
    passed = "".join(f" \\\n  --secret {name}" for name in spec.machine_secrets)
    said = "|".join(map(str, SAID))
    return f"""set -eu
cd "{HOME}"
{environment}export PYTHONPATH="{HOME}/code"
status=0
"$env/bin/python" -m launcher.cli pilot "$EMBEDFLEET_OUTPUT" "$EMBEDFLEET_RUN" \\
  --max-cost "$EMBEDFLEET_MAX_COST"{passed} || status=$?
case $status in {said}) exit 0 ;; esac
exit $status
"""
