"""Pin what rented machines install: `python -m scripts.lock [--upgrade]`.

For each `tasks/requirements/NAME.in` it writes `NAME.txt`: every package that is needed, in one version, with the hashes
of its files. A machine installs these files and nothing else. Without `--upgrade` versions that still fit are kept. One
lock serves Linux on x86-64 and ARM, and Python 3.11 to 3.13.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tasks" / "requirements"
NAMES = ("hash", "torch", "vllm", "pilot", "load", "uv")
LOWEST_PYTHON = "3.11"


def digest(name: str) -> str:
    """A digest of what a lock is made from: its own requirements, and those that it includes."""
    found = hashlib.sha256()
    for line in (FOLDER / f"{name}.in").read_text(encoding="utf-8").splitlines():
        kind, _, other = line.partition(" ")
        found.update((digest(other.removesuffix(".in")) if kind == "-r" else line).encode() + b"\n")
    return found.hexdigest()


def lock(name: str, *, upgrade: bool) -> None:
    """Write one lock with uv."""
    path = FOLDER / f"{name}.txt"
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "-q", "--universal", "--generate-hashes", "--no-header",
        "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--python-version", LOWEST_PYTHON,
        f"{name}.in", "-o", path.name, *(["--upgrade"] if upgrade else []),
    ]  # fmt: skip
    subprocess.run(command, cwd=FOLDER, check=True)
    pins = path.read_text(encoding="utf-8")
    path.write_text(f"# Made by `make lock` from {name}.in, {digest(name)}\n{pins}", encoding="utf-8")


def main(arguments: list[str]) -> None:
    for name in NAMES:
        lock(name, upgrade="--upgrade" in arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
