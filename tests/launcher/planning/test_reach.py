"""What rented machines can see of a job, and the upload that they need first."""

from dataclasses import replace
from decimal import Decimal

import pytest

from launcher.errors import Problem
from launcher.planning.reach import check_reachable, needed_upload, unseen_paths
from launcher.planning.saved.saved_plan import SavedPlan
from tests.support import sample_plan


def with_work(**changes: str) -> SavedPlan:
    plan = sample_plan.saved()
    return replace(plan, work=replace(plan.work, **changes))


@pytest.mark.parametrize(
    ("corpus", "model", "output", "what"),
    [
        ("/home/ann/in", "acme/embed", "s3://b/v", "corpus.path is the folder /home/ann/in"),
        ("s3://b/in", "acme/embed", "/home/ann/out", "output.path is the folder /home/ann/out"),
        ("s3://b/in", "acme/embed", "file:///out", "output.path is the folder file:///out"),
        ("s3://b/in", "/home/ann/model", "s3://b/v", "model is the folder /home/ann/model"),
    ],
)
def test_local_paths_are_refused_before_machines_are_rented(
    corpus: str, model: str, output: str, what: str
) -> None:
    plan = with_work(corpus=corpus, model=model)
    with pytest.raises(Problem, match=what):
        check_reachable(plan, output)


def test_buckets_and_hub_ids_are_seen() -> None:
    assert unseen_paths("s3://b/in", "gs://b/out", "BAAI/bge-small-en-v1.5") == ()
    assert unseen_paths(None, None, "hash") == ()


def test_an_upload_has_its_command_its_size_and_its_cost() -> None:
    unseen = unseen_paths("/home/ann/my texts", "/home/ann/out", "BAAI/bge-small-en-v1.5")
    found = needed_upload(unseen, name="reviews", stored_bytes=10**9, cloud="aws", region="us-east-1")
    assert found is not None
    assert found.command == "aws s3 sync '/home/ann/my texts' s3://BUCKET/reviews/corpus"
    assert found.settings == (
        "corpus.path: s3://BUCKET/reviews/corpus",
        "output.path: s3://BUCKET/reviews/vectors",
    )
    assert found.usd_per_month is not None
    assert Decimal("0.01") < found.usd_per_month < Decimal("0.03")  # about $0.023 a GB and month
    google = needed_upload(unseen, name="reviews", stored_bytes=1, cloud="gcp", region="us-central1")
    assert google is not None
    assert (
        google.command == "gcloud storage rsync --recursive '/home/ann/my texts' gs://BUCKET/reviews/corpus"
    )


def test_a_corpus_in_a_bucket_needs_no_command() -> None:
    found = needed_upload(
        unseen_paths("s3://b/in", "/home/ann/out", "hash"),
        name="r",
        stored_bytes=5,
        cloud="aws",
        region="us-east-1",
    )
    assert found is not None
    assert (found.command, found.bytes, found.paths) == (None, 0, ("output.path",))


def test_machines_that_see_the_folders_need_no_upload() -> None:
    unseen = unseen_paths("/shared/in", "/shared/out", "hash")
    assert needed_upload(unseen, name="r", stored_bytes=5, cloud="slurm", region="here") is None


def test_a_refused_launch_names_the_upload_of_the_plan() -> None:
    plan = with_work(corpus="/home/ann/in")
    unseen = unseen_paths("/home/ann/in", "s3://b/v", "acme/embed")
    upload = needed_upload(unseen, name="r", stored_bytes=5, cloud="aws", region="us-east-1")
    with pytest.raises(Problem) as caught:
        check_reachable(replace(plan, upload=upload), "s3://b/v")
    assert caught.value.hint.startswith(
        "aws s3 sync /home/ann/in s3://BUCKET/r/corpus; then set corpus.path: "
    )
