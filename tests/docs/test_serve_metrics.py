"""docs/serve.md lists exactly the metrics of the server."""

import re

from launcher.serve.serve_metrics import ServeMetrics
from tests.support.paths import ROOT


def test_page_lists_the_metrics_of_the_server() -> None:
    metrics = ServeMetrics().metrics({}, {}, None)
    page = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8").partition("## Metrics")[2]
    named = {
        name
        for line in page.splitlines()
        for name in re.findall(r"`(embedfleet_\w+)`", line.split("|")[1] if "|" in line else "")
    }
    assert named == {one.name for one in metrics}
