import csv
import subprocess
import sys
from datetime import UTC, date, datetime
from importlib.resources import files

import pytest

from pricing.gpu import canonical
from pricing.sources.instance_types import InstanceType, gpus_by_instance_type, instance_types
from pricing.sources.registry import SOURCES
from pricing.sources.result import SourceUnavailable

CLOUDS = ("aws", "gcp", "azure")
EVERY = [s for cloud in CLOUDS for s in instance_types(cloud)]


def test_every_gpu_of_the_table_is_known() -> None:
    assert not {s.gpu for s in EVERY if canonical(s.gpu) is None}


def test_no_machine_is_duplicated() -> None:
    keys = [(s.cloud, s.instance_type, s.gpu, s.gpus) for s in EVERY]
    assert len(keys) == len(set(keys))


def test_every_row_has_source_date_and_certainty() -> None:
    text = files("pricing.sources").joinpath("shapes.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        assert row["source"]
        assert row["sure"] in {"read", "recalled", "GPU read, host recalled"}
        assert date.fromisoformat(row["as_of"])


def test_every_gcp_type_has_cores_and_memory() -> None:
    assert all(s.vcpus and s.memory_gb and s.gpus == int(s.gpus) for s in instance_types("gcp"))


def test_type_determines_its_gpus() -> None:
    assert gpus_by_instance_type("aws")["g6f.2xlarge"] == InstanceType(
        "aws", "g6f.2xlarge", "L4", 0.25, None, None
    )


def test_n1_type_does_not_determine_its_gpus() -> None:
    assert not [t for t in gpus_by_instance_type("gcp") if t.startswith("n1-")]


def test_source_names_are_stable() -> None:
    assert list(SOURCES) == ["skypilot", "aws", "gcp", "azure"]


def test_gcp_without_a_key_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.delenv("GOOGLE_OAUTH_ACCESS_TOKEN", raising=False)
    with pytest.raises(SourceUnavailable, match="need a key"):
        SOURCES["gcp"](datetime(2026, 11, 23, tzinfo=UTC))


def test_importing_sources_loads_no_cloud_library() -> None:
    program = "import sys, pricing.sources.registry; print('boto3' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
