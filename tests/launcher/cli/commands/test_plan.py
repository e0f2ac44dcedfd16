"""`embedfleet plan`: usage errors in two lines, exit statuses, and JSON alone on stdout."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from launcher.cli.main import main
from launcher.planning.optimizer import solver, whole_machines
from launcher.planning.saved.plan_file import check

JOB = {
    "name": "what-if",
    "corpus": "{documents: 29.5e6, tokens_per_document: 102}",
    "model": "Alibaba-NLP/gte-Qwen2-7B-instruct",
    "speed": "{L4: 897}",
}
COLUMNS = (
    "cloud,region,zone,instance_type,gpu,gpus,vcpus,memory_gb,purchase,usd_per_hour,as_of,source,flags\n"
)
BOOK = (
    "gcp,us-central1,,g2-standard-4,L4,1,4,16,on-demand,0.755,2026-11-01,a test,\n"
    "gcp,us-central1,,g2-standard-4,L4,1,4,16,spot,0.297,2026-11-01,a test,\n"
)
T4 = "gcp,us-central1,,n1-standard-4,T4,1,4,15,on-demand,0.54,2026-11-01,a test,\n"
LARGE = (
    "{name: large, layers: 80, hidden: 8192, heads: 64, kv_heads: 8, intermediate: 28672, glu: true}"  # 68B
)


class Desk:
    """A folder with a job and a price book, and the command that is typed there."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.book = folder / "book.csv"
        self.book.write_text(COLUMNS + BOOK, encoding="utf-8")

    def job(self, **changes: str) -> Path:
        path = self.folder / "job.yaml"
        path.write_text("".join(f"{k}: {v}\n" for k, v in (JOB | changes).items()), encoding="utf-8")
        return path

    def plan(self, *words: object, **changes: str) -> tuple[int, str, str]:
        """Exit status, stdout and stderr of `plan` on a job with these changes."""
        runs = ("--runs", str(self.folder / "runs"))
        said = ["plan", str(self.job(**changes)), "--price-book", str(self.book), *runs, *map(str, words)]
        status = main(said)
        out = self.capsys.readouterr()
        return status, out.out, out.err

    def refused(self, status: int, **changes: str) -> tuple[str, str]:
        """The two lines of a refusal."""
        found, out, err = self.plan(**changes)
        assert (found, out) == (status, "")
        error, hint = err.splitlines()
        assert error.startswith("Error: ")
        assert hint.startswith("Try: ")
        return error.removeprefix("Error: "), hint.removeprefix("Try: ")

    def json(self, *words: object, **changes: str) -> dict[str, Any]:
        status, out, _ = self.plan("--json", *words, **changes)
        assert status == 0
        body: dict[str, Any] = json.loads(out)
        return body


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


# --- errors in the job: exit status 2


def test_unknown_gpu_in_limits_has_the_nearest_name(desk: Desk) -> None:
    error, hint = desk.refused(2, limits="{gpus: [A100-81GB]}")
    assert error == "limits.gpus: no GPU 'A100-81GB' is known; did you mean A100-80GB?"
    assert "H200" in hint


def test_unknown_gpu_in_speed_has_the_nearest_name(desk: Desk) -> None:
    assert "did you mean L4?" in desk.refused(2, speed="{L5: 897}")[0]


def test_unknown_gpu_in_quota_has_the_nearest_name(desk: Desk) -> None:
    assert "did you mean H100?" in desk.refused(2, quota="{aws: {us-east-1: {H10: {spot: 8}}}}")[0]


def test_unknown_model_has_the_nearest_name(desk: Desk) -> None:
    error, hint = desk.refused(2, model="BAAI/bge-small-en-v1.6")
    assert "unknown model 'BAAI/bge-small-en-v1.6'" in error
    assert "BAAI/bge-small-en-v1.5" in hint


def test_deadline_in_the_past_is_refused(desk: Desk) -> None:
    error, hint = desk.refused(2, limits="{deadline: 2020-01-01}")
    assert "2020-01-01" in error
    assert "in the past" in error
    assert "limits.deadline" in hint


def test_budget_of_zero_is_refused(desk: Desk) -> None:
    error, _ = desk.refused(2, limits="{budget: $0}")
    assert error.startswith("job.yaml:5: limits.budget: must be an amount of money, $0.01 or more")


def test_negative_budget_is_refused(desk: Desk) -> None:
    assert "limits.budget" in desk.refused(2, limits="{budget: -5}")[0]


def test_limit_of_zero_machines_is_refused(desk: Desk) -> None:
    assert "limits.machines" in desk.refused(2, limits="{machines: 0}")[0]


def test_speed_of_zero_is_refused(desk: Desk) -> None:
    assert "speed" in desk.refused(2, speed="{L4: 0}")[0]


# --- errors in the price book: exit status 2


def test_negative_price_is_refused_with_its_line(desk: Desk) -> None:
    desk.book.write_text(COLUMNS + BOOK.replace("0.297", "-0.297"), encoding="utf-8")
    error, _ = desk.refused(2)
    assert "price book book.csv: line 3:" in error
    assert "-0.297" in error


def test_price_of_zero_is_refused(desk: Desk) -> None:
    desk.book.write_text(COLUMNS + BOOK.replace("0.755", "0"), encoding="utf-8")
    assert "line 2:" in desk.refused(2)[0]


def test_price_book_without_an_offer_is_refused(desk: Desk) -> None:
    desk.book.write_text(COLUMNS, encoding="utf-8")
    assert desk.refused(2)[0] == "price book book.csv: it holds no offer"


def test_empty_price_book_is_refused(desk: Desk) -> None:
    desk.book.write_text("", encoding="utf-8")
    assert "no column 'cloud'" in desk.refused(2)[0]


def test_missing_price_book_is_refused(desk: Desk) -> None:
    desk.book.unlink()
    assert "book.csv" in desk.refused(2)[0]


def test_unknown_gpu_in_price_book_has_the_nearest_name(desk: Desk) -> None:
    desk.book.write_text(COLUMNS + BOOK.replace(",L4,", ",L5,"), encoding="utf-8")
    assert "(nearest: L4" in desk.refused(2)[0]


def test_price_book_and_offline_together_are_refused(desk: Desk) -> None:
    status, _, err = desk.plan("--offline")
    assert status == 2
    assert len(err.splitlines()) == 2


# --- infeasible: exit status 3


def test_too_little_gpu_memory_is_infeasible_with_numbers(desk: Desk) -> None:
    desk.book.write_text(COLUMNS + T4, encoding="utf-8")
    error, hint = desk.refused(3, model=LARGE, speed="{T4: 10}")
    assert "T4 has 14.4 GB to fill" in error
    assert "a smaller model" in hint


def test_short_deadline_is_infeasible_and_the_hinted_one_works(desk: Desk) -> None:
    error, hint = desk.refused(3, limits="{deadline: 30m, machines: 100, spot: never}")
    assert (
        "nothing finishes in 30 min with at most 100 machines (limits.machines); soonest: 100 machines"
        in error
    )
    deadline = hint.removeprefix("set limits.deadline to ").partition(",")[0]
    made = desk.json(limits=f"{{deadline: {deadline}, machines: 100, spot: never}}")
    assert made["totals"]["hours"]["p90"] <= float(deadline.removesuffix("h"))


def test_small_budget_is_infeasible_and_the_hinted_one_works(desk: Desk) -> None:
    error, hint = desk.refused(3, limits="{budget: $100, spot: never}")
    assert error.startswith("nothing costs at most $100 (P90); the least is $")
    budget = hint.removeprefix("set limits.budget to $").partition(",")[0]
    made = desk.json(limits=f"{{budget: ${budget}, spot: never}}")
    assert float(made["totals"]["usd"]["p90"]) <= float(budget)


def test_limits_that_leave_no_offer_are_infeasible(desk: Desk) -> None:
    error, _ = desk.refused(3, limits="{clouds: [azure]}")
    assert error == "no offer is left of 2; 2 fall to: limits.clouds"


def test_quota_of_zero_is_infeasible(desk: Desk) -> None:
    none = "{gcp: {us-central1: {L4: {spot: 0, on_demand: 0}}}}"
    assert "quota" in desk.refused(3, quota=none)[0]


# --- what is printed


def test_published_run_is_planned_within_5_percent(desk: Desk) -> None:
    made = desk.json(limits="{deadline: 4.5h, machines: 406, spot: never}")
    assert float(made["totals"]["items"]["compute"]) == pytest.approx(703.5, rel=0.05)
    items = made["totals"]["items"]
    starts = float(items["cold_start"]) + float(items["teardown"])  # not in the published dollars
    assert float(made["totals"]["usd"]["p50"]) - starts == pytest.approx(710, rel=0.05)
    assert made["prices_as_of"] == "2026-11-01"


def test_written_plan_equals_the_printed_one(desk: Desk) -> None:
    path = desk.folder / "plan.json"
    made = desk.json("-o", path)
    assert check(json.loads(path.read_text(encoding="utf-8"))) == made


def test_plan_writes_no_other_file(desk: Desk) -> None:
    desk.json()
    assert {path.name for path in desk.folder.iterdir()} == {"job.yaml", "book.csv"}


def test_text_starts_with_the_comparison(desk: Desk) -> None:
    status, out, _ = desk.plan(limits="{deadline: 4.5h, machines: 406, spot: never}")
    assert status == 0
    assert out.startswith("No hosted API with a known price serves these weights.")
    (note,) = re.findall(r"note: CHEAPER: .*?quality unknown\)", " ".join(out.split()))
    assert note.startswith(
        "note: CHEAPER: nebius Qwen/Qwen3-Embedding-8B (another model of its size class: 7.6B parameters"
    )
    assert "$745" in out or "$74" in out


def test_text_names_what_is_not_priced(desk: Desk) -> None:
    out = desk.plan()[1]
    assert "storage" in out
    assert "egress" in out


# --- the console script, as a process


def run(folder: Path, *words: object, **environ: str) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("embedfleet")
    if not script.exists():
        pytest.skip("the console script is not installed next to this interpreter")
    mine: Mapping[str, str] = {k: v for k, v in os.environ.items() if not k.startswith("EMBEDFLEET_")}
    return subprocess.run(
        [script, *map(str, words)],
        cwd=folder,
        env={**mine, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_console_script_prints_json_alone(desk: Desk) -> None:
    done = run(desk.folder, "plan", desk.job(limits="{deadline: 6h}"), "--offline", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    made = check(json.loads(done.stdout))
    assert len(made["frontier"]) >= 8
    assert made["totals"]["hours"]["p90"] <= 6


def test_console_script_prints_errors_in_two_lines(desk: Desk) -> None:
    done = run(desk.folder, "plan", desk.job(limits="{deadline: 2020-01-01}"), "--offline")
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["Error", "Try"]


def test_output_of_the_solver_is_not_mixed_with_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It says "HighsMipSolverData::transformNewIntegerFeasibleSolution tmpSolver.run();" in one plan of fifty."""
    quiet = whole_machines.mixed_integer

    def printing(*numbers: Any, **more: Any) -> Any:
        os.write(1, b"HighsMipSolverData::transformNewIntegerFeasibleSolution tmpSolver.run();\n")
        return quiet(*numbers, **more)

    monkeypatch.setattr(solver, "mixed_integer", printing)
    made = Desk(tmp_path, capfd).json(limits="{deadline: 4.5h, machines: 406}")
    assert made["schema"].startswith("embedfleet/plan/")
