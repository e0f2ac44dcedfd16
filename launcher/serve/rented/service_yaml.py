"""The YAML of a SkyServe service that runs vLLM with the model of a run. Pure; knows SkyPilot's YAML, not its library."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launcher.errors import Problem
from launcher.serve.rented.service_plan import ServiceChoice
from pricing.account.access import zone_name
from tasks.models.description import ModelDescription
from tasks.models.fingerprint import HUB
from tasks.models.vllm_support import VLLM_POOLINGS, vllm_findings
from tasks.protocol.manifest import Header
from tasks.skypilot_task import CLOUDS_WITHOUT_SPOT, LOCKS, Place, accelerator, label, to_yaml

PORT = 8_000
START_SECONDS = 1_800  # until a machine answers: rented, libraries installed, weights loaded. A judgement
MOST_TIMES = 4  # the replicas that SkyServe may add, in times of those that the load needs
FOLDER, REQUIREMENTS = "~/model", "~/embedfleet/tasks/requirements"
BETA = (
    "SkyServe is in beta by its own pages, and not yet recommended for production: clients must try again when a "
    "machine goes"
)
UNTRIED = "this service was accepted by SkyPilot's parser, and has run on no cloud yet"


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What is served, and where."""

    header: Header
    model: ModelDescription  # of the files of this machine
    dimensions: int
    limit: int  # tokens of a text, special tokens included
    choice: ServiceChoice
    requirements: str  # the folder with the locks on this machine


def service_request(spec: ServiceSpec) -> dict[str, int | str]:
    """The fields that a client must send with every request, so that vLLM cuts and shortens as the run did."""
    found: dict[str, int | str] = {"model": spec.header.run, "truncate_prompt_tokens": spec.limit}
    if _shortened(spec):
        found["dimensions"] = spec.dimensions
    return found


def service_yaml(spec: ServiceSpec, comments: Sequence[str]) -> str:
    """The YAML, with comments before it.

    Raises:
        Problem: vLLM does not compute this model as the run did.
    """
    findings = vllm_findings(spec.model)
    if findings:
        raise Problem(
            f"vLLM does not compute {spec.header.model} as the run did: {findings[0].what}",
            hint="serve it by `embedfleet serve` on a machine of yours",
        )
    head = "".join(f"# {line}\n" for line in comments)
    return head + to_yaml(_service(spec))


def _service(spec: ServiceSpec) -> Mapping[str, Any]:
    choice = spec.choice
    places = [
        Place(
            cloud=offer.cloud,
            region=offer.region,
            zone=zone_name(offer.region, offer.zone) if offer.cloud == "aws" else offer.zone,
            instance_type=None if offer.cloud in CLOUDS_WITHOUT_SPOT else offer.instance_type or None,
        )
        for offer in choice.offers
    ]
    body: dict[str, Any] = {
        "name": label(f"{spec.header.run}-serve"),
        "service": {
            "readiness_probe": {
                "path": "/v1/embeddings",
                "post_data": {**service_request(spec), "input": "ready"},
                "initial_delay_seconds": START_SECONDS,
            },
            "replica_policy": {
                "min_replicas": choice.replicas,
                "max_replicas": max(choice.replicas + 1, MOST_TIMES * choice.replicas),
                "target_qps_per_replica": round(choice.replica_queries_per_second, 2),
            },
            "load_balancing_policy": "least_load",
        },
        "resources": {
            "use_spot": False,
            "ports": PORT,
            "disk_size": 100,
            "ordered": [
                {
                    "infra": place.infra,
                    **({"instance_type": place.instance_type} if place.instance_type else {}),
                    "accelerators": {accelerator(offer.gpu, place): 1},
                }
                for place, offer in zip(places, choice.offers, strict=True)
            ],
        },
        "file_mounts": {
            REQUIREMENTS: spec.requirements,
            **({FOLDER: spec.header.model} if _is_folder(spec) else {}),
        },
        "envs": {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"},
        "setup": _SETUP,
        "run": _run(spec),
    }
    return body


_SETUP = f"""set -eu
export PATH="$HOME/.local/bin:$PATH"
env="$HOME/embedfleet/serve"
if [ ! -e "$env/ready" ]; then
  command -v uv >/dev/null || python3 -m pip install -q --user --require-hashes -r "{LOCKS}/uv.txt"
  uv venv -q --clear --python '>=3.11,<3.14' "$env"
  uv pip install -q --python "$env/bin/python" --require-hashes -r "{LOCKS}/vllm.txt"
  touch "$env/ready"
fi
"""


def _run(spec: ServiceSpec) -> str:
    fingerprint = spec.header.model_fingerprint or ""
    pooler = {"seq_pooling_type": VLLM_POOLINGS[spec.model.pooling.modes[0]]}
    options = [
        "--model",
        '"$HOME/model"' if _is_folder(spec) else _quoted(spec.header.model),
        *(["--revision", fingerprint.removeprefix(HUB)] if fingerprint.startswith(HUB) else []),
        "--served-model-name", _quoted(spec.header.run),
        "--runner", "pooling",
        "--dtype", spec.choice.speed.dtype or "auto",
        "--max-model-len", str(spec.limit if spec.model.limit.tokens is None else spec.model.limit.tokens),
        "--pooler-config", _quoted(json.dumps(pooler)),
        *(["--hf-overrides", _quoted(json.dumps({"is_matryoshka": True}))] if _shortened(spec) else []),
        "--no-enable-prefix-caching",
        "--host", "0.0.0.0",  # noqa: S104 - SkyServe's load balancer asks it from outside
        "--port", str(PORT),
    ]  # fmt: skip
    lines = [
        f"{name} {value}" if not value.startswith("--") else name
        for name, value in zip(options, [*options[1:], "--"], strict=True)
        if name.startswith("--")
    ]
    command = " \\\n  ".join(
        ['"$HOME/embedfleet/serve/bin/python" -m vllm.entrypoints.openai.api_server', *lines]
    )
    return f"set -eu\nexec {command}\n"


def _is_folder(spec: ServiceSpec) -> bool:
    return not (spec.header.model_fingerprint or "").startswith(HUB)


def _shortened(spec: ServiceSpec) -> bool:
    return spec.model.dimensions is not None and spec.dimensions < spec.model.dimensions


def _quoted(text: str) -> str:
    """A word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
