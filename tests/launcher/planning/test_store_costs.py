"""What a plan says of vector stores: in its document, on the terminal and on its page."""

from dataclasses import replace
from decimal import Decimal

from launcher.index_sizes.size import VectorSet
from launcher.planning.plan_file import dump, read, with_digest
from launcher.planning.saved_plan import SavedPlan
from launcher.planning.store_costs import store_costs
from launcher.reports.html.plan import plan_page
from launcher.reports.store_costs import dear_load, dtype_warning
from launcher.reports.terminal.plan import plan_text
from launcher.reports.terminal.plan_screen import plan_screen
from tests.support import sample_plan
from tests.support.screens import printed

BILLION = VectorSet(10**9, 1024, "float32")


def with_stores(asked: VectorSet | None) -> SavedPlan:
    return with_digest(replace(sample_plan.saved(), stores=store_costs(asked)))


def test_a_plan_has_three_stores_and_reads_them_again() -> None:
    plan = with_stores(BILLION)
    assert [one.store for one in plan.stores] == ["pgvector", "s3vectors", "pinecone"]
    assert plan.stores[1].usd_per_month == Decimal("246.72")
    assert read(dump(plan)).stores == plan.stores


def test_a_plan_without_stores_is_written_as_before() -> None:
    assert store_costs(None) == ()
    assert "stores" not in dump(with_stores(None))


def test_loading_that_costs_more_than_embedding_is_said_everywhere() -> None:
    plan = with_stores(BILLION)
    assert plan.totals.usd.p90 is not None
    assert plan.totals.usd.p90 < 16_448
    sentence = dear_load(plan)
    assert sentence is not None
    assert "pinecone ($16.4k - 20k)" in sentence
    for text in (
        printed(plan_text(plan), 400),
        printed(plan_screen(plan), 400),
        plan_page(plan).replace("Loading", "loading"),
    ):
        assert sentence in text


def test_loading_that_costs_less_is_not_held_against_a_store() -> None:
    assert dear_load(with_stores(VectorSet(10, 1024, "float32"))) is None
    assert dear_load(with_stores(None)) is None


def test_the_stores_are_in_the_whole_plan_and_not_in_its_dollars() -> None:
    plan = with_stores(BILLION)
    text = printed(plan_text(plan), 140)
    assert "$41.2k" in text
    assert "13.8 TB" in text
    assert plan.totals == sample_plan.saved().totals


def test_binary_alone_is_warned_of() -> None:
    plan = with_stores(BILLION)
    work = replace(plan.work, job={**plan.work.job, "output": {"path": "out", "dtype": "binary"}})
    binary = replace(plan, work=work)
    assert dtype_warning(plan) is None
    warning = dtype_warning(binary)
    assert warning is not None
    assert "0.574" in warning
    assert warning in printed(plan_screen(binary), 400)
    assert warning in printed(plan_text(binary), 400)
