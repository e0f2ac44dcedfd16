"""The recipe for renting a lot's machines: a SkyPilot task that a person can read, and could launch by hand.

Pure: values in, a mapping or its YAML out. Knows SkyPilot's words and nothing of its library; knows no clock and no
disk. Nothing secret is ever in it: a secret has a name here, and its value goes to SkyPilot on another way.
"""

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml

RUN_LABEL, LOT_LABEL = "embedfleet-run", "embedfleet-lot"
HOME = "~/embedfleet"  # on the machine
RESTARTS = 3  # after the program failed. With none, a preemption that is announced ends the job as FAILED
RECOVERY = "EAGER_NEXT_REGION"
SPOTLESS = ("slurm",)  # whose purchase kinds are partitions, and so places

# What the worker imports, by what it is needed for. vLLM as the tests run it; it brings torch.
COMMON = (
    "msgspec>=0.19,<1",
    "numpy>=1.26,<3",
    "psutil>=5.9,<8",
    "pyarrow>=17,<28",
    "tokenizers>=0.20,<1",
    "nvidia-ml-py>=12,<14",
)
ENGINES: Mapping[str, tuple[str, ...]] = {
    "vllm": ("vllm==0.32.0",),
    "torch": ("torch==2.13.0", "transformers>=4.48,<6", "safetensors>=0.4,<1"),
    "hash": (),
}
STORES: Mapping[str, tuple[str, ...]] = {
    "s3": ("boto3>=1.36,<2", "tenacity>=8.5,<10"),
    "gs": ("google-cloud-storage>=2.18,<4", "tenacity>=8.5,<10"),
}

# SkyPilot's name of a GPU, where ours is another.
ACCELERATORS = {"A100-40GB": "A100", "A6000": "RTXA6000", "RTX6000-Ada": "RTX6000-Ada", "A5000": "RTXA5000"}
ZONE_ID = re.compile(
    r"[a-z0-9]+-az\d+"
)  # AWS's name of a zone that means the same to all; none can launch in it

BREAKS = set("\x85\u2028\u2029\ufeff")  # PyYAML reads these back as they were only where they are escaped


@dataclass(frozen=True, slots=True)
class Place:
    """Where a machine of a lot may be, as which type, at which price an hour; None: unknown."""

    cloud: str
    region: str
    zone: str | None = None
    instance_type: str | None = None
    usd_per_hour: Decimal | None = None

    @property
    def infra(self) -> str:
        """As SkyPilot writes it: cloud/region/zone, without a zone that one cannot ask for."""
        zone = None if self.zone is None or ZONE_ID.fullmatch(self.zone) else self.zone
        return "/".join(part for part in (self.cloud, self.region, zone) if part)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What all machines of one lot have in common."""

    run: str
    lot: int
    gpu: str  # by our name
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
    threads: int | None = None  # of a worker's engine, where it computes on the CPU
    prebuilt: str | None = None  # folder of an environment that the machine has already
    settings: Mapping[str, str] = field(
        default_factory=dict[str, str]
    )  # more of the environment, nothing secret
    secrets: tuple[str, ...] = ()  # names of environment variables


def requirements(recipe: Recipe) -> list[str]:
    """What setup installs."""
    schemes = {url.partition("://")[0] for url in (recipe.output, recipe.corpus) if "://" in url}
    stores = [need for scheme in sorted(schemes) for need in STORES.get(scheme, ())]
    return list(dict.fromkeys((*COMMON, *stores, *ENGINES.get(recipe.engine, ENGINES["vllm"]))))


def prefix(run: str) -> str:
    """What the names of the run's machines begin with: SkyPilot's names begin with a letter."""
    return run if run[:1].isalpha() else f"r-{run}"


def label(text: str) -> str:
    """A value that every cloud takes for a label. GCP is the strictest: 63 of a-z, 0-9, _ and -."""
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", text):
        return text
    plain = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:50].rstrip("-_")
    return f"{plain or 'run'}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"


def ranked(places: Sequence[Place]) -> list[Place]:
    """The cheapest first, each that SkyPilot can tell apart once. An unknown price is the dearest."""
    best: dict[tuple[str, str | None], Place] = {}
    for place in sorted(places, key=_by_price):
        best.setdefault((place.infra, place.instance_type), place)
    return list(best.values())


def in_words(place: Place) -> str:
    """A place for a person: where, as what, for how much."""
    usd = "$?" if place.usd_per_hour is None else f"${place.usd_per_hour}"
    return " ".join(part for part in (place.infra, place.instance_type, f"at {usd} an hour") if part)


def task(
    recipe: Recipe, machine: str = "", offset: int = 0, places: Sequence[Place] | None = None
) -> dict[str, Any]:
    """One machine of the lot. `places`: where, in this order; None: all of the lot's, the cheapest first."""
    body: dict[str, Any] = {
        "name": machine or f"{prefix(recipe.run)}-l{recipe.lot}",
        "resources": _resources(recipe, ranked(recipe.places) if places is None else places),
        "file_mounts": {f"{HOME}/tasks": recipe.code},
        "envs": _envs(recipe, machine or f"{prefix(recipe.run)}-l{recipe.lot}m0-0", offset),
        "setup": _setup(recipe),
        "run": _run(recipe),
    }
    if recipe.secrets:
        body["secrets"] = dict.fromkeys(
            recipe.secrets
        )  # `sky jobs launch --secret NAME` takes it from the environment
    return body


def to_yaml(body: Mapping[str, Any]) -> str:
    """A task's YAML, scripts as blocks that can be read."""
    # Some releases of its stubs name a type that they do not define.
    return yaml.dump(  # pyright: ignore[reportUnknownMemberType]
        body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110
    )


def _by_price(place: Place) -> tuple[bool, Decimal, str]:
    return (place.usd_per_hour is None, place.usd_per_hour or Decimal(0), place.infra)


def _resources(recipe: Recipe, places: Sequence[Place]) -> dict[str, Any]:
    """`any_of` would be tried in an arbitrary order by managed jobs (skypilot issue 10489): hence `ordered`."""
    count = int(recipe.gpus) if float(recipe.gpus).is_integer() else recipe.gpus
    accelerators = {ACCELERATORS.get(recipe.gpu, recipe.gpu): count}
    spotless = all(place.cloud in SPOTLESS for place in places)
    return {
        **({} if spotless else {"use_spot": recipe.spot}),
        "disk_size": recipe.disk_gb,
        "labels": {RUN_LABEL: label(recipe.run), LOT_LABEL: f"lot-{recipe.lot}"},
        "job_recovery": {"strategy": RECOVERY, "max_restarts_on_errors": RESTARTS},
        "ordered": [
            {
                "infra": place.infra,
                **({"instance_type": place.instance_type} if place.instance_type else {}),
                "accelerators": dict(accelerators),
            }
            for place in places
        ],
    }


def _envs(recipe: Recipe, machine: str, offset: int) -> dict[str, str]:
    return {
        "EMBEDFLEET_RUN": recipe.run,
        "EMBEDFLEET_OUTPUT": recipe.output,
        "EMBEDFLEET_MODEL": recipe.model,
        "EMBEDFLEET_MACHINE": machine,
        "EMBEDFLEET_OFFSET": str(offset),
        "EMBEDFLEET_WORKERS": str(recipe.workers),
        "EMBEDFLEET_CLOUD": "auto",  # whose notices of preemption the workers hear
        **({"EMBEDFLEET_THREADS": str(recipe.threads)} if recipe.threads else {}),
        **({"EMBEDFLEET_ENV": recipe.prebuilt} if recipe.prebuilt else {}),
        **recipe.settings,
    }


def _folder(recipe: Recipe) -> str:
    """The environment that setup makes. Another need, another folder: an old one is never half right."""
    digest = hashlib.blake2b("\n".join(requirements(recipe)).encode(), digest_size=4).hexdigest()
    return f'"$HOME/embedfleet/env-{digest}"'


def _setup(recipe: Recipe) -> str:
    """Make the worker's environment, unless it is there. Done twice, it changes nothing."""
    needs = " \\\n  ".join(shlex.quote(need) for need in requirements(recipe))
    if recipe.prebuilt:
        return (
            "set -eu\n"
            "# the environment is on the machine already\n"
            '"$EMBEDFLEET_ENV/bin/python" -c "import msgspec, numpy, pyarrow, tokenizers"\n'
        )
    return f"""set -eu
export PATH="$HOME/.local/bin:$PATH"
env={_folder(recipe)}
if [ ! -e "$env/ready" ]; then
  command -v uv >/dev/null || python3 -m pip install -q --user uv
  uv venv -q --clear --python '>=3.11,<3.14' "$env"
  uv pip install -q --python "$env/bin/python" \\
  {needs}
  touch "$env/ready"
fi
"""


def _run(recipe: Recipe) -> str:
    """One worker a GPU, looked after. What comes from outside is only ever in variables, which no shell reads twice."""
    env = '"$EMBEDFLEET_ENV"' if recipe.prebuilt else _folder(recipe)
    threads = ' \\\n  --threads "$EMBEDFLEET_THREADS"' if recipe.threads else ""
    return f"""set -eu
cd "$HOME/embedfleet"
env={env}
exec "$env/bin/python" -m tasks.supervisor \\
  --store "$EMBEDFLEET_OUTPUT" \\
  --run "$EMBEDFLEET_RUN" \\
  --name "$EMBEDFLEET_MACHINE" \\
  --workers "$EMBEDFLEET_WORKERS" \\
  --offset "$EMBEDFLEET_OFFSET"{threads}
"""


class _Dumper(yaml.SafeDumper):
    """SafeDumper with block scalars, and no anchors for what is said twice."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if BREAKS & set(text) else "|" if text.count("\n") > 1 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)  # pyright: ignore[reportUnknownMemberType]


_Dumper.add_representer(str, _text)
