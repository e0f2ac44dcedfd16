"""The documentation site is built strictly: no broken link or anchor, no page that the navigation leaves out."""

from pathlib import Path

import pytest

from tests.support.paths import ROOT

mkdocs = pytest.importorskip("mkdocs.commands.build", reason="mkdocs is not installed (the extra `docs`)")


@pytest.mark.filterwarnings("ignore")
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    from mkdocs.config.base import load_config  # pyright: ignore[reportUnknownVariableType] - mkdocs leaves its options untyped

    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"))
    mkdocs.build(config)  # `strict: true` in mkdocs.yml raises Abort after any warning
    home = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "tutorial.html" in home
    assert (tmp_path / "site" / "CHANGELOG.html").exists()


def test_the_pages_load_nothing_from_elsewhere() -> None:
    """Fonts are off, and no page asks for a script or a style sheet of another host."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in text
    assert "extra_javascript" not in text
