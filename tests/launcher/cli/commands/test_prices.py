import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from launcher.cli.commands import prices
from launcher.cli.main import main, parser
from launcher.errors import Problem, Usage
from pricing.book import book_versions, price_book
from pricing.sources import registry
from pricing.sources.result import FetchedPrices, SourceUnavailable
from tests.support.paths import ROOT

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for price books of this test."""
    monkeypatch.setenv("EMBEDFLEET_PRICES", str(tmp_path / "prices"))
    return tmp_path / "prices"


def call(*words: str) -> int:
    return prices.run(parser().parse_args(["prices", *words]))


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert call(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_json_has_every_offer(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(listed(capsys)) == len(price_book.load())


def test_limit_applies_to_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(listed(capsys, "--limit", "3")) == 3


def test_filters_select_gpu_cloud_region_and_spot(capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys, "--gpu", "l4,nvidia-a100", "--cloud", "GCP", "--region", "us-*", "--spot")
    assert {o["gpu"] for o in found} == {"L4", "A100-40GB"}
    assert {(o["cloud"], o["purchase"], o["region"][:3]) for o in found} == {("gcp", "spot", "us-")}


def test_on_demand_leaves_out_spot(capsys: pytest.CaptureFixture[str]) -> None:
    assert {o["purchase"] for o in listed(capsys, "--on-demand")} == {"on-demand"}


def test_cheapest_gpu_hour_is_first(capsys: pytest.CaptureFixture[str]) -> None:
    each = [float(o["usd_per_gpu_hour"]) for o in listed(capsys, "--gpu", "H100")]
    assert each == sorted(each)


def test_table_fits_one_screen_and_counts_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    assert call() == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) < 30
    assert max(map(len, shown)) <= 100
    offers = f"{len(price_book.load()):,} offers"
    summary = rf"(\d+) of 30 GPUs, each at its cheapest usable of {offers}; --limit 30: all of them"
    found = re.search(summary, " ".join(line.strip() for line in shown))
    assert found
    assert int(found[1]) == sum(" x " in line[:10] for line in shown)


def test_named_gpu_has_all_its_offers(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--gpu", "L40", "--limit", "100") == 0
    assert "13 of 13 lines from 13 offers" in capsys.readouterr().out


def test_price_book_replaces_the_snapshot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(price_book.offers_csv(price_book.load()[:2]), encoding="utf-8")
    assert len(listed(capsys, "--price-book", str(path))) == 2


def test_stale_price_book_has_no_advice_to_refresh(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        price_book.offers_csv(o for o in price_book.load() if o.cloud == "vast"), encoding="utf-8"
    )
    assert call("--price-book", str(path)) == 0
    out = capsys.readouterr().out
    assert "prices are stale" in out
    assert "refresh" not in out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("5.2805", "-1", "line 2: aws/ap-northeast-1/g4dn.12xlarge: the price -1 is not above 0"),
        ("T4", "T44", "line 2: aws/ap-northeast-1/g4dn.12xlarge: no facts about GPU 'T44' (nearest: T4"),
        ("gpus", "cards", "no column 'gpus'"),
    ],
)
def test_bad_price_book_is_usage_error(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(price_book.offers_csv(price_book.load()[:1]).replace(old, new), encoding="utf-8")
    with pytest.raises(Usage) as refusal:
        call("--price-book", str(path))
    assert str(refusal.value).startswith(f"price book mine.csv: {said}")


def test_users_own_book_is_used_if_it_exists(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with book_versions.writing(folder):
        book_versions.write(folder, price_book.load()[:1], [], NOW)
    assert len(listed(capsys)) == 1
    assert len(listed(capsys, "--offline")) == len(price_book.load())


def test_broken_own_book_is_reported_and_skipped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.mkdir()
    (folder / "current").write_text("gone.csv\n", encoding="utf-8")
    assert call("--gpu", "L40") == 0
    assert "gone.csv: No such file" in capsys.readouterr().err


def test_unknown_gpu_has_the_nearest_name() -> None:
    with pytest.raises(Usage, match=r"unknown GPU 'L45'; nearest: L4") as refusal:
        call("--gpu", "L45")
    assert refusal.value.code == 2
    assert "A100-40GB" in refusal.value.hint


def test_unknown_cloud_has_the_nearest_name() -> None:
    with pytest.raises(Usage, match=r"no 'asw'; did you mean aws\?"):
        call("--cloud", "asw")


def test_unknown_source_has_the_nearest_name() -> None:
    with pytest.raises(Usage, match=r"no 'azur'; did you mean azure\?"):
        call("refresh", "--source", "azur")


def test_no_match_hints_at_the_nearest_offers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Problem, match="no spot offer of MI300X on aws among") as problem:
        call("--gpu", "MI300X", "--cloud", "aws", "--spot", "--json")
    assert "without --gpu" in problem.value.hint
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("words", [("--limit", "0"), ("--gpu", ","), ("--sort", "colour"), ("refersh",)])
def test_wrong_option_is_usage_error(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def answering(monkeypatch: pytest.MonkeyPatch, **says: FetchedPrices | SourceUnavailable) -> None:
    """Replace the price sources by ones with these answers."""

    def source(said: FetchedPrices | SourceUnavailable) -> Callable[[datetime], FetchedPrices]:
        def fetch(_: datetime) -> FetchedPrices:
            if isinstance(said, SourceUnavailable):
                raise said
            return said

        return fetch

    monkeypatch.setattr(registry, "SOURCES", {name: source(said) for name, said in says.items()})


def answer() -> FetchedPrices:
    line = next(r for r in price_book.read_rows(ROOT / "pricing/snapshot/offers.csv"))
    return FetchedPrices((line.quote,), None, ("One zone left out.",))


def test_refresh_saves_answers_and_lists_silent_sources(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, aws=answer(), gcp=SourceUnavailable("no key", "set GOOGLE_API_KEY"))
    assert call("refresh") == 0
    out = capsys.readouterr().out
    assert "aws: 1 offer, 0 new, 0 at another price, 0 rejected" in out
    assert "  One zone left out." in out
    assert "gcp: no prices: no key" in out
    assert "  try: set GOOGLE_API_KEY" in out
    assert book_versions.find_current(folder).path


@pytest.mark.parametrize("words", [("refresh", "--json"), ("--json", "refresh")])
def test_refresh_prints_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    answering(monkeypatch, aws=answer())
    assert call(*words) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["schema"] == "embedfleet/prices-refresh/1"
    assert body["answered"][0]["source"] == "aws"
    assert "T4" not in " ".join(body["answered"][0]["absent"])


def test_refresh_asks_only_the_named_sources(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, aws=answer(), gcp=SourceUnavailable("no key", "set GOOGLE_API_KEY"))
    assert call("refresh", "--source", "aws", "--json") == 0
    assert json.loads(capsys.readouterr().out)["silent"] == []


def test_refresh_without_an_answer_is_an_error_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    answering(monkeypatch, gcp=SourceUnavailable("no key", "set GOOGLE_API_KEY"))
    with pytest.raises(Problem, match="no source of prices answered: gcp: no key") as problem:
        call("refresh")
    assert (problem.value.code, problem.value.hint) == (1, "set GOOGLE_API_KEY")
    assert not folder.exists()


def test_refresh_without_an_answer_says_what_each_source_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = {
        "skypilot": SourceUnavailable("no connection", "check the network"),
        "aws": SourceUnavailable("no connection", "check the network"),
        "gcp": SourceUnavailable("no key", "set GOOGLE_API_KEY"),
    }
    answering(monkeypatch, **silent)
    with pytest.raises(Problem) as problem:
        call("refresh")
    assert problem.value.hint == "check the network; set GOOGLE_API_KEY"


def test_refresh_into_an_unwritable_folder_is_an_error(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    folder.write_text("a file", encoding="utf-8")
    answering(monkeypatch, aws=answer())
    with pytest.raises(Problem, match="cannot write the price book") as problem:
        call("refresh")
    assert "EMBEDFLEET_PRICES" in problem.value.hint


def test_refreshed_book_can_be_read_as_price_book(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, aws=answer())
    assert call("refresh", "--json") == 0
    path = Path(json.loads(capsys.readouterr().out)["book"])
    assert path.parent == folder
    with path.open(encoding="utf-8") as rows:
        assert next(csv.reader(rows)) == list(price_book.COLUMNS)
    assert len(listed(capsys, "--price-book", str(path))) == len(price_book.load())
