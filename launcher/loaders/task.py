"""The SkyPilot task of a rented loader: readable YAML that a person could launch by hand. Pure.

The machine gets this version's own code and an environment from a lock, as a pilot does. Secrets are named in it and
never hold a value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from launcher.pilot import cpu_task
from launcher.planning.pilot_machine import PilotMachine
from launcher.sinks.index import IndexSpec
from tasks.skypilot_task import machine_prefix

LABEL = "embedfleet-loader"  # not that of the run's machines
FOLDER = "embedfleet-loader"  # in the home of the machine
LOCK = "load"  # in tasks/requirements
PREBUILT = "EMBEDFLEET_LOADER_ENV"  # the folder of an environment that the machine has already
SAID = (0, 6)  # exit statuses of a load that is complete: all rows, or all but those that the store refuses


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSpec:
    """What a loader loads. `code`: folders of this laptop by the name of their package."""

    run: str
    output: str
    to: str
    load: str  # the identity of the load, the same for all of its loaders
    index: IndexSpec
    machine: PilotMachine
    code: Mapping[str, str]
    since: str | None = None
    replace: bool = False
    keep: tuple[str, ...] | None = None
    parallel: int = 2
    prebuilt: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict[str, str])  # nothing secret
    secret: str | None = None  # the name of the variable with the store's password
    secrets: tuple[str, ...] = ()  # names of further variables that the machine needs


def loader_name(run: str, load: str, number: int) -> str:
    """The name of a loader, and of its managed job. No name of a machine of a run ends like this."""
    return f"{machine_prefix(run)}-load-{load[:6]}-{number}"


def loader_task(spec: LoaderSpec, number: int) -> dict[str, Any]:
    """The task of one loader."""
    given = {
        "EMBEDFLEET_OUTPUT": spec.output,
        "EMBEDFLEET_RUN": spec.run,
        "EMBEDFLEET_TO": spec.to,
        "EMBEDFLEET_LOAD": spec.load,
        "EMBEDFLEET_INDEX": str(spec.index),
        "EMBEDFLEET_SINCE": spec.since,
        "EMBEDFLEET_KEEP": None if spec.keep is None else ",".join(spec.keep) or "none",
        PREBUILT: spec.prebuilt,
    }
    body: dict[str, Any] = {
        "name": loader_name(spec.run, spec.load, number),
        "resources": cpu_task.resources(spec.machine, LABEL, spec.run),
        "file_mounts": {f"~/{FOLDER}/code/{name}": folder for name, folder in sorted(spec.code.items())},
        "envs": {
            **{name: value for name, value in given.items() if value is not None},
            "HF_HUB_OFFLINE": "1",
            **spec.settings,
        },
        "setup": cpu_task.setup(FOLDER, LOCK, PREBUILT if spec.prebuilt else None, "msgspec, numpy, pyarrow"),
        "run": _run(spec),
    }
    secrets = tuple(dict.fromkeys([*([spec.secret] if spec.secret else []), *spec.secrets]))
    if secrets:
        body["secrets"] = dict.fromkeys(secrets)
    return body


def _run(spec: LoaderSpec) -> str:
    """The script that loads. Values from outside are in variables only, so no shell parses them."""
    words = [
        '--of "$EMBEDFLEET_RUN" --to "$EMBEDFLEET_TO" --share "$EMBEDFLEET_LOAD"',
        f'--index "$EMBEDFLEET_INDEX" --parallel {spec.parallel}',
        *(['--since "$EMBEDFLEET_SINCE"'] if spec.since else []),
        *(["--replace"] if spec.replace else []),
        *(['--keep "$EMBEDFLEET_KEEP"'] if spec.keep is not None else []),
        *([f"--secret {spec.secret}"] if spec.secret else []),
    ]
    asked = " \\\n  ".join(words)
    said = "|".join(map(str, SAID))
    return f"""set -eu
cd "$HOME/{FOLDER}"
{cpu_task.environment(FOLDER, LOCK, PREBUILT if spec.prebuilt else None)}export PYTHONPATH="$HOME/{FOLDER}/code"
status=0
"$env/bin/python" -m launcher.cli load "$EMBEDFLEET_OUTPUT" \\
  {asked} || status=$?
case $status in {said}) exit 0 ;; esac
exit $status
"""
