"""The Python API on real runs of the hash model: plan, launch, load, search and report, as docs/python.md has them."""

# pandas and polars decide their types
# pyright: reportPrivateUsage=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import embedfleet as ef
from tests.support.runs import write_jsonl
from tests.support.vector_runs import grow, run_of_dtype

JOB = {
    "name": "small",
    "corpus": {"path": "in", "text": "text", "id": "id"},
    "model": "hash",
    "output": {"path": "out", "dtype": "float16", "keep": ["title"]},
    "local": {"workers": 1, "usd_per_hour": 0.1},
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a corpus."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMBEDFLEET_RUNS", raising=False)
    grow(tmp_path, "a", 7)
    return tmp_path


def test_import_is_light() -> None:
    heavy = ("numpy", "pandas", "pyarrow", "torch", "scipy", "rich")
    code = f"import sys, embedfleet; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_there_and_typed() -> None:
    for name in ef.__all__:
        assert getattr(ef, name) is not None
        assert name in dir(ef)
    assert (Path(ef.__file__).parent / "py.typed").exists()
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = ef.nonsense  # pyright: ignore[reportAttributeAccessIssue]


def test_from_a_folder_to_a_search(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = ef.plan(JOB, on="local", probe=0)
    assert isinstance(plan.usd, Decimal)
    assert plan.hours > 0
    assert len(plan.alternatives) == len(plan.saved.alternatives)
    assert plan.run in plan._repr_html_()
    report = ef.launch(plan)
    assert capsys.readouterr().out == ""  # the result is what it returns
    assert (report.run, report.state, report.output) == (plan.run, "DONE", str(here / "out"))
    assert report.document.facts is not None
    assert report.document.facts.command == "embedfleet.launch(plan)"
    assert "ef.load(" in report._repr_html_()
    assert list(ef.runs()["run"]) == [plan.run]
    grow(here, "b", 5)  # an incremental run, of a saved plan
    second = ef.launch(ef.plan(JOB, on="local", probe=0).save("plan.json"))
    ids = [f"a-{n}" for n in range(7)] + [f"b-{n}" for n in range(5)]
    assert ef.load("out").read_all().column("id").to_pylist() == ids
    assert ef.load(here / "out", as_="polars").collect()["title"].to_list()[:2] == ["T0", "T1"]
    assert list(ef.load("out", second.run, as_="pandas")["id"]) == ids
    found = ef.search("out", "words of b number 3", 2)
    assert next(iter(found["id"])) == "b-3"
    assert found.attrs["run"] == second.run
    assert len(ef.runs()) == 2
    assert ef.report(plan.run).run == plan.run


def test_job_may_be_a_path_a_text_or_a_dict(here: Path) -> None:
    text = "name: small\ncorpus: {path: in}\nmodel: hash\noutput: {path: out}\n"
    (here / "job.yaml").write_text(text)
    plans = [ef.plan(job, on="local", probe=0) for job in ("job.yaml", here / "job.yaml", text)]
    assert len({plan.run for plan in plans}) == 1
    assert plans[0].usd is None  # the price of this machine is not known
    page = plans[0].save("plan.html")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_rows_that_fail_are_in_the_report(here: Path) -> None:
    write_jsonl(here / "in" / "c.jsonl", [{"id": "c"}])
    report = ef.launch(ef.plan(JOB, on="local", probe=0))
    assert report.document.work.failed_rows == 1
    assert report.state == "DONE"


def test_failures_are_problems_with_a_hint(here: Path) -> None:
    assert len(ef.runs()) == 0
    with pytest.raises(ef.Problem, match="unknown key"):
        ef.plan(JOB | {"modle": "hash"})
    with pytest.raises(ef.Problem) as nothing:
        ef.load("out")
    assert "no run under out" in str(nothing.value)
    assert nothing.value.hint


def test_vectors_are_loaded_into_a_vector_store(tmp_path: Path) -> None:
    output = run_of_dtype(tmp_path, "float16")
    done = ef.load_into(output, str(tmp_path / "docs.lance"), verify=True)
    assert (done.rows, done.rows_written, done.action) == (30, 30, "create")
    assert done.check is not None
    assert done.check.faults == ()
    assert ef.load_into(output, str(tmp_path / "docs.lance")).action == "nothing"
    with pytest.raises(ef.Problem, match="no vector store"):
        ef.load_into(output, "mysql://h/d")
