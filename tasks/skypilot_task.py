"""The SkyPilot task that rents one machine of a machine group: readable YAML that a person could launch by hand.

Pure: values in, a mapping or its YAML out. Knows SkyPilot's YAML but not its library; knows no clock and no disk. Holds
names of secrets only: their values reach SkyPilot through the environment. Nothing that a worker imports imports this.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

import yaml

# RUN-lGROUPmSLOT-ATTEMPT, or RUN-lGROUP of a task that a person launched by hand
_MACHINE = re.compile(r"(?P<run>.+)-l(?P<group>[0-9]+)(?:m[0-9]+-[0-9]+)?")
_UNCUT_CHARACTERS = 25  # longer names are cut (JOBS_CLUSTER_NAME_PREFIX_LENGTH in sky/jobs/constants.py)
_MIN_CUT_CHARACTERS = 18  # of a cut name, without its digest: SkyPilot keeps 22, less the hyphens at the end
RUN_LABEL, GROUP_LABEL = "embedfleet-run", "embedfleet-group"
HOME = "~/embedfleet"  # on the machine
MAX_RESTARTS = 3  # after the program failed. Without any, an announced preemption ends the job as FAILED
RECOVERY = "EAGER_NEXT_REGION"
CLOUDS_WITHOUT_SPOT = (
    "slurm",
)  # clouds without a spot option: there spot is a partition, which is part of the place

# The locks that a machine installs, by engine; `make lock` makes them from the .in files beside them.
ENGINES = ("vllm", "torch", "packed", "hash")
LOCK_OF = {"packed": "torch"}  # where it is not named after the engine
LOCKS = f"{HOME}/tasks/requirements".replace("~", "$HOME", 1)

# SkyPilot's name of a GPU, when it differs from ours; and where a cloud's catalog has another (catalogs of SkyPilot,
# format v8, and sky/catalog/data_fetchers of 0.14.1). A machine whose GPU has another name is refused.
ACCELERATORS = {"A100-40GB": "A100", "A6000": "RTXA6000", "A5000": "RTXA5000"}
ACCELERATORS_OF_CLOUD = {
    ("aws", "RTX-PRO-6000"): "RTXPRO6000",
    ("azure", "H100-NVL"): "H100",
    ("cudo", "A100-80GB"): "A100",
    ("cudo", "H100"): "H100-SXM",
    ("fluidstack", "H100-PCIe"): "H100",
    ("gcp", "RTX-PRO-6000"): "RTXPRO6000",
    ("lambda", "A6000"): "A6000",
    ("lambda", "H100-PCIe"): "H100",
    ("oci", "RTX-PRO-6000"): "RTXPRO6000",
    ("primeintellect", "H100-PCIe"): "H100",
    ("runpod", "H100"): "H100-SXM",
    ("runpod", "H100-PCIe"): "H100",
    ("runpod", "H200"): "H200-SXM",
    ("seeweb", "A100-80GB"): "A100",
    ("shadeform", "A5000"): "A5000",
    ("shadeform", "A6000"): "A6000",
    ("shadeform", "H100-PCIe"): "H100",
    ("vast", "H100-NVL"): "H100",
    ("vast", "RTX-PRO-6000"): "RTXPRO6000WS",
    ("verda", "RTX6000-Ada"): "RTX-6000-Ada",
}
ACCELERATORS_OF_TYPE = {"a3-megagpu-8g": "H100-MEGA"}
# AWS's id of a zone (use1-az1, usw2-lax1-az2, use1-wl1-bos-wlz1), the same in every account. A launch needs the zone's
# name instead (us-east-1a, us-west-2-lax-1b, us-east-1-wl1-bos-wlz-1), which of ordinary zones is the account's own.
ZONE_ID = re.compile(r"[a-z0-9-]+-(az|wlz)\d+")

# When the setup of a machine began and ended, in seconds since 1970, in a file that the first start of its workers takes
# away: a later start on the same machine has waited for neither boot nor setup. A cluster may share its home among
# machines, and a name may hold any character.
SETUP_FILE = """times="$HOME/embedfleet/setup-$(printf %s "$EMBEDFLEET_MACHINE" | sha256sum | cut -c 1-12)"
"""
SETUP_BEGINS = SETUP_FILE + 'date +%s > "$times"'
SETUP_ENDS = 'date +%s >> "$times"'
SETUP_TIMES = (
    SETUP_FILE
    + """export EMBEDFLEET_SETUP="$(cat "$times" 2>/dev/null | tr '\\n' ' ')"
rm -f "$times\""""
)

LINE_BREAKS = set("\x85\u2028\u2029\ufeff")  # PyYAML reads these back correctly only when they are escaped


@dataclass(frozen=True, slots=True)
class Place:
    """Where a machine of a machine group may run: location, instance type and price an hour; None: unknown."""

    cloud: str
    region: str
    zone: str | None = None
    instance_type: str | None = None
    usd_per_hour: Decimal | None = None

    @property
    def infra(self) -> str:
        """SkyPilot's `infra`: cloud/region/zone, without a zone that cannot be requested."""
        return _infra(self.cloud, self.region, self.zone)


@lru_cache(maxsize=10_000)  # the launcher names hundreds of places at every look
def _infra(cloud: str, region: str, zone: str | None) -> str:
    zone = None if zone is None or ZONE_ID.fullmatch(zone) else zone
    return "/".join(part for part in (cloud, region, zone) if part)


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What all machines of a machine group have in common."""

    run: str
    group: int  # its number in the plan
    gpu: str  # our name of it
    gpus: float  # of a machine
    spot: bool
    places: tuple[Place, ...]
    output: str  # where the vectors go
    corpus: str
    model: str
    engine: str  # vllm, torch or hash
    workers: int
    code: str  # the folder `tasks` on the laptop
    disk_gb: int = 100
    threads: int | None = None  # of a worker's engine, if it computes on the CPU
    prebuilt: str | None = None  # the folder of an environment that is on the machine already
    settings: Mapping[str, str] = field(
        default_factory=dict[str, str]
    )  # further environment variables, nothing secret
    secrets: tuple[str, ...] = ()  # names of environment variables


def machine_prefix(run: str) -> str:
    """The prefix of the names of a run's machines; SkyPilot's names must begin with a letter."""
    return run if run[:1].isalpha() else f"r-{run}"


def machine_name(run: str, group: int, slot: int, attempt: int) -> str:
    """The name of a machine, and of its managed job: RUN-lGROUPmSLOT-ATTEMPT."""
    return f"{machine_prefix(run)}-l{group}m{slot}-{attempt}"


def group_of(name: str, run: str) -> int | None:
    """The group of a machine of this run, by its whole name; None where the name is not that of a machine of the run.

    The name of a run may be the beginning of another's, so a prefix alone proves nothing. A task that a person launched
    by hand from its YAML is named after the group alone, and costs as much.
    """
    found = _MACHINE.fullmatch(name)
    return int(found["group"]) if found and found["run"] == machine_prefix(run) else None


def is_cluster_of(cluster: str, run: str, jobs: Mapping[int, str]) -> bool:
    """Whether SkyPilot's cluster holds a machine of this run. `jobs`: names of the run's managed jobs by number.

    SkyPilot names the cluster after the job, and appends the job's number. It replaces the end of a name above 25
    characters by a digest (`generate_managed_job_cluster_name` in sky/jobs/utils.py); then the number tells the job.
    """
    stem, _, number = cluster.rpartition("-")
    if group_of(cluster, run) is not None or (number.isdigit() and group_of(stem, run) is not None):
        return True
    job = jobs.get(int(number)) if number.isdigit() else None
    return job is not None and _is_cut(stem, job)


def is_cluster_of_job(cluster: str, jobs: Mapping[int, str]) -> bool:
    """Whether SkyPilot's cluster is that of one of these managed jobs, by its name and its number."""
    stem, _, number = cluster.rpartition("-")
    job = jobs.get(int(number)) if number.isdigit() else None
    return job is not None and (stem == job or _is_cut(stem, job))


def _is_cut(stem: str, job: str) -> bool:
    """Whether a cluster's name without its number is this job's, with the end replaced by a digest."""
    begin = stem.rpartition("-")[0]
    return len(job) > _UNCUT_CHARACTERS and len(begin) >= _MIN_CUT_CHARACTERS and job.startswith(begin)


def label(text: str) -> str:
    """A label value that every cloud accepts. GCP is the strictest: 63 characters of a-z, 0-9, _ and -."""
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", text):
        return text
    plain = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:50].rstrip("-_")
    return f"{plain or 'run'}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"


def by_price(places: Sequence[Place]) -> list[Place]:
    """Places by price, cheapest first, without those that SkyPilot cannot tell apart. An unknown price comes last."""
    best: dict[tuple[str, str | None], Place] = {}
    for place in sorted(places, key=_by_price):
        best.setdefault((place.infra, place.instance_type), place)
    return list(best.values())


def describe(place: Place) -> str:
    """A place for people: location, instance type and price."""
    usd = "$?" if place.usd_per_hour is None else f"${place.usd_per_hour}"
    return " ".join(part for part in (place.infra, place.instance_type, f"at {usd} an hour") if part)


def machine_task(
    spec: TaskSpec, machine: str = "", offset: int = 0, places: Sequence[Place] | None = None
) -> dict[str, Any]:
    """The task of one machine. `places`: in which order to try; None: all places of the group, cheapest first."""
    body: dict[str, Any] = {
        "name": machine or f"{machine_prefix(spec.run)}-l{spec.group}",
        "resources": _resources(spec, by_price(spec.places) if places is None else places),
        "file_mounts": {f"{HOME}/tasks": spec.code},
        "envs": _envs(spec, machine or f"{machine_prefix(spec.run)}-l{spec.group}m0-0", offset),
        "setup": _setup(spec),
        "run": _run(spec),
    }
    if spec.secrets:
        body["secrets"] = dict.fromkeys(
            spec.secrets
        )  # `sky jobs launch --secret NAME` reads the value from the environment
    return body


def to_yaml(body: Mapping[str, Any]) -> str:
    """The YAML of a task, with scripts as readable blocks."""
    # Some releases of PyYAML's stubs name a type that they do not define.
    return yaml.dump(  # pyright: ignore[reportUnknownMemberType]
        body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110
    )


def _by_price(place: Place) -> tuple[bool, Decimal, str]:
    return (place.usd_per_hour is None, place.usd_per_hour or Decimal(0), place.infra)


def _resources(spec: TaskSpec, places: Sequence[Place]) -> dict[str, Any]:
    """`ordered`, because managed jobs try `any_of` in an arbitrary order (skypilot issue 10489)."""
    count = int(spec.gpus) if float(spec.gpus).is_integer() else spec.gpus
    spotless = all(place.cloud in CLOUDS_WITHOUT_SPOT for place in places)
    return {
        **({} if spotless else {"use_spot": spec.spot}),
        "disk_size": spec.disk_gb,
        "labels": {RUN_LABEL: label(spec.run), GROUP_LABEL: f"group-{spec.group}"},
        "job_recovery": {"strategy": RECOVERY, "max_restarts_on_errors": MAX_RESTARTS},
        "ordered": [
            {
                "infra": place.infra,
                **({"instance_type": place.instance_type} if place.instance_type else {}),
                "accelerators": {accelerator(spec.gpu, place): count},
            }
            for place in places
        ],
    }


def accelerator(gpu: str, place: Place) -> str:
    """SkyPilot's name of a GPU, as the catalog of the place's cloud has it."""
    of_type = ACCELERATORS_OF_TYPE.get(place.instance_type or "")
    return of_type or ACCELERATORS_OF_CLOUD.get((place.cloud, gpu)) or ACCELERATORS.get(gpu, gpu)


def _envs(spec: TaskSpec, machine: str, offset: int) -> dict[str, str]:
    return {
        "EMBEDFLEET_RUN": spec.run,
        "EMBEDFLEET_OUTPUT": spec.output,
        "EMBEDFLEET_MODEL": spec.model,
        "EMBEDFLEET_MACHINE": machine,
        "EMBEDFLEET_OFFSET": str(offset),
        "EMBEDFLEET_WORKERS": str(spec.workers),
        "EMBEDFLEET_CLOUD": "auto",  # whose preemption notices the workers watch
        **({"EMBEDFLEET_THREADS": str(spec.threads)} if spec.threads else {}),
        **({"EMBEDFLEET_ENV": spec.prebuilt} if spec.prebuilt else {}),
        **spec.settings,
    }


def _environment(spec: TaskSpec) -> str:
    """The lines that name the lock and the folder of its environment, which is another for another lock."""
    engine = spec.engine if spec.engine in ENGINES else "vllm"
    return f"""lock="{LOCKS}/{LOCK_OF.get(engine, engine)}.txt"
env="$HOME/embedfleet/env-$(sha256sum < "$lock" | cut -c 1-12)"
"""


def _setup(spec: TaskSpec) -> str:
    """The script that makes the worker's environment from its lock: pinned versions, checked by hash. Idempotent."""
    if spec.prebuilt:
        return f"""set -eu
{SETUP_BEGINS}
# the environment is on the machine already
"$EMBEDFLEET_ENV/bin/python" -c "import msgspec, numpy, pyarrow, tokenizers"
{SETUP_ENDS}
"""
    return f"""set -eu
{SETUP_BEGINS}
export PATH="$HOME/.local/bin:$PATH"
{_environment(spec)}if [ ! -e "$env/ready" ]; then
  command -v uv >/dev/null || python3 -m pip install -q --user --require-hashes -r "{LOCKS}/uv.txt"
  uv venv -q --clear --python '>=3.11,<3.14' "$env"
  uv pip install -q --python "$env/bin/python" --require-hashes -r "$lock"
  touch "$env/ready"
fi
{SETUP_ENDS}
"""


def _run(spec: TaskSpec) -> str:
    """The script that starts the supervisor. Values from outside are in variables only, so no shell parses them.

    Compiled kernels are kept outside /tmp, so that a worker that starts again on the machine need not compile again. How
    many seconds that saves was not measured.
    """
    environment = 'env="$EMBEDFLEET_ENV"\n' if spec.prebuilt else _environment(spec)
    threads = ' \\\n  --threads "$EMBEDFLEET_THREADS"' if spec.threads else ""
    return f"""set -eu
cd "$HOME/embedfleet"
{SETUP_TIMES}
export VLLM_CACHE_ROOT="${{VLLM_CACHE_ROOT:-$HOME/embedfleet/cache/vllm}}"
export TORCHINDUCTOR_CACHE_DIR="${{TORCHINDUCTOR_CACHE_DIR:-$HOME/embedfleet/cache/inductor}}"
{environment}exec "$env/bin/python" -m tasks.supervisor \\
  --store "$EMBEDFLEET_OUTPUT" \\
  --run "$EMBEDFLEET_RUN" \\
  --name "$EMBEDFLEET_MACHINE" \\
  --workers "$EMBEDFLEET_WORKERS" \\
  --offset "$EMBEDFLEET_OFFSET"{threads}
"""


class _Dumper(yaml.SafeDumper):
    """SafeDumper with block scalars, and without anchors for repeated values."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if LINE_BREAKS & set(text) else "|" if text.count("\n") > 1 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)  # pyright: ignore[reportUnknownMemberType]


_Dumper.add_representer(str, _text)
