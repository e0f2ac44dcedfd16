"""plan.json as typed values: what is read is what was written, and what cannot be read is refused in two lines."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.errors import Problem
from launcher.planning.saved import plan_file
from launcher.planning.saved.plan_file import BadPlan
from tests.support import sample_plan

DATA = Path(__file__).parents[3] / "data" / "plans"  # made by version 0.1 of embedfleet
MADE_BEFORE = sorted(DATA.glob("*.json"))


def without(body: dict[str, Any], *path: str | int) -> dict[str, Any]:
    """The plan without one field, signed again."""
    inner: Any = body
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return sign(body)


def sign(body: dict[str, Any]) -> dict[str, Any]:
    return plan_file.signed({name: value for name, value in body.items() if name != "digest"})


# --- plans of the version before


@pytest.mark.parametrize("path", MADE_BEFORE, ids=lambda path: path.stem)
def test_plan_of_the_version_before_is_read_and_written_unchanged(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    saved = plan_file.read(text)
    assert json.dumps(plan_file.dump(saved), indent=1) + "\n" == text


def test_figures_of_a_plan_of_the_version_before() -> None:
    saved = plan_file.plan_in(DATA / "cloud.json")
    assert saved.created == datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    assert saved.work.job["limits"]["budget"] == "300"
    assert saved.profile.documents == 29_500_000
    (group,) = saved.lots
    assert (group.gpu, group.cloud, group.spot) == ("L4", "aws", True)
    assert group.usd_per_hour is not None
    assert isinstance(group.usd_per_hour, Decimal)
    assert sum(place.machines for place in group.places) == group.machines
    assert isinstance(saved.prices_as_of, date)
    assert saved.totals.items["compute"] is not None


def test_plan_for_this_machine_has_unknown_dollars() -> None:
    saved = plan_file.plan_in(DATA / "local.json")
    assert saved.totals.usd.p50 is None
    assert saved.lots[0].usd_per_hour is None
    assert saved.prices_as_of is None


def test_fields_that_newer_versions_of_the_schema_added_have_defaults() -> None:
    body = json.loads((DATA / "cloud.json").read_text(encoding="utf-8"))
    del body["profile"]["beside"]
    saved = plan_file.read(without(body, "profile", "tokens_repeated"))
    assert (saved.profile.beside, saved.profile.tokens_repeated) == (None, None)


def test_unknown_fields_are_ignored() -> None:
    body = sample_plan.plan(colour="red")
    body["lots"][0]["shape"] = "round"
    assert plan_file.read(sign(body)).lots == sample_plan.saved().lots


# --- round trip and digest


def test_sample_plan_is_written_as_it_was_read() -> None:
    assert plan_file.dump(sample_plan.saved()) == sample_plan.plan()
    assert plan_file.read(sample_plan.plan()) == sample_plan.saved()


def test_text_bytes_and_mapping_are_read_alike() -> None:
    text = json.dumps(sample_plan.plan())
    assert plan_file.read(text) == plan_file.read(text.encode()) == plan_file.read(sample_plan.plan())


@given(st.decimals("0", "1000000000", places=8))
def test_money_survives_the_round_trip(usd: Decimal) -> None:
    totals = sample_plan.plan()["totals"] | {"usd_per_million_tokens": f"{usd:f}"}
    saved = sample_plan.saved(totals=totals)
    assert saved.totals.usd_per_million_tokens == usd
    assert plan_file.dump(saved)["totals"]["usd_per_million_tokens"] == f"{usd:f}"


def test_small_amount_is_written_without_an_exponent() -> None:
    totals = sample_plan.plan()["totals"] | {"usd_per_million_tokens": "0.00000001"}
    assert (
        plan_file.dump(sample_plan.saved(totals=totals))["totals"]["usd_per_million_tokens"] == "0.00000001"
    )


def test_file_name_that_is_not_utf8_survives() -> None:
    work = sample_plan.plan()["work"] | {"corpus": "/data/caf\udce9"}
    text = json.dumps(sign(sample_plan.plan(work=work)))
    assert plan_file.read(text).work.corpus == "/data/caf\udce9"
    assert plan_file.dump(plan_file.read(text)) == json.loads(text)


def test_edited_plan_is_refused() -> None:
    body = sample_plan.plan()
    body["totals"]["usd"]["p90"] = "1"
    with pytest.raises(BadPlan, match="its digest does not fit"):
        plan_file.read(body)


def test_plan_recorded_in_a_ledger_needs_no_digest() -> None:
    body = sample_plan.plan(digest="another")
    assert plan_file.read_recorded(json.dumps(body)).digest == "another"


def test_digest_does_not_depend_on_the_order_of_keys() -> None:
    body = sample_plan.plan()
    assert plan_file.read(dict(reversed(body.items()))).digest == body["digest"]


# --- what cannot be read


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "the plan is not JSON"),
        ("[" * 100_000, "the plan is not JSON"),
        ("[]", "this is not a plan"),
        ("null", "this is not a plan"),
        ("{}", "this is not a plan"),
        ('{"digest": "x"}', "the plan has schema None"),
        ('{"schema": "embedfleet/plan/1", "digest": "x"}', "the plan has schema 'embedfleet/plan/1'"),
        ('{"schema": "embedfleet/plan/2", "digest": "x"}', "its digest does not fit"),
        ("[" * 500 + "]" * 500, "nested more than 32 deep"),
        ('{"a":' * 500 + "1" + "}" * 500, "nested more than 32 deep"),
        ('{"digest": NaN}', "the plan is not JSON: NaN is no number"),
        ('{"digest": 1, "digest": 2}', "the plan is not JSON: 'digest' is given twice"),
        (b"\xff\xfe", "the plan is not JSON"),
    ],
)
def test_document_that_is_no_plan_is_refused(document: str | bytes, message: str) -> None:
    with pytest.raises(BadPlan, match=message) as caught:
        plan_file.read(document)
    assert caught.value.hint


@pytest.mark.parametrize(
    "path",
    [
        ("run",),
        ("work",),
        ("work", "job"),
        ("profile", "tokens"),
        ("lots",),
        ("lots", 0, "places"),
        ("lots", 0, "places", 0, "machines"),
        ("totals", "usd", "p50"),
        ("totals", "items"),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_missing_field_is_a_problem_that_names_it(path: tuple[str | int, ...]) -> None:
    with pytest.raises(Problem, match=rf"the plan cannot be read.*`{path[-1]}`") as caught:
        plan_file.read(without(sample_plan.plan(), *path))
    assert "embedfleet plan" in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("created",), "yesterday"),
        (("prices_as_of",), "2026-13-01"),
        (("lots",), {}),
        (("lots", 0, "machines"), "20"),
        (("lots", 0, "machines"), True),
        (("lots", 0, "machines"), 1.5),
        (("lots", 0, "usd_per_hour"), "cheap"),
        (("lots", 0, "spot"), 1),
        (("profile", "tokens"), None),
        (("totals", "usd"), "80.25"),
        (("work", "job"), []),
    ],
    ids=str,
)
def test_mistyped_field_is_a_problem(path: tuple[str | int, ...], value: Any) -> None:
    body = sample_plan.plan()
    inner: Any = body
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(Problem, match=r"the plan cannot be read.* at `\$\."):
        plan_file.read(sign(body))


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("lots",), [], "it has no machines"),
        (("lots", 0, "machines"), -20, "it has -20 machines"),
        (("lots", 0, "workers"), 0, "machines of 0 workers"),
        (("lots", 0, "machines"), 10**9, "it has 1,000,000,000 machines"),
        (("lots", 0, "tokens"), 10**30, "64 bits"),
        (("lots", 0, "usd_per_hour"), "NaN", "NaN is no amount"),
        (("lots", 0, "usd_per_hour"), "1e30", "is no amount"),
        (("totals", "usd", "p90"), "Infinity", "Infinity is no amount"),
        (("created",), "2026-01-01T00:00:00", "has no zone"),
        (("created",), "0001-01-01T00:00:00+00:00", "out of the range"),
    ],
    ids=str,
)
def test_value_that_no_plan_has_is_a_problem(path: tuple[str | int, ...], value: Any, why: str) -> None:
    body = sample_plan.plan()
    inner: Any = body
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    for read in (lambda: plan_file.read(sign(body)), lambda: plan_file.read_recorded(json.dumps(body))):
        with pytest.raises(BadPlan, match=f"the plan cannot be read: .*{why}"):
            read()


def test_plan_of_a_ledger_that_cannot_be_read_is_made_again_from_the_output() -> None:
    with pytest.raises(BadPlan) as caught:
        plan_file.read_recorded("{")
    assert "embedfleet ledger rebuild OUTPUT" in caught.value.hint


def test_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("name: reviews", encoding="utf-8")
    with pytest.raises(BadPlan, match=r"plan\.json: the plan is not JSON: Expecting value"):
        plan_file.plan_in(path)


def test_chance_of_nothing_is_not_an_unknown_chance() -> None:
    saved = plan_file.plan_in(DATA / "cloud.json")
    for chance in (0.0, 0.25, None):
        made = plan_file.with_digest(replace(saved, totals=replace(saved.totals, chance_late=chance)))
        assert plan_file.read(plan_file.dump(made)) == made


def test_range_of_a_chance_comes_back_as_it_was() -> None:
    saved = plan_file.plan_in(DATA / "cloud.json")
    assert "chance_late_range" not in plan_file.dump(saved)["totals"]
    for ends in ((0.0, 0.0), (0.2, 0.8)):
        totals = replace(saved.totals, chance_late=0.5, chance_late_range=ends)
        made = plan_file.with_digest(replace(saved, totals=totals))
        assert plan_file.read(plan_file.dump(made)) == made
