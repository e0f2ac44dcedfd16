"""Titles of Markdown and reStructuredText."""

import pytest

from tasks.formats.documents.plain_text import title_of_text


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("a.md", "# One\n\ntext", "One"),
        ("a.MD.gz", "intro\n\n## Two\n\n# One #\n", "One"),
        ("a.markdown", "One\n===\n", "One"),
        ("a.md", "---\nlayout: x\ntitle: 'From  front'\n---\n# One", "From front"),
        ("a.md", "---\r\nlayout: x\r\n---\r\n# One\r\n", "One"),
        ("a.md", "```\n# code\n```\n# One", "One"),
        ("a.md", "no heading\n\n- list\n---\n", None),
        ("a.rst", "=====\nTitle\n=====\n\ntext", "Title"),
        ("a.rst", "Title\n-----\n", "Title"),
        ("a.rst", "Some text.\n\nMore.", None),
        ("a.txt", "# One", None),
    ],
)
def test_the_title_is_that_of_the_first_heading(name: str, text: str, title: str | None) -> None:
    assert title_of_text(name, text) == title
