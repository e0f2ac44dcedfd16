"""The command line before anything runs: help, the installation, usage, jobs and limits that are refused."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.cli.main import ENDING, command_of, nearest_command
from launcher.cli.options.commands import COMMANDS
from tests.support.cli_runs import (
    corpus,
    embedfleet,
    environment,
    in_process,
    problem,
    write_job,
)
from tests.support.paths import ROOT

Result = subprocess.CompletedProcess[str]


def python(code: str, *flags: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, *flags, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, cwd="/", env=environment()
    ).stdout


# --- help


def test_help_lists_every_command(tmp_path: Path) -> None:
    result = embedfleet("--help", folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    listed = [
        line.split()[0] for line in result.stdout.splitlines() if line.startswith("    ") and line[4] != " "
    ]
    assert listed == list(COMMANDS)


def test_every_command_has_its_own_function() -> None:
    assert len({command_of(name) for name in COMMANDS}) == len(COMMANDS)


def test_version_is_that_of_the_distribution(tmp_path: Path) -> None:
    from importlib.metadata import version

    assert in_process("--version", folder=tmp_path).stdout == f"embedfleet {version('embedfleet')}\n"


# --- the installation


def test_the_package_is_the_command_line_as_a_function(tmp_path: Path) -> None:
    missing = str(tmp_path / "plan.json")
    code = f"from launcher import cli; print(cli.main(['launch', {missing!r}]))"
    assert python(code).strip() == "2"


def test_console_script_imports_our_packages() -> None:
    code = (
        "import launcher, tasks, pricing; print(*(m.__file__ for m in (launcher, tasks, pricing)), sep='\\n')"
    )
    found = python(code, "-I").split()
    assert found == [str(ROOT / name / "__init__.py") for name in ("launcher", "tasks", "pricing")]


def test_console_script_runs_this_command(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("embedfleet")
    if not script.exists():
        pytest.skip("the distribution is not installed with its script")
    said = subprocess.run([script, "--help"], capture_output=True, text=True, check=True, env=environment())
    assert said.stdout == embedfleet("--help", folder=tmp_path).stdout


# --- usage


@pytest.mark.parametrize("word", ["initialise", "fish", "done", "town", "shop", "finalise", "refresh"])
def test_command_that_ends_something_is_only_named_for_a_slip(word: str) -> None:
    assert nearest_command(word) not in ENDING


@pytest.mark.parametrize(("word", "meant"), [
    ("plna", "plan"), ("lauch", "launch"), ("verfy", "verify"), ("ini", "init"), ("run", "launch"), ("query", "search"),
    ("finsh", "finish"), ("notes", "runs"),
])  # fmt: skip
def test_unknown_command_has_the_nearest_name(tmp_path: Path, word: str, meant: str) -> None:
    result = in_process(word, folder=tmp_path)
    assert result.returncode == 2
    assert problem(result) == [f"Error: no command '{word}'; did you mean {meant}?", "Try: embedfleet --help"]


def test_unknown_command_lists_all_commands(tmp_path: Path) -> None:
    result = in_process("xyzzy", folder=tmp_path)
    assert result.returncode == 2
    said = problem(result)[0]
    assert said.startswith("Error: no command 'xyzzy'; there are init, plan, ")
    assert all(name in said for name in COMMANDS)


@pytest.mark.parametrize(
    "words", [[], ["plan"], ["plan", "job.yaml", "--jsn"], ["plan", "a", "--on", "moon"]]
)
def test_usage_error_is_two_lines(tmp_path: Path, words: list[str]) -> None:
    result = in_process(*words, folder=tmp_path)
    assert result.returncode == 2
    assert len(problem(result)) == 2


@pytest.mark.parametrize(("line", "said"), [
    ("plan job.yaml --offlin --hml x", "plan has no option --hml; did you mean --html?"),
    ("size --rows 1e7 --dimensions 384", "size has no option --rows; did you mean --runs?"),
    ("prices --gpus L4", "prices has no option --gpus; did you mean --gpu?"),
    ("prices refresh --surce aws", "prices has no option --surce; did you mean --source?"),
    ("launch --max-costs=3 job.yaml", "launch has no option --max-costs; did you mean --max-cost?"),
    ("report --xyzzy", "report has no option --xyzzy"),
])  # fmt: skip
def test_unknown_option_has_the_nearest_name(tmp_path: Path, line: str, said: str) -> None:
    result = in_process(*line.split(), folder=tmp_path)
    assert result.returncode == 2
    assert problem(result) == [f"Error: {said}", f"Try: embedfleet {line.split(maxsplit=1)[0]} --help"]


def test_surplus_argument_names_the_help_of_its_command(tmp_path: Path) -> None:
    result = in_process("report", "a", "b", folder=tmp_path)
    assert problem(result) == ["Error: unrecognized arguments: b", "Try: embedfleet report --help"]


@pytest.mark.parametrize("seconds", ["nan", "-1", "1e9", "soon"])
def test_probe_of_a_wrong_duration_is_usage_error(tmp_path: Path, seconds: str) -> None:
    result = in_process("plan", "job.yaml", "--probe", seconds, folder=tmp_path)
    assert result.returncode == 2
    assert "--probe" in problem(result)[0]


@pytest.mark.parametrize("command", ["plan", "launch"])
def test_missing_file_is_named(tmp_path: Path, command: str) -> None:
    result = in_process(command, "job.yaml", folder=tmp_path)
    assert result.returncode == 2
    assert problem(result)[0] == "Error: no file job.yaml"


def test_folder_instead_of_a_job_is_usage_error(tmp_path: Path) -> None:
    result = in_process("plan", ".", folder=tmp_path)
    assert result.returncode == 2
    assert problem(result)[0] == "Error: cannot read .: [Errno 21] Is a directory: '.'"


def test_all_errors_of_a_job_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(
        "nam: reviews\ncorpus: {pth: in}\nmodel: hash\noutput: {path: out, dtype: float23}\n"
        "limits: {deadline: 6, gpu: L4}\n"
    )
    result = in_process("plan", "job.yaml", folder=tmp_path)
    assert result.returncode == 2
    lines = problem(result)
    keys = {line.strip().split(": ")[0] + " " + line.strip().split(": ")[1] for line in lines[1:-1]}
    assert {
        "job.yaml:1 nam",
        "job.yaml:2 corpus.pth",
        "job.yaml:4 output.dtype",
        "job.yaml:5 limits.deadline",
        "job.yaml:5 limits.gpu",
    } <= keys
    assert "did you mean name?" in result.stderr
    assert "did you mean path?" in result.stderr


def test_missing_corpus_is_an_error(tmp_path: Path) -> None:
    result = in_process("plan", write_job(tmp_path), folder=tmp_path)
    assert result.returncode == 1
    assert problem(result)[0] == f"Error: no corpus at {tmp_path / 'in'}"


def test_unknown_gpu_has_the_nearest_name(tmp_path: Path) -> None:
    corpus(tmp_path)
    result = in_process("plan", write_job(tmp_path, limits="{gpus: [H10]}"), folder=tmp_path)
    assert result.returncode == 2
    assert problem(result)[0].startswith("Error: limits.gpus: no GPU 'H10' is known; did you mean H100?")


@pytest.mark.parametrize("output", ["in", "./in/../in/vectors"])
def test_output_inside_the_corpus_is_refused(tmp_path: Path, output: str) -> None:
    corpus(tmp_path)
    result = in_process("plan", write_job(tmp_path, output=f"{{path: {output}}}"), folder=tmp_path)
    assert result.returncode == 2
    assert "is inside the corpus in, and would be read as input" in problem(result)[0]


# --- limits


def test_short_deadline_is_infeasible_with_a_hint(tmp_path: Path) -> None:
    corpus(tmp_path)
    job = write_job(tmp_path, limits="{deadline: 0.1s}")
    result = in_process("plan", job, "--on", "local", "--probe", 0, folder=tmp_path)
    assert result.returncode == 3
    error, hint = problem(result)
    assert re.fullmatch(r"Error: this machine needs [0-9.]+ s \(P90\), and limits.deadline is 0.1 s", error)
    assert hint.startswith("Try: set limits.deadline to ")


def test_more_dimensions_than_the_models_are_refused(tmp_path: Path) -> None:
    corpus(tmp_path)
    job = write_job(tmp_path, output="{path: out, dimensions: 64}")
    result = in_process("plan", job, "--probe", 0, folder=tmp_path)
    assert result.returncode == 2
    assert problem(result) == [
        "Error: output.dimensions is 64, but hash gives 32",
        "Try: set output.dimensions to at most 32",
    ]


def test_declared_corpus_is_planned_and_not_launched(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(
        "name: what-if\ncorpus: {documents: 29.5e6, tokens_per_document: 102}\nmodel: BAAI/bge-base-en-v1.5\n"
    )
    planned = in_process("plan", "job.yaml", "--json", "-o", "plan.json", folder=tmp_path)
    assert planned.returncode == 0
    assert json.loads(planned.stdout)["profile"]["tokens"] == 3_009_000_000
    result = in_process("launch", "plan.json", folder=tmp_path)
    assert result.returncode == 1
    assert problem(result)
