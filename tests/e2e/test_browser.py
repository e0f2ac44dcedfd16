"""The pages of a report and a live run in a real browser: nothing overflows, the console is silent, axe finds no fault.

Needs Debian's chromium, node, and axe-core and puppeteer-core from npm, which the test installs into a folder of its
own. Names in the page are hostile.
"""

import json
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launcher.ledger.ledger import Ledger
from launcher.reports.assemble import report_of
from launcher.reports.document import ReportDocument
from launcher.reports.html.live import LiveRun, live_files, live_page
from launcher.reports.html.report_page.report import report_page
from launcher.reports.report_json import report_document
from launcher.ui.server import Answer, UiServer
from tests.launcher.documents.test_status import REPORT as STATUS
from tests.support import ledger_history

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>"
SCRIPT = Path(__file__).with_name("browser.mjs")

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of node that drive the browser."""
    missing = [tool for tool in ("chromium", "node", "npm") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here: apt-get install chromium nodejs npm")
    folder: Path = tmp_path_factory.mktemp("browser")
    words = ["npm", "install", "--no-audit", "--no-fund", "--silent", "axe-core@4", "puppeteer-core@24"]
    (folder / "package.json").write_text("{}")
    subprocess.run(words, cwd=folder, check=True, timeout=300)
    print(f"screenshots: {folder}")
    return folder


def look(browser: Path, address: str, *more: str) -> list[dict[str, Any]]:
    """What the browser finds at the address, at each width and colour scheme."""
    asked = ["node", SCRIPT, browser, str(shutil.which("chromium")), address, browser, *more]
    said = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=600).stdout
    return json.loads(said)


def history(folder: Path) -> ReportDocument:
    """The report of a long run whose names are hostile."""
    with Ledger.open(folder / "ledger.db") as ledger:
        ledger_history.write_history(ledger, name=EVIL, place_suffix=EVIL)
        now = ledger_history.at(ledger_history.NOW_SECONDS)
        return report_document(report_of(ledger, None, ledger_history.RUN, now))


@pytest.fixture(scope="module")
def seen(browser: Path) -> list[dict[str, Any]]:
    (browser / "report.html").write_text(report_page(history(browser)), encoding="utf-8")
    return look(browser, f"file://{browser / 'report.html'}")


class LivePage:
    """A site whose page says how often it was asked for."""

    def __init__(self, report: ReportDocument) -> None:
        self.report = report
        self.asked = 0

    def answer(self, path: str) -> Answer | None:
        if path in live_files():
            return Answer(*live_files()[path])
        if path != f"run/{ledger_history.RUN}/":
            return None
        self.asked += 1
        status = replace(STATUS, tokens=self.asked)
        return Answer(live_page(LiveRun(status=status, report=self.report, deadline=None)).encode())


def test_live_page_renews_itself_under_its_own_policy(
    browser: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = UiServer(LivePage(history(tmp_path_factory.mktemp("live"))))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        looks = look(browser, f"{server.url}run/{ledger_history.RUN}/", "7")
    finally:
        server.shutdown()
        server.server_close()
    assert [one["renewed"] for one in looks] == [True] * 4
    assert [one["complaints"] for one in looks] == [[]] * 4
    assert [one["wide"] for one in looks] == [one["width"] for one in looks]


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
