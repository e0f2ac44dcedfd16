"""The report's page in a real browser: nothing overflows, the console is silent, and axe finds no serious fault.

Needs Debian's chromium, node, and axe-core and puppeteer-core from npm, which the test installs into a folder of its
own. Names in the page are hostile.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from launcher.ledger.ledger import Ledger
from launcher.reports.assemble import report_of
from launcher.reports.html.report import report_page
from launcher.reports.report_json import report_document
from tests.support import ledger_history

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>"
SCRIPT = Path(__file__).with_name("browser.mjs")

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    missing = [tool for tool in ("chromium", "node", "npm") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here: apt-get install chromium nodejs npm")
    chromium = str(shutil.which("chromium"))
    folder: Path = tmp_path_factory.mktemp("browser")
    with Ledger.open(folder / "ledger.db") as ledger:
        ledger_history.write_history(ledger, name=EVIL, place_suffix=EVIL)
        page = report_page(
            report_document(
                report_of(ledger, None, ledger_history.RUN, ledger_history.at(ledger_history.NOW_SECONDS))
            )
        )
    (folder / "report.html").write_text(page, encoding="utf-8")
    words = ["npm", "install", "--no-audit", "--no-fund", "--silent", "axe-core@4", "puppeteer-core@24"]
    (folder / "package.json").write_text("{}")
    subprocess.run(words, cwd=folder, check=True, timeout=300)
    asked = ["node", SCRIPT, folder, chromium, folder / "report.html", folder]
    said = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=600).stdout
    print(f"screenshots: {folder}")
    return json.loads(said)


def test_page_is_loaded_at_two_widths_in_light_and_dark(seen: list[dict[str, Any]]) -> None:
    assert {(look["width"], look["scheme"]) for look in seen} == {
        (width, scheme) for width in (1280, 390) for scheme in ("light", "dark")
    }


def test_nothing_is_wider_than_the_screen(seen: list[dict[str, Any]]) -> None:
    assert [look["wide"] for look in seen] == [look["width"] for look in seen]


def test_console_is_silent_and_nothing_is_fetched(seen: list[dict[str, Any]]) -> None:
    assert [look["complaints"] for look in seen] == [[], [], [], []]


def test_axe_finds_no_serious_fault(seen: list[dict[str, Any]]) -> None:
    faults = [
        fault for look in seen for fault in look["faults"] if fault["impact"] in ("serious", "critical")
    ]
    assert faults == []
