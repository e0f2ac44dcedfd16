"""`~` means home and `$NAME` a variable, in every path that a user writes."""

import pwd
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.cli.options.types import path as path_option
from launcher.cli.options.types import variable
from launcher.jobs.parse import parse
from launcher.jobs.paths import check_location, expand
from launcher.jobs.yaml_fields import BadJob
from tests.support.cli_runs import in_process, write_job
from tests.support.runs import write_jsonl

ENVIRON = {"HOME": "/home/ada", "BUCKET": "texts", "DATA": "/data", "EMPTY": ""}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("~/vec", "/home/ada/vec"),
        ("~", "/home/ada"),
        ("file://~/vec", "file:///home/ada/vec"),
        ("$HOME/vec", "/home/ada/vec"),
        ("${DATA}/a-$BUCKET.jsonl", "/data/a-texts.jsonl"),
        ("s3://$BUCKET/in/*.jsonl", "s3://texts/in/*.jsonl"),
        ("in/$$5 a day", "in/$5 a day"),
        ("./~/vec", "./~/vec"),
        ("a~b", "a~b"),
        ("s3://bucket/~/x", "s3://bucket/~/x"),
        ("cost $5 (a$)", "cost $5 (a$)"),
        ("a$(touch x)`id`", "a$(touch x)`id`"),
    ],
)
def test_home_and_variables_are_replaced(written: str, meant: str) -> None:
    assert expand(written, ENVIRON) == meant


def test_the_home_of_another_user_is_known() -> None:
    user = pwd.getpwuid(0)
    assert expand(f"~{user.pw_name}/x", ENVIRON) == f"{user.pw_dir.rstrip('/')}/x"


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("$NOT_SET/x", r"\$NOT_SET is not set"),
        ("${NOT_SET}/x", r"\$NOT_SET is not set"),
        ("$EMPTY/x", r"\$EMPTY is not set"),  # else it would be /x
        ("~/$NOT_SET", r"\$NOT_SET is not set"),
        ("${DATA:-/tmp}/x", "is no variable"),
        ("${DATA/x", "is no variable"),
        ("~no-such-user/x", "the user 'no-such-user' is not known"),
    ],
)
def test_what_is_not_known_is_refused_by_name(written: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        expand(written, ENVIRON)


@given(st.text().filter(lambda text: "$" not in text and not text.startswith(("~", "file://~"))))
def test_other_paths_stay_as_they_are(path: str) -> None:
    assert expand(path, ENVIRON) == path


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("S3://bucket/x", "write s3://"),
        ("s3a://bucket/x", "write s3://"),
        ("gcs://bucket/x", "write gs://"),
        ("https://host/x", "no store for https://"),
        ("abfs://container/x", "no store for abfs://"),
        ("s3://AKIA:T0SECRET@bucket/x", "the URL holds a user name or a password"),
        ("https://ada:T0SECRET@host/x", "the URL holds a user name or a password"),
    ],
)
def test_a_url_of_no_store_or_with_a_secret_is_refused(written: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        check_location(written)
    assert "SECRET" not in str(caught.value)
    for key in ("corpus", "output"):
        job = f"name: a\n{key}: {written!r}\n" + f"{'output' if key == 'corpus' else 'corpus'}: b\nmodel: m\n"
        with pytest.raises(BadJob, match=said) as refused:
            parse(job)
        assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("written", ["s3://b/a@b", "gs://b/x", "file:///x", "/data/a:b@c", "C:/x"])
def test_what_a_store_can_be_is_taken(written: str) -> None:
    assert check_location(written) == written


@pytest.mark.parametrize("model", ["https://huggingface.co/BAAI/bge-m3", "s3://bucket/model", "hf://a/b"])
def test_a_model_is_no_url(model: str) -> None:
    with pytest.raises(BadJob, match="must be a folder or a hub id"):
        parse(f"name: a\ncorpus: b\noutput: c\nmodel: {model}\n")


@pytest.mark.parametrize("word", ["NAME=T0SECRET", "T0-SECRET", "", "1X"])
def test_the_value_of_a_secret_is_not_taken_for_its_name(word: str) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        variable(word)
    assert "SECRET" not in str(caught.value)


def test_each_path_of_a_job_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    job = parse("name: a\ncorpus: {path: ~/in}\nmodel: ~/model\noutput: {path: $HOME/out}\n")
    assert job.corpus == parse("name: a\ncorpus: /home/ada/in\nmodel: m\noutput: o\n").corpus
    assert job.model == "/home/ada/model"
    assert job.output
    assert job.output.path == "/home/ada/out"


def test_a_variable_that_is_not_set_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    job = write_job(tmp_path, corpus="{path: $NOT_SET/in}", output="{path: '${NOR_THIS}/out'}")
    result = in_process("plan", job, folder=tmp_path)
    assert result.returncode == 2
    assert "corpus.path: $NOT_SET is not set" in result.stderr
    assert "output.path: $NOR_THIS is not set" in result.stderr


def test_an_option_means_home_by_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert path_option("~/plan.json") == tmp_path / "plan.json"
    (tmp_path / "$odd").touch()
    assert path_option("$odd") == Path("$odd")  # it is there: the shell has seen to variables


def test_vectors_runs_and_plans_lie_below_home(tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    for folder in (home, work):
        folder.mkdir()
    (home / "in").mkdir()
    write_jsonl(home / "in" / "a.jsonl", [{"id": "1", "text": "a"}])
    job = write_job(work, corpus="{path: ~/in, id: id}", output="{path: ~/vec}", local="{workers: 1}")
    options = ("--on", "local", "--probe", 0, "--runs=~/runs")
    planned = in_process(
        "plan", job, *options, "--output=~/plan.json", "--html=$HOME/plan.html", folder=work, HOME=str(home)
    )
    assert planned.returncode == 0, planned.stderr
    launched = in_process("launch", "~/plan.json", folder=work, HOME=str(home), EMBEDFLEET_RUNS="~/runs")
    assert launched.returncode == 0, launched.stderr
    assert {p.name for p in home.iterdir()} == {"in", "vec", "runs", "plan.json", "plan.html"}
    assert {p.name for p in work.iterdir()} == {"job.yaml"}
