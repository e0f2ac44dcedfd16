"""Pictures of the pages in headless Chromium: `python -m scripts.screenshots [PAGE ...] [--to FOLDER] [--docs]`.

Each PAGE, a file or an address, is taken at 1,280 and 390 pixels, light and dark, to be looked at before a release. What
is wider than the screen, or complains in the console, is an error. `--docs` makes docs/images anew: the page of a plan of
the job of docs/plans.md, and the top of the report of the newest run of `make demo`.

Needs chromium, node and npm; puppeteer-core is installed into build/browser.
"""

import json
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = Path(__file__).with_suffix(".mjs")
MODULES = ROOT / "build" / "browser"
IMAGES = ROOT / "docs" / "images"
DEMO = ROOT / "demo" / "out" / "runs"
JOB = """\
name: what-if
corpus: {documents: 29.5e6, tokens_per_document: 102, region: aws/us-east-1}
output: {path: "s3://bucket/vectors", dtype: float16, region: aws/us-east-1}
model: Alibaba-NLP/gte-Qwen2-7B-instruct
limits: {deadline: 6h, budget: $300, clouds: [aws, gcp], spot: prefer, machines: 400}
"""
HEIGHT = 1_500  # of the pictures in docs/images


@dataclass(frozen=True, slots=True)
class Picture:
    """A page and the name of its pictures. `height` None: the whole page."""

    name: str
    address: str
    height: int | None = None


def main() -> int:
    """Take the pictures; 1 where a page has a fault."""
    parser = ArgumentParser(description="pictures of pages in headless Chromium")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="a file or an address")
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "screenshots", metavar="FOLDER")
    parser.add_argument("--docs", action="store_true", help="make docs/images anew")
    parser.add_argument("--report", type=Path, metavar="FILE", help="with --docs: the report of another run")
    given = parser.parse_args()
    folder: Path = given.to
    pictures = [Picture(_name(page), _address(page)) for page in given.pages]
    if given.docs:
        pictures += [Picture("plan", _plan(folder), HEIGHT), Picture("report", _report(given.report), HEIGHT)]
    faults = take(pictures, folder)
    if given.docs:
        for name in ("plan", "report"):
            shutil.copyfile(folder / f"{name}-1280-light.png", IMAGES / f"{name}.png")
    print("\n".join(faults) or f"pictures: {folder}")
    return 1 if faults else 0


def take(pictures: list[Picture], folder: Path) -> list[str]:
    """Take the pictures of each page, and return what is wrong with them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{one.name}{f'@{one.height}' if one.height else ''}={one.address}" for one in pictures]
    words = ["node", str(SCRIPT), str(_modules()), _tool("chromium"), str(folder), *names]
    said = subprocess.run(words, check=True, capture_output=True, text=True, timeout=600).stdout
    faults: list[str] = []
    for look in json.loads(said):
        where = f"{look['name']} at {look['width']} pixels, {look['scheme']}"
        if look["wide"] > look["width"]:
            faults.append(f"{where}: {look['wide']} pixels wide")
        faults += [f"{where}: {complaint}" for complaint in look["complaints"]]
    return faults


def _modules() -> Path:
    """The folder that holds puppeteer-core."""
    if not (MODULES / "node_modules" / "puppeteer-core").is_dir():
        MODULES.mkdir(parents=True, exist_ok=True)
        (MODULES / "package.json").write_text("{}")
        words = [_tool("npm"), "install", "--no-audit", "--no-fund", "--silent", "puppeteer-core@24"]
        subprocess.run(words, cwd=MODULES, check=True, timeout=300)
    return MODULES


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"no {name} here: apt-get install chromium nodejs npm")
    return found


def _address(page: str) -> str:
    return page if "://" in page else Path(page).absolute().as_uri()


def _name(page: str) -> str:
    return Path(page).stem if "://" not in page else page.rstrip("/").rpartition("/")[2]


def _plan(folder: Path) -> str:
    """The page of the plan of docs/plans.md, by the prices that come with this version."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "what-if.yaml").write_text(JOB)
    words = ["plan", "what-if.yaml", "--offline", "--html", "what-if.html", "--json"]
    command = [sys.executable, "-m", "launcher.cli", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)
    return (folder / "what-if.html").absolute().as_uri()


def _report(page: Path | None) -> str:
    """The page of a run, by default of the demo's newest."""
    found = [page] if page else sorted(DEMO.glob("*/report.html"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit("no run of the demo here: make demo")
    return found[-1].absolute().as_uri()


if __name__ == "__main__":
    sys.exit(main())
