"""An offer and the context of a job, for the tests of candidates."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from launcher.corpus.samples.profile import declared_profile
from launcher.jobs import parse
from launcher.planning.offers.candidates import (
    CandidateContext,
    DataLocation,
)
from launcher.throughput import model_shapes
from pricing.offer import Offer

QWEN = "Alibaba-NLP/gte-Qwen2-7B-instruct"
SMALL = "BAAI/bge-small-en-v1.5"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
AWS, WEST = DataLocation("aws", "us-east-1"), DataLocation("aws", "us-west-2")


def offer(**changes: Any) -> Offer:
    fields: dict[str, Any] = {
        "cloud": "aws",
        "region": "us-east-1",
        "zone": None,
        "instance_type": "g6.xlarge",
        "gpu": "L4",
        "gpus": 1.0,
        "vcpus": 4,
        "memory_gb": 16.0,
        "spot": False,
        "usd_per_hour": Decimal("0.805"),
        "as_of": date(2026, 11, 1),
        "source": "a test",
    }
    return Offer(**fields | changes)


def context(
    more: str = "", model: str = SMALL, documents: int = 1_000_000, **changes: Any
) -> CandidateContext:
    text = f"name: a\ncorpus: {{documents: {documents}, tokens_per_document: 102}}\nmodel: {model}\n{more}\n"
    profile = declared_profile(documents, [(1.0, 102.0)], None, None)
    return CandidateContext(
        job=parse.parse(text),
        shape=model_shapes.shape(model),
        model=model,
        profile=profile,
        now=NOW,
        **changes,
    )
