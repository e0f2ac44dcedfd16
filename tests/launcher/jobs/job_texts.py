"""Job files that the tests of the parser complete with a line of their own, and the mistakes that it reports."""

import pytest

from launcher.jobs.job import Job
from launcher.jobs.parse import parse
from launcher.jobs.yaml_fields import BadJob

COMPLETE = """\
name: reviews-2026
corpus: {path: "s3://bucket/reviews/*.parquet", text: text, id: review_id}   # folder, glob, file
model: Alibaba-NLP/gte-Qwen2-7B-instruct      # known model, hub id with shape given, or a local folder
chunk: {tokens: 512, overlap: 50}             # or `truncate: 512`
output: {path: "s3://bucket/vectors/reviews", dtype: float16, dimensions: 1024}
limits: {deadline: 6h, budget: $300, gpus: [L4, A100-80GB], clouds: [aws, gcp], regions: [us-*], machines: 400}
quota: {aws: {us-east-1: {L4: {spot: 64}}}}   # optional
"""

SHORT = "name: a\ncorpus: in\nmodel: m\noutput: {path: out}\n"  # what a test adds is in line 5
DECLARED = "name: a\nmodel: m\n"  # what a test adds is in line 3
WITHOUT_CORPUS = "name: a\nmodel: m\noutput: {path: out}\n"  # what a test adds is in line 4


def job(more: str = "", base: str = SHORT) -> Job:
    return parse(base + more)


def mistakes(text: str) -> list[str]:
    """The mistakes that the message lists."""
    with pytest.raises(BadJob) as caught:
        parse(text)
    return [line.strip() for line in str(caught.value).splitlines() if line.strip().startswith("job.yaml:")]


def only_mistake(more: str, base: str = SHORT) -> str:
    """The only mistake of a job with one."""
    (only,) = mistakes(base + more)
    return only
