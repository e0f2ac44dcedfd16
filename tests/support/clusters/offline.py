"""Run by `.venv-cloud`'s Python: what SkyPilot's own parser and optimizer make of task files, without a server.

    HOME=… python tests/support/clusters/offline.py FILE…

Prints a JSON object by file: the resources as SkyPilot took them, and the one that its optimizer would launch.
"""

# SkyPilot is in another environment than the type checker's
# pyright: basic, reportMissingImports=false

import contextlib
import io
import json
import sys
from typing import Any

import sky
from sky import check, global_user_state, optimizer
from sky.clouds import CloudCapability


def main() -> None:
    # As a check of real credentials would leave it; no cloud is contacted.
    global_user_state.set_enabled_clouds(["AWS", "GCP"], CloudCapability.COMPUTE, "default")
    global_user_state.set_allowed_clouds(check._get_workspace_allowed_clouds("default"), "default")
    found: dict[str, Any] = {}
    for path in sys.argv[1:]:
        with contextlib.redirect_stdout(io.StringIO()):
            found[path] = look(path)
    print(json.dumps(found))


def look(path: str) -> dict[str, Any]:
    task = sky.Task.from_yaml(path)
    asked = [_told(resource) for resource in task.resources]
    for resource in task.resources:
        resource.validate()
    with sky.Dag() as dag:
        dag.add(task)
    optimizer.Optimizer.optimize(dag, minimize=sky.OptimizeTarget.COST, quiet=True)
    best = task.best_resources
    return {"asked": asked, "best": _told(best) | {"usd_per_hour": round(best.get_cost(3600), 4)}}


def _told(resource: Any) -> dict[str, Any]:
    return {
        "cloud": str(resource.cloud).lower(),
        "region": resource.region,
        "zone": resource.zone,
        "instance_type": resource.instance_type,
        "accelerators": resource.accelerators,
        "spot": resource.use_spot,
        "labels": resource.labels,
    }


main()
