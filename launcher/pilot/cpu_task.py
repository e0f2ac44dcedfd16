"""The SkyPilot tasks of pilots and rented loaders: a small machine with our code and an environment from a lock. Pure."""

from typing import Any

from launcher.planning.pilot_machine import CPUS, MEMORY_GB, PilotMachine
from tasks.skypilot_task import label

DISK_GB = 50
MAX_RESTARTS = 3  # after a program crashed; one that ended by its own will is not started again


def resources(machine: PilotMachine, label_name: str, run: str) -> dict[str, Any]:
    """The machine, with a label that names the run."""
    place = machine.place
    size: dict[str, Any] = {"cpus": f"{CPUS}+", "memory": f"{MEMORY_GB}+"}
    if place.instance_type:
        size = {"instance_type": place.instance_type}
    return {
        "infra": place.infra,
        **size,
        "disk_size": DISK_GB,
        "labels": {label_name: label(run)},
        "job_recovery": {"max_restarts_on_errors": MAX_RESTARTS},
    }


def environment(folder: str, lock: str, prebuilt: str | None) -> str:
    """Lines of shell that set `env`, the environment's folder. `prebuilt`: the variable that names one that is there."""
    if prebuilt:
        return f'env="${prebuilt}"\n'
    return f"""lock="$HOME/{folder}/code/tasks/requirements/{lock}.txt"
env="$HOME/{folder}/env-$(sha256sum < "$lock" | cut -c 1-12)"
"""


def setup(folder: str, lock: str, prebuilt: str | None, needs: str) -> str:
    """The script that makes the environment from its lock: pinned versions, checked by hash. Idempotent."""
    if prebuilt:
        return f'set -eu\n"${prebuilt}/bin/python" -c "import {needs}"\n'
    requirements = f"$HOME/{folder}/code/tasks/requirements"
    return f"""set -eu
export PATH="$HOME/.local/bin:$PATH"
{environment(folder, lock, None)}if [ ! -e "$env/ready" ]; then
  command -v uv >/dev/null || python3 -m pip install -q --user --require-hashes -r "{requirements}/uv.txt"
  uv venv -q --clear --python '>=3.11,<3.14' "$env"
  uv pip install -q --python "$env/bin/python" --require-hashes -r "$lock"
  touch "$env/ready"
fi
"""
