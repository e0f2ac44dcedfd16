"""What a plan says of vector stores: in its document, on the terminal and on its page."""

from dataclasses import replace
from decimal import Decimal

from launcher.index_sizes.size import VectorSet
from launcher.index_sizes.sizes import sizes
from launcher.jobs.job import JobSink
from launcher.planning.estimates.estimate import UsdSpread
from launcher.planning.estimates.quantiles import UsdQuantiles
from launcher.planning.estimates.store_costs import store_costs
from launcher.planning.saved.plan_file import dump, read, with_digest
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.sink_cost import sink_cost
from launcher.reports.html.plan_page.plan import plan_page
from launcher.reports.plan_markdown import plan_md
from launcher.reports.plans.store_costs import dear_load, dtype_warning, sink_lines
from launcher.reports.terminal.plans.plan import plan_text
from launcher.reports.terminal.plans.plan_screen import plan_screen
from launcher.sinks.index import IndexSpec
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
    assert "0.669" in warning
    assert warning in printed(plan_screen(binary), 400)
    assert warning in printed(plan_text(binary), 400)


EMBEDDING = UsdSpread(Decimal(90), Decimal(100), Decimal(120))
SINK = JobSink("postgresql://db.example/search?table=docs", index=IndexSpec("hnsw", 16, 64), when="shards")


def with_sink(
    sink: JobSink, asked: VectorSet = BILLION, embedding: UsdSpread | None = EMBEDDING
) -> SavedPlan:
    return with_digest(replace(sample_plan.saved(), sink=sink_cost(sink, asked, embedding)))


def test_sink_adds_its_load_to_what_embedding_costs() -> None:
    sink = with_sink(SINK).sink
    assert sink is not None
    asked, _ = sizes(BILLION, ["pgvector"])
    load = asked[0].load_usd
    assert load is not None
    assert (sink.load_usd_low, sink.load_usd_high) == (load.low, load.high)
    total, rounding = sink.total_usd, Decimal("1e-8")
    assert total.p10 is not None
    assert total.p50 is not None
    assert total.p90 is not None
    assert abs(total.p10 - (90 + load.low)) < rounding
    assert abs(total.p50 - (100 + (load.low + load.high) / 2)) < rounding
    assert abs(total.p90 - (120 + load.high)) < rounding
    assert (sink.ram_bytes, sink.disk_bytes) == (asked[0].ram_bytes, asked[0].disk_bytes)
    assert sink.usd_per_month == asked[0].usd_per_month


def test_links_of_the_sinks_index_change_its_size() -> None:
    wide = replace(SINK, index=IndexSpec("hnsw", 64, 256))
    few, many = (with_sink(one, VectorSet(10**6, 384, "float32")).sink for one in (SINK, wide))
    assert few is not None
    assert many is not None
    assert few.ram_bytes is not None
    assert many.ram_bytes is not None
    assert many.ram_bytes > few.ram_bytes


def test_unknown_cost_of_embedding_makes_the_total_unknown() -> None:
    sink = with_sink(SINK, embedding=None).sink
    assert sink is not None
    assert sink.total_usd.p50 is None
    assert sink.load_usd_low is not None


def test_sink_without_an_index_costs_nothing_to_build() -> None:
    sink = with_sink(replace(SINK, index=IndexSpec("none"))).sink
    assert sink is not None
    assert sink.total_usd == UsdQuantiles(Decimal(90), Decimal(100), Decimal(120))
    assert sink.ram_bytes is None
    assert sink.usd_per_month is None


def test_plan_without_a_sink_or_a_shape_has_no_cost_of_one() -> None:
    assert sink_cost(None, BILLION, EMBEDDING) is None
    assert sink_cost(SINK, None, EMBEDDING) is None
    assert "sink" not in dump(sample_plan.saved())


def test_plan_with_a_sink_says_it_everywhere_and_reads_it_again() -> None:
    plan = with_sink(SINK)
    assert read(dump(plan)).sink == plan.sink
    first, second = sink_lines(plan)
    for text in (printed(plan_text(plan), 400), printed(plan_screen(plan), 400), plan_page(plan)):
        assert first[1:] in text
        assert second[1:] in text
    assert "in all" in plan_md(plan)
    assert "shard by shard" in second
