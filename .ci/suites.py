"""Order of the slow suites in one CI run, printed one `NAME SECONDS` a line.

The whole set does not fit into one run, so the order decides what runs. First come the suites that run every time, then
those whose code changed since the last green commit of main, then the rest. Within a group the order rotates with the
number of commits on the branch: no state is kept, and every suite comes first once in as many commits as there are
suites.

The last green commit is CI_BASE where CI sets it, else origin/main where that is an ancestor of this commit, else the
newest release tag. Without any of them no suite counts as changed.
"""

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True, slots=True)
class Suite:
    """A make target, how long it takes on two cores with its set-up, and the code that it tests.

    Attributes:
        seconds: wall time; a suite is started only where this much time is left.
        paths: patterns of `fnmatch` (`*` crosses folders) for files whose change makes the suite due.
    """

    name: str
    seconds: int
    paths: tuple[str, ...]
    always: bool = False


FLEET = ("launcher/fleet/*", "tasks/skypilot_task.py", "tasks/requirements/*", "tests/support/clusters/*")

SUITES = (
    Suite(
        "e2e-stores", 240, ("tasks/stores/*", "tests/contract/*", "tests/support/objectserver/*"), always=True
    ),
    Suite("e2e-races", 300, ("tasks/stores/*", "tests/contract/*", "tests/support/objectserver/*")),
    Suite(
        "e2e-killed",
        400,  # 383 s beside other tests
        ("tasks/worker/*", "tasks/supervisor/*", "tasks/protocol/*", "tests/e2e/test_killed.py"),
    ),
    Suite("e2e-sky", 240, (*FLEET, "tests/e2e/test_skypilot.py")),
    Suite(
        "fuzz",
        360,  # 100 of mutated bytes, 120 of damaged runs, and 2 for the start of each border's process
        (
            "tasks/protocol/*",
            "tasks/formats/*",
            "tasks/models/*",
            "launcher/ledger/*",
            "launcher/jobs/*",
            "launcher/planning/saved/plan_file.py",
            "launcher/cli/bill_files.py",
            "pricing/*",
            "tests/fuzz/*",
            "tests/launcher/cli/test_damaged_state.py",
        ),
    ),
    Suite("e2e-page", 120, ("launcher/reports/html/*", "tests/e2e/test_browser.py", "tests/e2e/browser.mjs")),
    Suite("e2e-metrics", 90, ("tasks/metrics/*", "launcher/documents/*", "tests/e2e/test_prometheus.py")),
    Suite(
        "e2e-load",
        2400,  # twelve kinds of stores; half of it was through after 25 minutes beside other suites
        (
            "launcher/loading/*",
            "launcher/vectors/*",
            "tests/contract/vector_stores/*",
            "launcher/sinks/*",
            "tests/e2e/test_load.py",
            "tests/e2e/test_follow.py",
            "tests/e2e/test_sink.py",
            "tests/e2e/test_milvus_import.py",
        ),
    ),
    Suite("e2e-chaos", 500, ("tasks/worker/*", "tasks/protocol/*", "tasks/stores/*", "tests/chaos/*")),
    Suite(
        "e2e-indexes",
        300,
        ("launcher/index_sizes/*", "pricing/charges/vector_stores.py", "tests/e2e/test_index_sizes.py"),
    ),
    Suite(
        "e2e-vllm",
        540,
        ("tasks/engines/*", "launcher/serve/*", "tests/e2e/test_vllm.py", "tests/contract/test_encoder.py"),
    ),
    Suite(
        "e2e-recipes",
        300,
        ("launcher/serve/*", "docs/recipes.md", "tests/e2e/test_litellm.py", "tests/e2e/test_kafka.py"),
    ),
    Suite(
        "e2e-steering",
        1900,  # 1,302 and 1,398 s beside other tests
        (
            *FLEET,
            "launcher/steering/*",
            "launcher/pilot/*",
            "tests/e2e/steered.py",
            "tests/e2e/test_slurm_*.py",
        ),
    ),
    Suite("e2e-fleet", 1900, (*FLEET, "tests/e2e/test_slurm.py", "tests/e2e/rental.py")),
    Suite(
        "e2e-aws",
        2400,  # 1,218 s, and 1,074 s alone for the zones without spot, beside other tests, without set-up of environments
        (
            *FLEET,
            "launcher/steering/*",
            "tests/e2e/aws_rental.py",
            "tests/e2e/rental.py",
            "tests/e2e/steered.py",
            "tests/e2e/test_aws*.py",
        ),
    ),
    Suite(
        "e2e-rented-load",
        900,  # the test took 576 s at a load of 12; the rest is set-up
        (*FLEET, "launcher/loaders/*", "launcher/loading/*", "tests/e2e/test_slurm_load.py"),
    ),
)


def order(suites: Sequence[Suite], changed: Iterable[str] | None, commits: int) -> list[Suite]:
    """The suites in the order in which they are to run.

    Args:
        suites: all of them.
        changed: files that differ from the last green commit; None where that is unknown.
        commits: the number of commits on the branch, by which each group is rotated.
    """
    files = tuple(changed or ())

    def due(suite: Suite) -> bool:
        return any(fnmatch(file, pattern) for file in files for pattern in suite.paths)

    always = [s for s in suites if s.always]
    first = [s for s in suites if not s.always and due(s)]
    rest = [s for s in suites if not s.always and not due(s)]
    return always + rotated(first, commits) + rotated(rest, commits)


def rotated(suites: Sequence[Suite], commits: int) -> list[Suite]:
    """The same suites, begun at another one with each commit."""
    start = commits % len(suites) if suites else 0
    return [*suites[start:], *suites[:start]]


def base() -> str | None:
    """The last green commit of main, or None where it cannot be known."""
    for name in (os.environ.get("CI_BASE"), "origin/main", git("describe", "--tags", "--abbrev=0", "HEAD~1")):
        if not name or git("rev-parse", name) == git("rev-parse", "HEAD"):
            continue
        if git("merge-base", "--is-ancestor", name, "HEAD") is not None:
            return name
    return None


def git(*words: str) -> str | None:
    """What git answers, or None where it fails."""
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def main() -> None:
    since = base()
    changed = None if since is None else (git("diff", "--name-only", since, "HEAD") or "").splitlines()
    for suite in order(SUITES, changed, int(git("rev-list", "--count", "HEAD") or 0)):
        print(suite.name, suite.seconds)


if __name__ == "__main__":
    main()
