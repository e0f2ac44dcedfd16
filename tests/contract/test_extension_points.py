"""What a new cloud, price source, engine or store needs in several files: one that is half added fails here.

CONTRIBUTING.md leads through each of them step by step and names the tests of this file.
"""

from typing import get_args

import pytest

from launcher.costs.usage.daily import PROVIDERS
from launcher.fleet.backends import provider_api
from launcher.fleet.backends.provider_api import Instance
from launcher.jobs.job import Engine
from launcher.jobs.keys import CLOUDS, ENGINES
from launcher.planning.offers.candidates import CLOUD_OF_SCHEME
from launcher.throughput import gpu_memory, predict
from pricing.book.price_book import load
from pricing.book.validate import EXPECTED
from pricing.charges.billing_rules import billing_rule
from pricing.charges.egress import NETWORKS
from pricing.charges.storage import DISKS
from pricing.provisioning import jobs_controller
from pricing.sources.registry import SOURCES
from scripts import lock
from tasks import skypilot_task
from tasks.models.support import CPU_ENGINES
from tasks.protocol.manifest import Header
from tasks.stores.open import open_store
from tasks.worker.monitoring.preemption_notice import CLOUDS as NOTICES
from tests.support.buckets import KINDS
from tests.support.paths import ROOT

RENTED = [cloud for cloud in CLOUDS if cloud != "local"]
# The command that removes a machine, of each cloud that is asked for machines by label.
REMEDIES = {"aws": "aws ec2 terminate-instances", "gcp": "gcloud compute instances delete"}
CLIENTS = {"s3": "boto3", "gs": "google-cloud-storage"}  # packages that open buckets, by scheme


def instance(cloud: str) -> Instance:
    return Instance(
        cloud=cloud,
        region="region-1",
        zone="region-1a",
        id="id-1",
        name="name-1",
        instance_type="type-1",
        spot=True,
        state="running",
        started=None,
        run="run-1",
    )


# --- clouds


@pytest.mark.parametrize("cloud", RENTED)
def test_cloud_of_a_job_has_offers_and_known_gpus(cloud: str) -> None:
    assert cloud in {offer.cloud for offer in load()}
    assert EXPECTED[cloud]


def test_every_cloud_that_down_verify_asks_has_a_remedy_of_its_own() -> None:
    assert set(REMEDIES) == set(provider_api.SUPPORTED_CLOUDS)
    for cloud, command in REMEDIES.items():
        assert instance(cloud).remedy.startswith(command)


@pytest.mark.parametrize("cloud", provider_api.SUPPORTED_CLOUDS)
def test_cloud_that_down_verify_asks_is_metered_by_documented_rules(cloud: str) -> None:
    assert not billing_rule(cloud).assumed
    assert cloud in PROVIDERS
    assert cloud in DISKS
    assert cloud in NETWORKS
    assert jobs_controller(cloud) is not None


def test_clouds_that_give_notice_can_be_rented() -> None:
    assert set(NOTICES) <= set(RENTED)


# --- price sources


@pytest.mark.parametrize("source", SOURCES)
def test_price_source_has_a_test_file_and_sample_answers(source: str) -> None:
    assert (ROOT / "tests" / "pricing" / "sources" / f"test_{source}.py").is_file()
    assert any((ROOT / "tests" / "data" / "prices" / source).iterdir())


# --- engines


def test_engines_of_a_job_are_the_engines_of_its_type() -> None:
    assert get_args(Engine) == ENGINES


@pytest.mark.parametrize("engine", [name for name in ENGINES if name not in ("auto", "hash", *CPU_ENGINES)])
def test_engine_can_be_predicted_fitted_and_installed(engine: str) -> None:
    assert engine in predict.ENGINES
    for table in (gpu_memory.BASE_GB, gpu_memory.BATCH_TOKENS, gpu_memory.LEAST_CAPABILITY):
        assert engine in table
    assert engine in skypilot_task.ENGINES
    assert skypilot_task.LOCK_OF.get(engine, engine) in lock.NAMES


# --- stores


@pytest.mark.parametrize("scheme", CLOUD_OF_SCHEME)
def test_bucket_scheme_can_be_opened_and_installed_on_machines(scheme: str) -> None:
    store = open_store(f"{scheme}://bucket/prefix")
    assert type(store).__module__.rpartition(".")[2] in KINDS
    pins = (ROOT / "tasks" / "requirements" / "hash.txt").read_text(encoding="utf-8")
    assert f"\n{CLIENTS[scheme]}==" in pins


# --- how vectors are stored


def test_header_and_job_know_the_same_types_of_vectors() -> None:
    from launcher.jobs.job import Dtype as OfJob
    from tasks.protocol.dtypes import Dtype

    assert get_args(Dtype) == get_args(OfJob)
    assert Header.__dataclass_fields__["dtype"].type is Dtype
