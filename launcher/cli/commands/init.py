"""`embedfleet init`: look at a corpus and write a job file for it."""

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.text import Text

from launcher.cli.console import say, show
from launcher.errors import Usage
from launcher.files import write
from launcher.format import plain
from launcher.jobs.job import Unit
from launcher.jobs.parse import parse
from launcher.proposal.job_text import job_text, seen_text
from launcher.proposal.propose import Proposal, propose


@dataclass(frozen=True, slots=True, kw_only=True)
class InitDocument:
    """The job file that `init` wrote, and what was seen. None does not apply, or could not be told."""

    schema: str = "embedfleet/init/1"
    written: str
    corpus: str
    files: int
    formats: dict[str, int]  # files by format
    text: str | None  # None: files are documents
    id: str | None
    unit: Unit | None
    english: bool | None
    model: str
    chunk_tokens: int | None
    dtype: str
    output: str
    job: str  # the text of the file


def run(arguments: Namespace) -> int:
    """Propose a job for a corpus and write it; ask only what is not clear, and nothing with --yes or --json.

    Raises:
        Usage: the job file exists, and the user has not agreed to replace it.
        Problem: there is nothing to read, or no column that can be the text.
    """
    target: Path = arguments.output
    asks = sys.stdin.isatty() and sys.stderr.isatty() and not arguments.yes and not arguments.json
    _check_target(target, force=arguments.force, asks=asks)
    found = propose(_corpus(arguments.corpus, target), target.absolute().parent)
    if asks:
        found = _asked(found)
    elif found.unit_question:
        say(f"{found.unit_question} Taken as a document a line: change corpus.unit if that is wrong")
    text = job_text(found, target.name)
    job = parse(text, where=target.name)  # what is written can be read
    write(target, text)
    assert job.output is not None
    document = InitDocument(
        written=str(target),
        corpus=found.corpus,
        files=found.files,
        formats=dict(found.kinds),
        text=found.text,
        id=found.id,
        unit=found.unit,
        english=found.english,
        model=job.model,
        chunk_tokens=job.chunk.tokens,
        dtype=job.output.dtype,
        output=job.output.path,
        job=text,
    )
    show(document, lambda one: _text(found, one), as_json=arguments.json)
    return 0


def _check_target(target: Path, *, force: bool, asks: bool) -> None:
    if not os.path.lexists(target) or force:
        return
    if asks and _ask(f"{target} exists. Replace it?", ("no", "yes")) == "yes":
        return
    raise Usage(f"{target} exists already", hint="name another with -o, or replace it with --force")


def _corpus(given: str | None, target: Path) -> str:
    """The corpus as the job file names it: relative to the folder of the file where that is short."""
    path = given or "."
    if "://" in path:
        return path
    folder = target.absolute().parent
    whole = Path(os.path.normpath(Path.cwd() / path))
    return str(whole.relative_to(folder)) if whole.is_relative_to(folder) else str(whole)


def _asked(found: Proposal) -> Proposal:
    if found.text is not None and found.text_others:
        text = _ask("Which column holds the text?", (found.text, *found.text_others))
        found = replace(found, text=text)
    if found.unit_question:
        unit = _ask(found.unit_question, ("line", "file"))
        found = replace(found, unit="line" if unit == "line" else "file")
    return found


def _ask(question: str, answers: Sequence[str]) -> str:
    """The answer; the first is taken for an empty one, and any word that is none of them is asked again."""
    while True:
        sys.stderr.write(f"{plain(question)} [{plain(answers[0])}] ({', '.join(map(plain, answers))}): ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line or not line.strip():
            return answers[0]
        if line.strip() in answers:
            return line.strip()


def _text(found: Proposal, document: InitDocument) -> Text:
    column = (
        "each file is a document"
        if found.text is None
        else f"text {found.text}, id {found.id or 'by position'}"
    )
    if found.unit == "line":
        column = "each line is a document"
    lines = [f"Seen     {plain(seen_text(found))}; {plain(column)}"]
    if found.left_out:
        lines.append(f"Not read {plain(found.left_out)}")
    chunk = "one vector a document"
    if found.chunk:
        chunk = f"chunks of {found.chunk[0]} tokens by {found.chunk[2]}"
    lines += [
        f"Proposed {document.model}, {chunk}, {document.dtype}, vectors in {plain(document.output)}",
        f"Written  {plain(document.written)}",
        f"Next     embedfleet plan {plain(document.written)}",
    ]
    return Text("\n".join(lines))
