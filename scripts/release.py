"""`make release`: check that this commit can be released, build and check its distributions, and tag it.

    python -m scripts.release [--check]

The version is written in one place, `launcher/__init__.py`; hatchling reads it from there. Nothing is pushed and
nothing is uploaded: the last lines of the output name the two commands that do so. With `--check` no tag is made.
`docs/release.md` describes the whole procedure.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from launcher import __version__
from launcher.errors import Problem
from launcher.format import plural

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("embedfleet", "launcher", "tasks", "pricing")  # what the wheel holds
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?")
HEADING = re.compile(r"^## \[([^\]]+)\](?: - (\S+))?\s*$", re.MULTILINE)

# Runs in the repository's environment with the unpacked wheel first on the path: imports the packages and reads one
# data file of each package that has some.
SMOKE_TEST = """
import sys
sys.path.insert(0, sys.argv[1])
import launcher, tasks, pricing
from launcher.cli.main import parser
from launcher.throughput.model_shapes import known
from pricing.gpu import gpus
parser()
assert launcher.__file__.startswith(sys.argv[1]), launcher.__file__
assert known() and gpus()
print(launcher.__version__)
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run the release; the exit status."""
    options = argparse.ArgumentParser(
        description="check, build and tag a release; pushes and uploads nothing"
    )
    options.add_argument("--check", action="store_true", help="do everything except the tag")
    arguments = options.parse_args(words)
    try:
        release(tag=not arguments.check)
    except Problem as problem:
        print(f"Error: {problem}\nTry: {problem.hint}", file=sys.stderr)
        return 1
    return 0


def release(*, tag: bool) -> None:
    """Check the repository, build, check what was built, and tag the commit unless told not to.

    Raises:
        Problem: the first thing that stands in the way, and what to do about it.
    """
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    check_version(__version__, tags())
    notes = release_notes(changelog, __version__, datetime.now(UTC).date())
    check_clean(git("status", "--porcelain"))
    say(f"version {__version__}, commit {git('rev-parse', '--short', 'HEAD').strip()}")
    sdist, wheel = build()
    say(f"built {sdist.name} ({sdist.stat().st_size:,} bytes), {wheel.name} ({wheel.stat().st_size:,} bytes)")
    run(sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel))
    say("twine check --strict passes for both")
    tracked = git("ls-files", *PACKAGES).splitlines()
    with zipfile.ZipFile(wheel) as archive:
        check_contents(archive.namelist(), tracked)
    say(f"the wheel holds the {len(tracked)} tracked files of {', '.join(PACKAGES)} and no other package")
    smoke_test(wheel)
    say("the wheel imports and reads its data files")
    if not tag:
        say("checked; no tag was made")
        return
    message = f"embedfleet {__version__}\n\n{notes}"
    run("git", "tag", "--annotate", f"v{__version__}", "--cleanup=verbatim", "--message", message)
    say(f"tagged v{__version__}; nothing was pushed or uploaded. To publish:")
    say(f"  git push origin v{__version__}")
    say(f"  {Path(sys.executable).name} -m twine upload {sdist.relative_to(ROOT)} {wheel.relative_to(ROOT)}")


def check_version(version: str, released: Collection[str]) -> None:
    """Refuse a version that is malformed, or not above every version in the tags `released`."""
    number = ordered(version)
    if number is None:
        raise Problem(
            f"launcher.__version__ is {version!r}, which is no release version",
            hint="write MAJOR.MINOR.PATCH, or MAJOR.MINOR.PATCHrcN, in launcher/__init__.py",
        )
    others = [(known, tag) for tag in released if (known := ordered(tag.removeprefix("v"))) is not None]
    newest = max(others, default=None)
    if newest is not None and number <= newest[0]:
        raise Problem(
            f"version {version} is not above the newest tag, {newest[1]}",
            hint="raise __version__ in launcher/__init__.py",
        )


def ordered(version: str) -> tuple[int, int, int, str, int] | None:
    """A version as a value that sorts as releases do: pre-releases before their release. None: it is malformed."""
    found = VERSION.fullmatch(version)
    if found is None:
        return None
    return int(found[1]), int(found[2]), int(found[3]), found[4] or "~", int(found[5] or 0)


def release_notes(changelog: str, version: str, today: date) -> str:
    """The changelog's section of this version, without its heading.

    Raises:
        Problem: the section is missing, empty, undated, dated in the future or not the newest, or changes are
            still listed as unreleased.
    """
    sections = sections_of(changelog)
    entries = {name: (day, text) for name, day, text in sections}
    if entries.get("Unreleased", ("", ""))[1]:
        raise Problem(
            "CHANGELOG.md still lists changes under [Unreleased]",
            hint=f"move them under: ## [{version}] - {today.isoformat()}",
        )
    versions = [name for name, _, _ in sections if name != "Unreleased"]
    if version not in entries or versions[0] != version:
        raise Problem(
            f"the newest section of CHANGELOG.md is {versions[0] if versions else 'missing'}, not {version}",
            hint=f"add: ## [{version}] - {today.isoformat()}",
        )
    day, text = entries[version]
    if not is_past_date(day, today):
        raise Problem(
            f"the section [{version}] of CHANGELOG.md is dated {day or 'nowhere'}",
            hint=f"write: ## [{version}] - {today.isoformat()}",
        )
    if not text:
        raise Problem(f"the section [{version}] of CHANGELOG.md is empty", hint="say what changed for users")
    return text


def sections_of(changelog: str) -> list[tuple[str, str, str]]:
    """Name, date ("" without one) and text of each `## [...]` section, in the order of the file."""
    found = list(HEADING.finditer(changelog))
    starts = [heading.start() for heading in found]
    ends = [*starts[1:], len(changelog)]
    return [
        (heading[1], heading[2] or "", changelog[heading.end() : end].strip())
        for heading, end in zip(found, ends, strict=False)  # without headings there is one end too many
    ]


def is_past_date(text: str, today: date) -> bool:
    """Whether `text` is an ISO date that is not after today."""
    try:
        return date.fromisoformat(text) <= today
    except ValueError:
        return False


def check_clean(status: str) -> None:
    """Refuse a working tree with changes: the tag would not name what was built."""
    if status.strip():
        changed = status.splitlines()
        raise Problem(
            f"the working tree has {plural(len(changed), 'uncommitted change')}; the first: {changed[0].strip()}",
            hint="commit them, or build in a clean clone",
        )


def check_contents(names: Sequence[str], tracked: Sequence[str]) -> None:
    """Refuse a wheel that lacks a tracked file of our packages, or holds anything else beside its metadata."""
    inside = {name for name in names if ".dist-info/" not in name}
    missing, strange = sorted(set(tracked) - inside), sorted(inside - set(tracked))
    if missing or strange:
        what = f"lacks {missing[0]}" if missing else f"holds {strange[0]}, which git does not track"
        raise Problem(
            f"the wheel {what} ({len(missing)} missing, {len(strange)} unexpected)",
            hint="see [tool.hatch.build] in pyproject.toml and .gitignore",
        )


def build() -> tuple[Path, Path]:
    """The sdist and the wheel, built from the sdist. Timestamps are the commit's, so that a rebuild is the same."""
    folder = ROOT / "dist"
    for old in folder.glob("embedfleet-*"):
        old.unlink()
    stamp = {"SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct").strip()}
    run(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT), environment=os.environ | stamp)
    sdist = folder / f"embedfleet-{__version__}.tar.gz"
    wheel = folder / f"embedfleet-{__version__}-py3-none-any.whl"
    for path in (sdist, wheel):
        if not path.is_file():
            raise Problem(f"the build made no {path.name}", hint="see what it said above")
    return sdist, wheel


def smoke_test(wheel: Path) -> None:
    """Unpack the wheel with pip and use it: a data file that is missing shows here and not at a user's."""
    with tempfile.TemporaryDirectory(prefix="embedfleet-release-") as folder:
        target = str(Path(folder).resolve() / "site")
        run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target, str(wheel))
        said = run(sys.executable, "-c", SMOKE_TEST, target, folder=Path(folder)).strip()
    if said != __version__:
        raise Problem(
            f"the wheel says that it is version {said}", hint="see __version__ in launcher/__init__.py"
        )


def tags() -> list[str]:
    """The names of this repository's release tags."""
    return git("tag", "--list", "v*").splitlines()


def git(*words: str) -> str:
    return run("git", *words)


def run(*command: str, folder: Path = ROOT, environment: dict[str, str] | None = None) -> str:
    """What a command printed.

    Raises:
        Problem: it failed; its own words are in the message.
    """
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        text = "\n  ".join(said[-15:])
        raise Problem(
            f"{Path(command[0]).name} {' '.join(command[1:4])} failed with status {done.returncode}\n  {text}",
            hint="correct that, then: make release",
        )
    return done.stdout


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
