import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from launcher.planning.saved import plan_file
from launcher.planning.saved.plan_diff import diff_plans
from launcher.planning.saved.plan_diff_document import SCHEMA, DiffDocument, dump
from launcher.reports.terminal.plans.plan_diff import diff_text
from tests.support import sample_plan
from tests.support.cli_runs import embedfleet

LATER = {"created": "2026-03-02T12:00:00+00:00", "digest": "another"}


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The document of two plans, as JSON."""
    found = dump(diff_plans(plan_file.read_recorded(one), plan_file.read_recorded(other)))
    assert json.loads(json.dumps(found)) == found
    return found


def said(body: dict[str, Any]) -> str:
    console = Console(width=110)
    with console.capture() as captured:
        console.print(diff_text(msgspec.convert(body, DiffDocument)))
    return captured.get()


def changed(**totals: Any) -> dict[str, Any]:
    """The plan with other totals."""
    plan = sample_plan.plan(**LATER)
    plan["totals"] |= totals
    return plan


def line(text: str, start: str) -> list[str]:
    """The words of the line that begins so."""
    return next(row for row in text.splitlines() if row.strip().startswith(start)).split()


def test_two_plans_that_say_the_same_are_equal_whenever_they_were_made() -> None:
    body = differences(sample_plan.plan(), sample_plan.plan(**LATER))
    assert body["equal"]
    assert said(body).startswith("The plans are equal: the same work, machines, dollars and hours.\n")
    assert len(said(body).splitlines()) == 3


def test_schema_has_a_version() -> None:
    assert differences(sample_plan.plan(), sample_plan.plan())["schema"] == SCHEMA == "embedfleet/diff/1"


def test_money_is_text_and_exact() -> None:
    usd = {"p10": "60.5", "p50": "80.35000001", "p90": "131"}
    body = differences(sample_plan.plan(), changed(usd=usd))
    assert body["totals"]["usd"]["p50"] == {
        "one": "80.25",
        "other": "80.35000001",
        "difference": "0.10000001",
        "percent": 0.12,
    }


def test_item_that_one_plan_cannot_price_has_no_difference() -> None:
    items = sample_plan.plan()["totals"]["items"] | {"storage": "1.5"}
    body = differences(sample_plan.plan(), changed(items=items))
    assert body["items"]["storage"] == {"one": None, "other": "1.5", "difference": None, "percent": None}
    assert line(said(body), "storage") == ["storage", "?", "$1.50", "?"]


def test_item_that_neither_plan_can_price_is_named_and_never_zero() -> None:
    body = differences(sample_plan.plan(), changed(machines=22))
    assert body["items"]["egress"]["difference"] is None
    assert "not known of either: storage, egress" in said(body)
    assert "$0.00" not in said(body)


def test_total_that_is_not_known_makes_no_verdict() -> None:
    text = said(differences(sample_plan.local(), sample_plan.plan()))
    assert text.startswith("Which plan costs more is not known (A ?, B $80.25); it takes 3 h, as A does.")


def test_first_line_is_the_dollars_and_the_hours() -> None:
    usd, hours = {"p10": "50", "p50": "60.19", "p90": "99"}, {"p10": 3.0, "p50": 4.5, "p90": 5.5}
    text = said(differences(sample_plan.plan(), changed(usd=usd, hours=hours)))
    assert text.startswith("B costs $20.06 less (-25.0 %); it takes 1 h 30 min longer (+50.0 %).\n")


def test_plans_that_differ_elsewhere_name_where() -> None:
    other = sample_plan.plan(**LATER)
    other["hosted"] = other["hosted"][:1]
    body = differences(sample_plan.plan(), other)
    assert not body["equal"]
    assert body["also"] == ["hosted"]
    assert said(body).startswith("B costs $80.25 and takes 3 h, as A does.\n")
    assert "different too: hosted" in said(body)


def test_change_of_the_cheaper_way_is_shown() -> None:
    text = said(differences(sample_plan.plan(), sample_plan.plan(cheaper=None)))
    assert "Cheaper than the fleet: for A apt same-embed in batches ($60.18)" in " ".join(text.split())


def test_another_job_is_listed_key_by_key() -> None:
    other = sample_plan.plan(**LATER)
    job = other["work"]["job"]
    job["chunk"] = {"tokens": 512, "overlap": 50, "truncate": None}
    job["limits"] |= {"deadline_hours": 12.0, "budget": None, "gpus": ["L4", "T4"]}
    body = differences(sample_plan.plan(), other)
    assert {fact["name"] for fact in body["work"]} == {"chunk.tokens", "chunk.overlap", "chunk.truncate"}
    assert {"name": "limits.budget", "one": "150", "other": None} in body["limits"]
    text = said(body)
    assert line(text, "limits.deadline_hours") == ["limits.deadline_hours", "6", "h", "12", "h"]
    assert line(text, "limits.gpus") == ["limits.gpus", "-", "L4,", "T4"]
    assert line(text, "chunk.overlap") == ["chunk.overlap", "0", "50"]


def test_declared_corpus_is_listed_once() -> None:
    other = sample_plan.plan(**LATER)
    other["work"]["job"]["corpus"]["documents"] = other["profile"]["documents"] = 30_000_000
    other["profile"]["interval"]["documents"] = [30_000_000, 30_000_000]
    body = differences(sample_plan.plan(), other)
    assert body["work"] == [{"name": "documents", "one": 29_500_000, "other": 30_000_000}]


def test_model_is_listed_once() -> None:
    other = sample_plan.plan(**LATER)
    other["work"]["model"] = other["work"]["job"]["model"] = "acme/embed-1b"
    body = differences(sample_plan.plan(), other)
    assert body["work"] == [{"name": "model", "one": "acme/embed-7b", "other": "acme/embed-1b"}]


def test_more_tokens_and_more_expensive_ones_are_separated() -> None:
    other = changed(usd={"p10": "150", "p50": "170.5", "p90": "260"})
    other["profile"]["tokens"] *= 2
    body = differences(sample_plan.plan(), other)
    assert body["because"] == {"from_tokens": "80.25", "from_usd_per_token": "10"}
    assert "of the difference +$80.25 is for more tokens, +$10.00 for more expensive ones" in said(body)


amounts = st.decimals("0.01", "100000", places=2)
work = st.integers(1, 10**12)


@given(amounts, amounts, work, work)
def test_parts_of_the_difference_add_up(one: Decimal, other: Decimal, tokens: int, more: int) -> None:
    plans = [changed(usd={"p10": "0", "p50": str(usd), "p90": "1000000"}) for usd in (one, other)]
    for plan, n in zip(plans, (tokens, more), strict=True):
        plan["profile"]["tokens"] = n
    body = differences(*plans)
    parts = [Decimal(part) for part in body["because"].values()]
    difference = Decimal(body["totals"]["usd"]["p50"]["difference"] or 0)
    assert abs(sum(parts) - difference) <= Decimal("2e-8")


def test_groups_are_same_changed_added_or_dropped() -> None:
    other = sample_plan.plan(**LATER)
    other["lots"][0]["machines"] = 25
    other["lots"][1] |= {"gpu": "A100-80GB"}
    body = differences(sample_plan.plan(), other)
    assert [(group["gpu"], group["change"]) for group in body["lots"]] == [
        ("L4", "changed"),
        ("H100", "dropped"),
        ("A100-80GB", "added"),
    ]
    text = said(body)
    assert "20 at $0.2970/h, us-east-1 and 1 more" in text
    assert "25 at $0.2970/h, us-east-1 and 1 more" in text


def test_groups_that_stay_are_counted_beside_those_that_do_not() -> None:
    other = sample_plan.plan(**LATER)
    other["lots"][0]["machines"] = 25
    assert "and 1 that stay" in said(differences(sample_plan.plan(), other))


def test_price_that_moved_in_one_place_is_listed() -> None:
    other = sample_plan.plan(**LATER)
    other["lots"][0]["places"][0]["usd_per_hour"] = "0.3564"
    body = differences(sample_plan.plan(), other)
    (moved,) = body["prices"]
    assert moved["zone"] == "us-east-1a"
    assert (moved["one"], moved["other"], moved["difference"], moved["percent"]) == (
        "0.297",
        "0.3564",
        "0.0594",
        20.0,
    )


def test_price_of_a_machine_that_was_not_chosen_is_listed_too() -> None:
    other = sample_plan.plan(**LATER)
    other["kinds"][2]["usd_per_hour"] = "1.00"
    body = differences(sample_plan.plan(), other)
    assert [(one["gpu"], one["zone"], one["other"]) for one in body["prices"]] == [("H100", None, "1.00")]


def test_price_is_not_listed_twice_for_the_group_and_for_its_region() -> None:
    plans = sample_plan.plan(), sample_plan.plan(**LATER)
    for plan, hourly in zip(plans, ("0.30", "0.36"), strict=True):
        seat = {"region": "europe-north1", "zone": "europe-north1-b", "instance_type": "g2-standard-4"}
        plan["lots"][0] |= {"cloud": "gcp", "gpus_per_machine": 1.0}
        plan["lots"][0]["places"] = [seat | {"machines": 20, "usd_per_hour": hourly}]
        plan["kinds"][0]["usd_per_hour"] = hourly
    assert [one["zone"] for one in differences(*plans)["prices"]] == ["europe-north1-b"]


def test_another_cheapest_place_is_no_price_that_moved() -> None:
    other = sample_plan.plan(**LATER)
    other["kinds"][2] |= {"region": "us-central1", "usd_per_hour": "1.60"}
    body = differences(sample_plan.plan(), other)
    assert body["prices"] == []
    (found,) = body["cheapest"]
    assert (found["one"]["region"], found["other"]["region"]) == ("europe-north1", "us-central1")
    assert "europe-north1 $1.28" in said(body)


def test_gpu_that_was_measured_between_is_shown_with_both_sources() -> None:
    other = sample_plan.plan(**LATER)
    other["kinds"][2] |= {"tokens_per_second": 10_800.0, "speed_source": "measured here, vllm, 60 s"}
    other["lots"][1] |= {"tokens_per_second": 10_800.0, "speed_source": "measured here, vllm, 60 s"}
    one = sample_plan.plan()
    one["lots"][1]["tokens_per_second"] = 9_000.0
    (speed,) = differences(one, other)["speeds"]
    assert (speed["gpu"], speed["one"], speed["other"], speed["percent"]) == ("H100", 9_000.0, 10_800.0, 20.0)
    assert "predicted, then measured here" in said(differences(one, other))


def test_same_speed_on_more_gpus_is_the_same_speed() -> None:
    other = sample_plan.plan(**LATER)
    other["lots"][0] |= {"gpus_per_machine": 4.0, "tokens_per_second": 897.0 * 4}
    assert differences(sample_plan.plan(), other)["speeds"] == []


def test_what_binds_is_listed_for_each_plan() -> None:
    body = differences(
        sample_plan.plan(), sample_plan.plan(binding=["limits.machines 400: without it $70.00"])
    )
    assert body["binding"] == {
        "one": sample_plan.plan()["binding"],
        "other": ["limits.machines 400: without it $70.00"],
        "both": [],
    }
    assert "binds in B alone: limits.machines 400" in said(body)


def test_hostile_names_cannot_move_the_cursor() -> None:
    other = sample_plan.plan(run="\x1b[2J[bold]x", binding=["\x1b[31m[red]"])
    other["work"]["job"]["model"] = "\x1b]0;title\x07[link]"
    text = said(differences(sample_plan.plan(), other))
    assert not {"\x1b", "\x07"} & set(text)
    assert "[bold]x" in text


def test_diff_fits_on_a_screen() -> None:
    other = sample_plan.local()
    other["work"]["job"] |= {"name": "other", "model": "hash", "prompt": "passage: ", "engine": "hash"}
    assert len(said(differences(sample_plan.plan(), other)).splitlines()) <= 60


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every figure and text of a plan."""
    if isinstance(value, dict):
        inner: list[tuple[Any, Any]] = list(value.items())  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        inner = list(enumerate(value))  # pyright: ignore[reportUnknownArgumentType]
    else:
        return [path]
    return [way for key, one in inner for way in leaves(one, (*path, key))]


WHOLE_NUMBERS = ("shards", "threads", "vcpus", "tokens_repeated")  # unknown in the sample plan
TOLD = ("work", "limits", "prices", "cheapest", "speeds", "also")


def tells(body: dict[str, Any]) -> bool:
    """Whether any part of the answer holds a difference."""
    totals, items = body["totals"], body["items"]
    pairs = [*totals["usd"].values(), *totals["hours"].values(), *items.values()]
    pairs += [totals["usd_per_million_tokens"], totals["machines"]]
    return (
        any(body[name] for name in TOLD)
        or any(group["change"] != "same" for group in body["lots"])
        or any(pair["one"] != pair["other"] for pair in pairs)
        or any(body[name][side] for name in ("binding", "not_priced") for side in ("one", "other"))
        or any(body["one"][name] != body["other"][name] for name in ("run", "prices_as_of", "cheaper"))
    )


def altered(way: tuple[Any, ...]) -> dict[str, Any]:
    """The plan with another value at one place."""
    other: Any = sample_plan.plan()
    inner = other
    for key in way[:-1]:
        inner = inner[key]
    old = inner[way[-1]]
    if way[-1] in ("prices_as_of", "as_of"):
        inner[way[-1]] = "2026-01-31"
    elif way[-1] in WHOLE_NUMBERS:
        inner[way[-1]] = 95
    elif old is None or isinstance(old, str):
        inner[way[-1]] = "9.5"
    else:
        inner[way[-1]] = not old if isinstance(old, bool) else old + 1
    return other


def test_no_difference_is_left_out() -> None:
    ways = [way for way in leaves(sample_plan.plan()) if way[0] not in ("schema", "created", "digest")]
    assert len(ways) > 200
    found = {way: differences(sample_plan.plan(), altered(way)) for way in ways}
    assert [way for way, body in found.items() if body["equal"] or not tells(body)] == []


def test_command_compares_two_plans(tmp_path: Path) -> None:
    job = "name: tiny\ncorpus: {documents: 1e6, tokens_per_document: 100}\nmodel: BAAI/bge-m3\n"
    for name, spot in (("a", "never"), ("b", "only")):
        limits = f"limits: {{gpus: [L4], clouds: [aws], regions: [us-east-1], spot: {spot}}}\n"
        (tmp_path / f"{name}.yaml").write_text(job + limits, encoding="utf-8")
        done = embedfleet("plan", f"{name}.yaml", "--offline", "-o", f"{name}.json", folder=tmp_path)
        assert done.returncode == 0, done.stderr
    done = embedfleet("diff", "a.json", "b.json", "--json", folder=tmp_path)
    body = json.loads(done.stdout)
    assert {"name": "limits.spot", "one": "never", "other": "only"} in body["limits"]
    assert Decimal(body["totals"]["usd"]["p50"]["difference"]) < 0
    assert "B costs" in embedfleet("diff", "a.json", "b.json", folder=tmp_path).stdout


def test_plan_that_was_changed_by_hand_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(sample_plan.plan(run="another")), encoding="utf-8")
    done = embedfleet("diff", "a.json", "a.json", folder=tmp_path)
    assert done.returncode == 1
    assert "its digest does not fit" in done.stderr


def test_reduced_precision_is_named_with_its_loss() -> None:
    loss = {
        "texts": 200,
        "cosine_mean": 0.9971,
        "cosine_worst": 0.981,
        "recall_at_10": 0.95,
        "how": "emulated",
    }
    reduced = {"precision": "fp8", "usd_without": "90", "loss": loss, "why_not_measured": None}
    work = sample_plan.plan()["work"]
    other = changed(reduced=reduced) | {"work": work | {"job": work["job"] | {"precision": "fp8"}}}
    found = {
        one["name"]: (one["one"], one["other"]) for one in differences(sample_plan.plan(), other)["work"]
    }
    assert found["precision"] == (None, "fp8")
    assert found["loss.cosine_mean"] == (None, 0.9971)
    assert found["loss.recall_at_10"] == (None, 0.95)


def test_sampled_lengths_of_documents_are_not_listed_beside_those_of_chunks() -> None:
    body = sample_plan.plan()
    other = body | {"profile": body["profile"] | {"document_lengths": [[1.0, 200.0]]}}
    assert differences(body, other)["work"] == []
